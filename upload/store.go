package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// errOutgrown: the source does not fit into parts of the size that the upload has.
var errOutgrown = errors.New("the source no longer fits into the parts of the upload")

// noEffect says that a store's error is a sentinel, which promises that nothing happened.
func noEffect(err error) bool {
	return final(err) || errors.Is(err, backend.ErrThrottled) || errors.Is(err, backend.ErrUnreachable)
}

// list returns all parts of an upload.
func (r *run) list(ctx context.Context, up backend.Upload) ([]backend.Part, error) {
	var all []backend.Part
	for after, more := 0, true; more; {
		var page []backend.Part
		err := r.retry(ctx, "ListParts", nil, func() error {
			return r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
				page, more, err = r.backend.ListParts(ctx, up, after)
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		if more && (len(page) == 0 || page[len(page)-1].Number <= after) {
			return nil, fmt.Errorf("ListParts after part %d does not advance", after)
		}
		if limit := r.backend.Info().MaxParts; limit > 0 && more && page[len(page)-1].Number >= limit {
			return nil, fmt.Errorf("ListParts has more than the %d parts that the store takes", limit)
		}
		all = append(all, page...)
		if more {
			after = page[len(page)-1].Number
		}
	}
	return all, nil
}

// stat asks for the object under the key. That it was denied is noted.
func (r *run) stat(ctx context.Context) (obj backend.Object, err error) {
	err = r.retry(ctx, "Stat", nil, func() error {
		return r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
			obj, err = r.backend.Stat(ctx, r.key)
			return err
		})
	})
	if errors.Is(err, backend.ErrDenied) {
		r.denied(ctx, "Stat")
	}
	if err != nil {
		return obj, &Error{Op: "look for the object", Key: r.key, Err: err}
	}
	return obj, nil
}

// intend records what is about to begin, and waits until that is durable.
func (r *run) intend(ctx context.Context, rec record) error {
	rec.Kind, rec.Time = kindIntent, time.Now().UTC().Truncate(time.Second)
	rec.Location, rec.Key, rec.Source, rec.Path = r.journal.claim.Location, r.journal.claim.Key, r.journal.claim.Source, r.journal.claim.Path
	rec.Attributes, rec.Request, rec.IfAbsent, rec.Absent = &r.req.Attributes, r.request, r.req.IfAbsent, r.absent
	if err := r.journal.append(ctx, rec); err != nil {
		return err
	}
	return r.journal.sync(ctx)
}

// lost notes that an upload is gone and that the next one begins from nothing.
func (r *run) lost(ctx context.Context, s *session, why string) error {
	if why != "" {
		r.restarted(ctx, why)
	}
	return r.journal.append(ctx, record{Kind: kindGone, Upload: s.ID})
}

// giveUp aborts an upload and notes that it is gone. One that the store does not let us abort is left, and the log with
// it, but not if its Complete may still be under way: then it must be gone first, so that it cannot land on its successor.
func (r *run) giveUp(ctx context.Context, s *session, why string) error {
	err := r.abort(ctx, s.Upload)
	if errors.Is(err, backend.ErrDenied) {
		r.denied(ctx, "Abort")
		if s.completing == nil {
			s.abandoned = true
			if why != "" {
				r.restarted(ctx, why)
			}
			return nil
		}
		err = r.awaitGone(ctx, s.Upload)
	}
	if err != nil && ctx.Err() != nil {
		return also(ended(ctx), err)
	}
	if err != nil {
		return err
	}
	return r.lost(ctx, s, why)
}

// awaitGone waits until the store no longer has the upload.
func (r *run) awaitGone(ctx context.Context, up backend.Upload) error {
	for n := 1; ; n++ {
		_, err := r.list(ctx, up)
		switch {
		case errors.Is(err, backend.ErrNoSuchUpload):
			return nil
		case err != nil:
			return &Error{Op: "wait for the end of the old upload", Key: r.key, Err: err}
		case n >= r.opts.Retry.Attempts:
			return fmt.Errorf("%w: an earlier Complete of upload %s may still be under way, and the store does not let us abort it; "+
				"allow that, or try again later", ErrUndecided, up.ID)
		}
		if err := pause(ctx, r.opts.Retry.delay(n, nil)); err != nil {
			return err
		}
	}
}

const (
	abortTimeout  = 30 * time.Second
	abortAttempts = 6
)

// abort discards an upload, and asks again until the store says that it is gone, since a part that was in flight may
// outlive an abort. It goes on when ctx is cancelled: an upload that is given up is not left behind.
func (u *Uploader) abort(ctx context.Context, up backend.Upload) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	for n := 1; ; n++ {
		err := u.backend.Abort(ctx, up)
		switch {
		case errors.Is(err, backend.ErrNoSuchUpload):
			return nil
		case err != nil && mended(err) && n < abortAttempts:
			continue
		case err != nil && (final(err) || n >= abortAttempts):
			return &Error{Op: "abort", Key: up.Key, Err: err}
		case n >= abortAttempts:
			return &Error{Op: "abort", Key: up.Key, Err: fmt.Errorf("upload %s is still there after %d aborts", up.ID, n)}
		case err != nil || n > 1: // one that is on its way out is given time
			if err := pause(ctx, u.opts.Retry.delay(n, err)); err != nil {
				return &Error{Op: "abort", Key: up.Key, Err: err}
			}
		}
	}
}

// forget deletes the log once nothing on the store depends on it: every upload in it is known to be gone.
func (r *run) forget(ctx context.Context, failed error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	h := &r.journal.history
	for _, s := range h.uploads {
		if failed == nil && !s.gone {
			err := r.abort(ctx, s.Upload)
			s.gone = err == nil
			if errors.Is(err, backend.ErrDenied) {
				r.denied(ctx, "Abort")
			}
		}
		if !s.gone && s.abandoned {
			r.res.Left = append(r.res.Left, s.Upload)
		}
	}
	keep := failed != nil && r.unsure
	for _, s := range h.uploads {
		keep = keep || !s.gone
	}
	if keep || r.journal.lost != nil {
		return
	}
	if err := r.journal.delete(ctx); err != nil {
		r.log.WarnContext(ctx, "the checkpoint of a finished upload was not deleted; the next call will", "error", err)
	}
}

func (r *run) restarted(ctx context.Context, why string) {
	r.res.Restarted = append(r.res.Restarted, why)
	r.log.WarnContext(ctx, "starting again", "why", why)
}

func (r *run) damaged(err error) {
	r.res.Damaged = append(r.res.Damaged, err.Error())
	r.log.Warn("damaged checkpoint set aside; using what can be read of it", "error", err)
}

func (r *run) denied(ctx context.Context, op string) {
	for _, d := range r.res.Denied {
		if d == op {
			return
		}
	}
	r.res.Denied = append(r.res.Denied, op)
	r.log.WarnContext(ctx, "the store denied a request that can be done without", "request", op)
}
