package upload

import (
	"context"
	"slices"
	"sync"
	"time"
)

// window is the number of parts that may be under way at once, and who may send the next one: of the uploads that wait for a place, the
// one that has the fewest, and of those the one that had the fewest before. So none starves beside another, and what cannot be divided
// evenly goes round.
type window struct {
	mu      sync.Mutex
	fixed   int      // places; 0: as many as control says
	control *control // nil if fixed
	used    int
	flowing int       // parts under way that flow
	hungry  []*member // uploads that have more to send
	waiting []*ticket
}

// member is an upload that shares a window.
type member struct {
	window *window
	held   int // places
	turn   int // places that it had so far; who comes later does not catch up on what is done
}

// ticket is a place that is waited for.
type ticket struct {
	*member
	ready chan struct{} // closed when the place is had
}

// begin says that the upload has parts to send, end that the last of them has its place.
func (m *member) begin() {
	w := m.window
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.hungry {
		if done := other.turn - other.held; i == 0 || done < m.turn {
			m.turn = done
		}
	}
	w.hungry = append(w.hungry, m)
}

func (m *member) end() {
	w := m.window
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hungry = slices.DeleteFunc(w.hungry, func(other *member) bool { return other == m })
}

func newWindow(fixed int, c *control) *window { return &window{fixed: fixed, control: c} }

func (w *window) limit() int {
	if w.control == nil {
		return w.fixed
	}
	return w.control.limit
}

// size is how many places there are now.
func (w *window) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit()
}

// enter waits for a place. The error is that of ctx.
func (m *member) enter(ctx context.Context) error {
	w := m.window
	t := &ticket{member: m, ready: make(chan struct{})}
	w.mu.Lock()
	w.waiting = append(w.waiting, t)
	w.admit()
	w.mu.Unlock()
	select {
	case <-t.ready:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.waiting {
		if other == t {
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			return ended(ctx)
		}
	}
	w.free(m)
	return ended(ctx)
}

// tryEnter takes a place that nobody waits for.
func (m *member) tryEnter() bool {
	w := m.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 || w.used >= w.limit() {
		return false
	}
	w.used++
	m.held++
	return true
}

// leave gives a place back.
func (m *member) leave() {
	m.window.mu.Lock()
	defer m.window.mu.Unlock()
	m.window.free(m)
}

// free and admit are called with the lock held.
func (w *window) free(m *member) {
	m.held--
	w.used--
	w.admit()
}

func (w *window) admit() {
	for w.used < w.limit() && len(w.waiting) > 0 {
		next := 0
		for i, t := range w.waiting {
			if first := w.waiting[next]; t.held < first.held || t.held == first.held && t.turn < first.turn {
				next = i
			}
		}
		t := w.waiting[next]
		w.waiting = append(w.waiting[:next], w.waiting[next+1:]...)
		t.held++
		t.turn++
		w.used++
		close(t.ready)
	}
}

// tell lets the controller know, and lets in whom its new limit has room for.
func (w *window) tell(f func(c *control, now time.Time)) {
	if w.control == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.control, time.Now())
	w.admit()
}

// moved is told of bytes that a part gave out; first, that with them it flows.
func (w *window) moved(n int, first bool) {
	w.tell(func(c *control, now time.Time) {
		if first {
			w.flowing++
		}
		c.moved(n, w.flowing, len(w.hungry) > 0, now)
	})
}
