package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// Defaults of [Retry].
const (
	DefaultAttempts  = 10
	DefaultBaseDelay = 200 * time.Millisecond
	DefaultMaxDelay  = 20 * time.Second
	DefaultOutage    = 2 * time.Hour
)

// Retry is how often and when a failed request is sent again. Fields that are zero are the defaults, Attempts and the delays also if
// they are less. What the store refuses for good (denied, invalid) is not sent again, unless the error says that its cause has been
// put right (Mended, in the comment of package backend): then it is, without a wait. When a request is given up, the error is that
// of its last try.
type Retry struct {
	// Attempts is how often a request is sent before it fails. A part does not give up while others make progress: its
	// count starts again with every part that is stored meanwhile.
	Attempts int

	// The wait before attempt n+1 is a random time up to BaseDelay·2ⁿ⁻¹, at most MaxDelay ("full jitter", from the AWS
	// Architecture Blog's "Exponential Backoff And Jitter"), and never less than what the store asks for (RetryAfter).
	BaseDelay, MaxDelay time.Duration

	// Outage is how long an upload goes on asking, whatever Attempts says, when the store cannot be reached any more
	// ([backend.ErrUnreachable]: the network is away, or the name does not resolve) or asks to wait (RetryAfter,
	// [backend.ErrThrottled]). It begins anew with every request that succeeds. A RetryAfter that would end later than that is not
	// waited for. Meanwhile the store is asked by one request at a time, over all uploads of the Uploader, at least every MaxDelay
	// and never before what it asked for; Progress.Waiting and the log say so. (A store that throttles without a RetryAfter is
	// there: requests go on to be sent again each by itself, by fewer connections.) A store that this call has not reached once is
	// given up after Attempts: its address may be wrong. 0 is DefaultOutage where Attempts is 0 too, and none where Attempts says
	// how often; a negative one is none.
	Outage time.Duration
}

func (p Retry) withDefaults() Retry {
	if p.Outage == 0 && p.Attempts <= 0 {
		p.Outage = DefaultOutage
	}
	if p.Attempts <= 0 {
		p.Attempts = DefaultAttempts
	}
	if p.BaseDelay <= 0 {
		p.BaseDelay = DefaultBaseDelay
	}
	if p.MaxDelay <= 0 {
		p.MaxDelay = DefaultMaxDelay
	}
	return p
}

// delay returns the wait after the failed attempt n, from 1.
func (p Retry) delay(n int, err error) time.Duration {
	limit := p.MaxDelay
	if shift := min(n-1, 62); p.BaseDelay <= limit>>shift {
		limit = p.BaseDelay << shift
	}
	wait := rand.N(limit) + 1
	var with interface{ RetryAfter() time.Duration }
	if errors.As(err, &with) {
		wait = max(wait, with.RetryAfter())
	}
	return wait
}

// final says that sending the request again cannot help.
func final(err error) bool {
	for _, sentinel := range []error{
		backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart, backend.ErrDenied, backend.ErrInvalid,
		errMoved,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return local(err) || errors.As(err, new(*division))
}

// localError is an error of this side, the source or the checkpoint. Whatever is in it, the store did not say it.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

func local(err error) bool {
	var e *localError
	return errors.As(err, &e)
}

// mended says that the cause of an error has been put right, so that the call may succeed now, even if it was denied.
func mended(err error) bool {
	var with interface{ Mended() bool }
	return errors.As(err, &with) && with.Mended()
}

// outage is since when the store cannot be had. It begins with a request that fails of that, not with the last one that succeeded: a
// source may be read for hours without a request.
type outage struct {
	mu      sync.Mutex
	reached bool      // a request succeeded
	since   time.Time // zero if there is none; by the monotonic clock, which does not jump, nor count while the machine is suspended
}

func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reached, o.since = true, time.Time{}
}

// goesOn is told of a request that failed.
func (o *outage) goesOn() (lasts time.Duration, reached bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
	}
	return time.Since(o.since), o.reached
}

// answered says that the store itself refused, rather than that there was no answer, as when a connection of old is reset.
func answered(err error) bool {
	var with interface{ RequestID() string }
	return noEffect(err) || errors.As(err, &with) && with.RequestID() != ""
}

// retry calls f until it succeeds, fails for good, or fails too often. progress, if not nil, returns a count; while it
// changes, failing is not too often. All requests to the store pass here, but for those of abort.
func (r *run) retry(ctx context.Context, what string, progress func() int64, f func() error) error {
	var seen int64
	wasMended := map[bool]bool{} // by whether the error was final
	for n, waits := 1, 1; ; n, waits = n+1, waits+1 {
		probe, err := r.gate.pass(ctx)
		if err != nil {
			return err
		}
		err = f()
		if progress != nil {
			if now := progress(); now != seen {
				seen, n, waits = now, 1, 1
				clear(wasMended)
			}
		}
		again := mended(err) && !wasMended[final(err)]
		var why string // the store is away
		var after time.Duration
		if !final(err) && !again {
			why, after = away(err)
		}
		switch {
		case err == nil:
			r.outage.over()
			r.open(ctx, probe)
			return nil
		case ctx.Err() != nil:
			if probe {
				r.gate.leave()
			}
			return ended(ctx)
		case local(err):
			if probe {
				r.gate.leave()
			}
			return err
		case why == "" && (probe || answered(err)):
			r.open(ctx, probe)
		}
		if final(err) && !again {
			return err
		}
		wait := r.opts.Retry.delay(waits, err)
		throttled := why == askedToWait || errors.Is(err, backend.ErrThrottled)
		if throttled {
			r.window.tell((*control).throttled)
		}
		enough := n >= r.opts.Retry.Attempts
		if bound := r.opts.Retry.Outage; (throttled || why != "") && bound > 0 {
			lasts, reached := r.outage.goesOn()
			enough = after > bound-lasts || enough && !reached
		}
		if enough {
			if probe && why != "" {
				r.gate.leave()
			}
			return err
		}
		wasMended[final(err)] = wasMended[final(err)] || again
		switch {
		case why != "": // also if something was mended: whoever probes must say how it went
			r.gate.shut(ctx, why, probe, err, func(tries int) time.Duration { return r.opts.Retry.delay(tries, err) })
			wait = 0 // at the gate
		case again:
			wait = 0
		}
		if why == "" { // or else the gate tells
			r.log.InfoContext(ctx, "trying again", "what", what, "after", wait, "error", err)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		r.meter.retried()
	}
}

// open lets all requests through. What was measured until then is no measure of the line.
func (r *run) open(ctx context.Context, probe bool) {
	if r.gate.open(ctx, probe) {
		r.window.tell((*control).round)
	}
}

// How long a request may take as a whole that sends no part.
const (
	callTimeout = time.Minute

	// Putting a large object together may take several minutes, and an answer that is not waited for only makes it unknown what became of
	// it (the service's page CompleteMultipartUpload; S3's page of that name says "several minutes to complete").
	completeTimeout = 15 * time.Minute
)

// call makes a request that sends no part, within a time limit of its own.
func (r *run) call(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	late := &stalled{fmt.Sprintf("no answer for %v", timeout)}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	begun := time.Now()
	err := f(limited)
	switch {
	case err == nil:
		took := time.Since(begun)
		r.window.tell(func(c *control, _ time.Time) { c.answered(took, false) })
	case ctx.Err() == nil && context.Cause(limited) == error(late):
		return late
	}
	return err
}

// pause waits. It returns early, with an error, when ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // whatever the timer says
		return ended(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended is why ctx is done: its error, and its cause where it has one.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
