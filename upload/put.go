package upload

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tidemark-go/tidemark/backend"
)

// putFits says whether the source goes as one Put.
func (r *run) putFits() bool {
	_, ok := backend.As[backend.Putter](r.backend)
	limit := r.backend.Info().MaxPutSize
	if limit == 0 {
		limit = math.MaxInt64
	}
	return ok && (r.src.Size() == 0 || r.src.Size() < r.opts.Threshold) && r.src.Size() <= limit && r.opts.Threshold >= 0
}

// put sends the source as one request. It is read twice: once for its CRC-64, which is recorded, and once to be sent, and
// the end of a body with another CRC-64 is not sent, so that the store takes no mix. Bytes that are the same both times
// were so at the moment between, when the source had this size.
func (r *run) put(ctx context.Context) error {
	putter, _ := backend.As[backend.Putter](r.backend)
	// A Put of an earlier call may still land, and so may one of an earlier pass.
	in := r.journal.history.intent
	lost := in != nil && in.Put
	for range maxPasses {
		whole, err := r.readWhole(ctx)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return err
		}
		whole.Put = true
		if err := r.intend(ctx, *whole); err != nil {
			return err
		}
		r.meter.planned(whole.Size, 0, 0, 0, 0)
		obj, err := r.putOnce(ctx, putter, *whole, &lost)
		switch {
		case errors.Is(err, errMoved):
			r.log.InfoContext(ctx, "the source changed while it was read; reading it again")
			continue
		case err != nil:
			return err
		}
		r.res.CRC64 = *whole.CRC64.uint64
		return r.verify(ctx, obj, *whole)
	}
	return &Error{Op: "read the source", Key: r.key, Err: ErrSourceChanged}
}

// putOnce sends what whole describes. lost says whether an answer was lost, so that the object may be ours.
func (r *run) putOnce(ctx context.Context, putter backend.Putter, whole record, lost *bool) (obj backend.Object, err error) {
	w := &watch{window: r.window}
	defer w.start()()
	err = r.retry(ctx, "Put", nil, func() (err error) {
		b := &body{src: r.src, size: whole.Size}
		b.seal = func(crc uint64) error {
			if crc != *whole.CRC64.uint64 {
				return errMoved
			}
			return nil
		}
		opts := backend.CompleteOptions{IfAbsent: r.req.IfAbsent, Attributes: r.req.Attributes}
		_, err = r.carry(ctx, newFlight(w, slot{number: 1, size: whole.Size}), b, func(ctx context.Context) (err error) {
			obj, err = putter.Put(ctx, r.key, b, whole.Size, r.req.Attributes, opts)
			return err
		})
		if err == nil {
			r.meter.landed(whole.Size)
		}
		switch _, read := b.sum(); {
		case b.err != nil:
			return b.err
		case err == nil && !read:
			return errors.New("the backend answered without having read the body")
		}
		*lost = *lost || err != nil && !noEffect(err)
		return err
	})
	r.unsure = r.unsure || *lost
	if !errors.Is(err, backend.ErrExists) {
		if err != nil && !errors.Is(err, errMoved) {
			err = &Error{Op: "put", Key: r.key, Err: err}
		}
		return obj, err
	}
	exists := &Error{Op: "put", Key: r.key, Err: err}
	if !*lost {
		return obj, exists
	}
	// An earlier try may have taken effect: ours if there was nothing before and what is there now is what was sent.
	obj, err = r.stat(ctx)
	switch {
	case errors.Is(err, backend.ErrDenied):
		return obj, fmt.Errorf("%w: an answer was lost, an object exists, and the store does not let us look at it; "+
			"allow reading the object, or look at it: %w", ErrUndecided, exists)
	case err != nil:
		return obj, err
	case r.absent && differs(obj, whole) == "" && !comparable(obj, whole):
		return obj, undecided(exists)
	case !r.absent || !matches(obj, whole):
		return obj, exists
	}
	return obj, nil
}

// undecided is for an object that may be what an earlier try put there.
func undecided(exists error) error {
	return fmt.Errorf("%w: an answer was lost, and the store says nothing of the object's content; look at it: %w", ErrUndecided, exists)
}
