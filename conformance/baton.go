package conformance

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/conformance/fault"
)

// baton lets one call go at a time, of those that several goroutines or processes want to make, in an order that somebody picks.
type baton struct {
	processes int
	atOnce    int // calls that a process makes at once, at most

	mu      sync.Mutex
	waiting []*held // in order of arrival
	active  bool    // a call is under way
	ended   int     // processes
	open    bool    // everybody may go
	changed chan struct{}
}

// held is a call that waits.
type held struct {
	call fault.Call
	goes chan struct{}
}

func newBaton(processes, atOnce int) *baton {
	return &baton{processes: processes, atOnce: atOnce, changed: make(chan struct{}, 1)}
}

// notify is called with the lock held.
func (b *baton) notify() {
	select {
	case b.changed <- struct{}{}:
	default: // somebody will look anyway
	}
}

// gate is fault.Options.Gate.
func (b *baton) gate(c fault.Call) {
	b.mu.Lock()
	if b.open {
		b.mu.Unlock()
		return
	}
	t := &held{c, make(chan struct{})}
	b.waiting = append(b.waiting, t)
	b.notify()
	b.mu.Unlock()
	<-t.goes
}

// done is fault.Options.Done.
func (b *baton) done(fault.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active = false
	b.notify()
}

// end says that a process has ended.
func (b *baton) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	b.notify()
}

// overdue is how long a call that pick waits for may take to come. It is on its way, or will never come.
const overdue = time.Second

// run hands the baton on until all processes have ended. Whenever no call is under way and all are there that can come, pick
// chooses among them; -1 waits for more. A process that makes one call at a time is waited for; of one that makes several nobody
// knows how many will come, so that it is given some time. If ctx is done, everybody may go, and run returns false.
func (b *baton) run(ctx context.Context, pick func([]fault.Call) int) (orderly bool) {
	for {
		b.mu.Lock()
		there, missing := len(b.waiting), b.atOnce*(b.processes-b.ended)-len(b.waiting)
		ended, active := b.ended == b.processes, b.active
		b.mu.Unlock()
		var again <-chan time.Time
		switch {
		case ended:
			return true
		case active || there == 0:
		case missing > 0 && b.atOnce == 1:
		case missing > 0 && !b.settled(there):
			continue
		case b.next(pick):
			continue
		default:
			again = time.After(overdue)
		}
		select {
		case <-again:
		case <-b.changed:
		case <-ctx.Done():
			b.letGo()
			return false
		}
	}
}

// letGo lets everybody go, from now on.
func (b *baton) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = true
	for _, t := range b.waiting {
		close(t.goes)
	}
	b.waiting = nil
}

// settled gives other goroutines a chance to arrive. It returns true if none did.
func (b *baton) settled(there int) bool {
	for range 200 {
		runtime.Gosched()
		b.mu.Lock()
		more := len(b.waiting) > there
		b.mu.Unlock()
		if more {
			return false
		}
	}
	return true
}

func (b *baton) next(pick func([]fault.Call) int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := make([]fault.Call, len(b.waiting))
	for i, t := range b.waiting {
		calls[i] = t.call
	}
	i := pick(calls)
	if i < 0 {
		return false
	}
	t := b.waiting[i]
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.active = true
	close(t.goes)
	return true
}
