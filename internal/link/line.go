package link

import (
	"net"
	"os"
	"sync"
	"time"
)

const (
	// hold is how long a piece keeps a line busy, and totalHold one of the line that all share, so that bytes flow rather than come in
	// bursts, and each connection has its turn soon.
	hold      = 5 * time.Millisecond
	totalHold = 2 * time.Millisecond

	// lateness is how long a line may have been free and still count as busy all the time: a timer that was late must not cost rate.
	lateness = 20 * time.Millisecond
)

// pieceOf is how much a line carries in a time.
func pieceOf(rate int64, d time.Duration) int {
	return int(max(1, min(rate, 1<<40)*int64(d/time.Microsecond)/int64(time.Second/time.Microsecond)))
}

// line carries bytes, one after the other, in the order in which they were given to it.
type line struct {
	mu   sync.Mutex
	free time.Time // when it has carried what it was given
}

func (l *line) freeAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free
}

// carry gives bytes to the line, and returns when it has carried them. Without a rate that is no later than now.
func (l *line) carry(bytes int, rate int64) time.Time {
	if rate <= 0 || bytes <= 0 {
		return time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.free) > lateness {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(bytes) / float64(rate) * float64(time.Second)))
	return l.free
}

// waiter waits for one direction of a connection, until its deadline.
type waiter struct {
	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{} // if somebody waits: closed when the deadline changes
}

func (w *waiter) setDeadline(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// wait waits until t. The error is [os.ErrDeadlineExceeded], or [net.ErrClosed] when closed is.
func (w *waiter) wait(t time.Time, closed <-chan struct{}) error {
	for {
		now := time.Now()
		if !t.After(now) {
			return nil
		}
		w.mu.Lock()
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		deadline, changed := w.deadline, w.changed
		w.mu.Unlock()
		until := t
		if !deadline.IsZero() && deadline.Before(t) {
			if !deadline.After(now) {
				return os.ErrDeadlineExceeded
			}
			until = deadline
		}
		timer := time.NewTimer(until.Sub(now))
		select {
		case <-timer.C:
		case <-changed:
		case <-closed:
			timer.Stop()
			return net.ErrClosed
		}
		timer.Stop()
	}
}
