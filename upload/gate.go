package upload

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// gate holds back all requests of an Uploader while the store cannot be reached or has asked to wait. When the time is over, one request
// goes, and the others follow if it gets through: whatever waits, the store is asked once.
type gate struct {
	log *slog.Logger

	mu      sync.Mutex
	why     string // empty: it is open
	shutAt  time.Time
	until   time.Time
	tries   int           // that failed since
	probing bool          // one request is on its way
	changed chan struct{} // closed, and made anew, when any of this changes
}

func newGate(log *slog.Logger) *gate { return &gate{log: log, changed: make(chan struct{})} }

// What is waited for, in Progress and the log.
const (
	unreachable = "the store cannot be reached"
	askedToWait = "the store asked to wait"
)

// away says why a store cannot be had for now, by an error that speaks of all requests rather than of one.
func away(err error) (why string, after time.Duration) {
	var with interface{ RetryAfter() time.Duration }
	switch {
	case errors.As(err, &with) && with.RetryAfter() > 0:
		return askedToWait, with.RetryAfter()
	case errors.Is(err, backend.ErrUnreachable):
		return unreachable, 0
	}
	return "", 0
}

// pass waits until a request may go. probe says that it is the one that tries; it must then shut, open or leave.
func (g *gate) pass(ctx context.Context) (probe bool, err error) {
	for {
		g.mu.Lock()
		if g.why == "" {
			g.mu.Unlock()
			return false, nil
		}
		wait := time.Until(g.until)
		if wait <= 0 && !g.probing {
			g.probing = true
			g.mu.Unlock()
			return true, nil
		}
		changed := g.changed
		if g.probing {
			wait = time.Duration(math.MaxInt64) // whoever probes says how it went
		}
		g.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false, ended(ctx)
		}
	}
}

// state says what is waited for and since when; nothing if the gate is open.
func (g *gate) state() (why string, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why, g.shutAt
}

// shut closes the gate, or keeps it closed after a probe that failed, for a while that delay says.
func (g *gate) shut(ctx context.Context, why string, probe bool, err error, delay func(tries int) time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != "" && !probe { // a request that was under way when the gate closed
		return
	}
	if g.why == "" {
		g.shutAt, g.tries = time.Now(), 0
	}
	if g.why != why {
		g.log.WarnContext(ctx, "waiting", "why", why, "error", err)
	}
	g.why = why
	g.tries++
	g.until = time.Now().Add(delay(g.tries))
	g.probing = g.probing && !probe
	g.signal()
}

// open lets everyone through: a request got through. One that was on its way when the store asked to wait does not say that this is over.
func (g *gate) open(ctx context.Context, probe bool) (opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == "" || g.why == askedToWait && !probe {
		return false
	}
	g.log.InfoContext(ctx, "going on", "after", time.Since(g.shutAt), "why", g.why)
	g.why, g.probing = "", false
	g.signal()
	return true
}

// leave is for a probe that ended without telling anything.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.signal()
}

func (g *gate) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}
