package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// Defaults of [Retry].
const (
	DefaultAttempts  = 6
	DefaultBaseDelay = 200 * time.Millisecond
	DefaultMaxDelay  = 20 * time.Second
)

// Retry is how often and when a failed request is sent again. Fields that are zero or less are the defaults. What the store refuses for good
// (denied, invalid) is not sent again.
type Retry struct {
	// Attempts is how often a request is sent before it fails. A part does not give up while others make progress: its
	// count starts again with every part that is stored meanwhile.
	Attempts int

	// The wait before attempt n+1 is a random time up to BaseDelay·2ⁿ⁻¹, at most MaxDelay ("full jitter", from the AWS
	// Architecture Blog's "Exponential Backoff And Jitter"), and never less than what the store asks for (RetryAfter).
	BaseDelay, MaxDelay time.Duration
}

func (p Retry) withDefaults() Retry {
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
	return local(err)
}

// localError is an error of this side, the source or the checkpoint. Whatever is in it, the store did not say it.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

func local(err error) bool {
	var e *localError
	return errors.As(err, &e)
}

// retry calls f until it succeeds, fails for good, or fails too often. progress, if not nil, returns a count; while it
// changes, failing is not too often.
func (r *run) retry(ctx context.Context, what string, progress func() int64, f func() error) error {
	var seen int64
	for n, waits := 1, 1; ; n, waits = n+1, waits+1 {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ended(ctx)
		}
		if final(err) {
			return err
		}
		if progress != nil {
			if now := progress(); now != seen {
				seen, n = now, 1
			}
		}
		if n >= r.opts.Retry.Attempts {
			return err
		}
		wait := r.opts.Retry.delay(waits, err)
		r.log.InfoContext(ctx, "trying again", "what", what, "after", wait, "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		r.meter.retried()
	}
}

// pause waits. It returns early, with an error, when ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // whatever the timer says
		return ended(ctx)
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
