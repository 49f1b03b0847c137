package upload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// When something that does not move is given up. What fellows do meanwhile tells a connection that is dead from a line that is slow, long
// before any fixed time could.
const (
	stallAfter   = 30 * time.Second       // no byte of a body went
	silenceAfter = 2 * time.Minute        // all of it went, and no answer came
	behindAfter  = 500 * time.Millisecond // the same, beside fellows that move: above what TCP takes to send a lost segment twice
	behindBytes  = 4 << 20                // what its fellows moved meanwhile, on average
	behindParts  = 3                      // fellows that were sent later and have their answers
	hedgeGain    = 250 * time.Millisecond // what a second try must save at least
	watchEvery   = 50 * time.Millisecond
)

// stalled is the error of a try that was given up because nothing moved. Another connection may be had at once.
type stalled struct{ what string }

func (e *stalled) Error() string { return ErrStalled.Error() + ": " + e.what }
func (e *stalled) Unwrap() error { return ErrStalled }
func (e *stalled) Mended() bool  { return true }

// flight is one try of a part.
type flight struct {
	slot
	watch  *watch
	begun  time.Time
	cancel context.CancelCauseFunc
	wanted chan struct{} // closed when a second try beside this one would pay, and has its place

	// Under the lock of watch.
	patient bool      // an earlier try was cut for being behind, so this one is given its time
	hedged  bool      // wanted is closed, or this is the second try
	flows   bool      // it has given out more than buffers on the way may hold
	moved   int64     // bytes given out since the body was begun last
	quiet   time.Time // since when nothing moved
	seen    int64     // what all flights together had moved by then
	whole   time.Time // when the last byte was given out; zero before
	held    bool      // it waits for the Limiter or the source
}

// watch looks at the parts under way, and ends those that do not move any more.
type watch struct {
	window *window
	member *member // for places of second tries; nil if there are none

	mu      sync.Mutex
	flights []*flight
	moved   int64           // bytes by all flights
	answers []time.Time     // when the bodies of parts went that have been answered, the latest of them
	speeds  []time.Duration // that parts took for a MiB, the latest of them
	answer  time.Duration   // what an answer takes, smoothed
	looked  time.Time       // when it looked last
}

const remembered = 8 // answers and speeds

func newFlight(w *watch, s slot) *flight {
	return &flight{slot: s, watch: w, begun: time.Now(), wanted: make(chan struct{})}
}

func (w *watch) add(f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.quiet, f.seen = f.begun, w.moved
	w.flights = append(w.flights, f)
}

// remove ends a flight, and learns from it if the part was stored.
func (w *watch) remove(f *flight, stored bool) (moved int64) {
	now := time.Now()
	w.mu.Lock()
	w.flights = slices.DeleteFunc(w.flights, func(other *flight) bool { return other == f })
	answer := now.Sub(f.whole)
	if stored = stored && !f.whole.IsZero(); stored {
		w.answers = latest(w.answers, f.whole)
		if f.size > 0 {
			w.speeds = latest(w.speeds, time.Duration(float64(now.Sub(f.begun))/float64(f.size)*(1<<20)))
		}
		if w.answer == 0 {
			w.answer = answer
		}
		w.answer += (answer - w.answer) / 8
	}
	moved = f.moved
	w.mu.Unlock()
	w.window.tell(func(c *control, now time.Time) {
		if f.flows {
			w.window.flowing--
		}
		if stored {
			c.stored()
			c.answered(answer, true)
		}
	})
	return moved
}

func latest[T any](list []T, next T) []T {
	if list = append(list, next); len(list) > remembered {
		list = list[1:]
	}
	return list
}

// move is told of bytes that the body gave out, from its start if again.
func (f *flight) move(n int, again bool) {
	w := f.watch
	w.mu.Lock()
	if again {
		f.moved, f.whole = 0, time.Time{}
	}
	f.moved += int64(n)
	w.moved += int64(n)
	first := !f.flows && f.moved >= min(f.size, flowBytes)
	f.flows = f.flows || first
	f.quiet, f.seen = time.Now(), w.moved
	if f.moved == f.size {
		f.whole = f.quiet
	}
	w.mu.Unlock()
	w.window.moved(n, first)
}

// hold is told that the body waits for the Limiter or the source, and that it does no more.
func (f *flight) hold(held bool) {
	f.watch.mu.Lock()
	defer f.watch.mu.Unlock()
	f.held, f.quiet, f.seen = held, time.Now(), f.watch.moved
}

// start looks again and again, until the function that it returns is called.
func (w *watch) start() (stop func()) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look(time.Now())
			case <-done:
				return
			}
		}
	})
	return func() { close(done); looking.Wait() }
}

// pardon is for a time in which this process did not run, so that nothing could move. It is called with the lock held.
func (w *watch) pardon(gap time.Duration, now time.Time) {
	for _, f := range w.flights {
		for _, t := range []*time.Time{&f.begun, &f.quiet, &f.whole} {
			if t.IsZero() {
				continue
			}
			if *t = t.Add(gap); t.After(now) {
				*t = now
			}
		}
	}
}

func (w *watch) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gap := now.Sub(w.looked); !w.looked.IsZero() && gap > behindAfter {
		w.pardon(gap, now)
	}
	w.looked = now
	for _, f := range w.flights {
		if f.held {
			continue
		}
		if what := w.dead(f, now); what != "" {
			f.cancel(&stalled{what})
		} else if !f.hedged && w.member != nil && w.lags(f, now) && w.member.tryEnter() {
			// The place was free and nobody waited for it, so there is nothing else to begin.
			f.hedged = true
			close(f.wanted)
		}
	}
}

// dead says what is wrong with a flight that is to be given up.
func (w *watch) dead(f *flight, now time.Time) string {
	if !f.whole.IsZero() {
		quiet, overtaken := now.Sub(f.whole), 0
		for _, sent := range w.answers {
			if sent.After(f.whole) {
				overtaken++
			}
		}
		switch {
		case quiet >= silenceAfter:
			return fmt.Sprintf("no answer for %v", silenceAfter)
		case !f.patient && quiet >= max(behindAfter, 4*w.answer) && overtaken >= behindParts:
			return fmt.Sprintf("no answer for %v, while parts that were sent later have theirs", quiet.Round(time.Millisecond))
		}
		return ""
	}
	quiet := now.Sub(f.quiet)
	fellows := int64(len(w.flights) - 1)
	switch {
	case quiet >= stallAfter:
		return fmt.Sprintf("no byte moved for %v", stallAfter)
	case !f.patient && quiet >= behindAfter && fellows > 0 && (w.moved-f.seen)/fellows >= behindBytes:
		return fmt.Sprintf("no byte moved for %v, while other parts moved", quiet.Round(time.Millisecond))
	}
	return ""
}

// lags says that a second try, begun now, would be done well before this one.
func (w *watch) lags(f *flight, now time.Time) bool {
	if len(w.speeds) < behindParts {
		return false
	}
	speeds := slices.Sorted(slices.Values(w.speeds))
	typical := time.Duration(float64(speeds[len(speeds)/2]) * float64(f.size) / (1 << 20))
	spent := now.Sub(f.begun)
	if spent < typical {
		return false
	}
	if !f.whole.IsZero() {
		return now.Sub(f.whole) >= max(hedgeGain, 4*w.answer)
	}
	if f.moved == 0 || now.Sub(f.quiet) >= hedgeGain {
		return spent >= hedgeGain
	}
	left := time.Duration(float64(spent) * float64(f.size-f.moved) / float64(f.moved))
	return left-typical >= max(hedgeGain, typical/2)
}
