package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
)

// Bounds on starting over. Each is far above what happens in the field; without them a store that contradicts itself, or a
// source that never rests, would keep an upload going for ever.
const (
	maxRestarts = 4 // uploads that vanish in one call
	maxPasses   = 4 // readings of a source that changes
	maxRefusals = 4 // Completes that name a part which is not there
)

// clockGrain is allowed between two times of a store's clock: they come in whole seconds, and some stores date an object by
// the moment at which its upload began, which is before they answered.
const clockGrain = 2 * time.Second

// run is one call of Upload.
type run struct {
	*Uploader
	key      string
	src      Source
	sourceID string
	path     string // of the source, if a later process can open it again
	req      Request
	request  string // digest of the attributes

	log     *slog.Logger
	journal *journal
	meter   *meter
	window  *window
	outage  outage
	res     *Result
	absent  bool // the store said that there is no object, before anything was begun
	unsure  bool // an answer around Create or Put was lost
}

// drive is the whole upload. The functions below follow in the order in which it needs them.
func (r *run) drive(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if r.request, err = digestOf(r.req.Attributes); err != nil {
		return err
	}
	// The same store, key and source have the same log.
	location := r.backend.Info().Location
	claim := record{Location: text(location), Key: text(r.key), Source: text(r.sourceID), Path: text(r.path), Request: r.request}
	return r.hold(ctx, logID(location, r.key, r.sourceID), claim, func() error {
		err := r.deliver(ctx)
		r.forget(ctx, err)
		return err
	})
}

// hold locks the log, where the store can, loads it and claims it: from then on, whoever drove the upload before cannot write
// to it. Then it calls do.
func (r *run) hold(ctx context.Context, id string, claim record, do func() error) error {
	r.journal = &journal{store: r.store, id: id, claim: claim, retry: r.opts.Retry, note: r.damaged}
	if locker, ok := r.store.(checkpoint.Locker); ok {
		unlock, err := locker.Lock(ctx, id)
		if err != nil {
			return err
		}
		defer func() {
			if err := unlock(); err != nil {
				r.log.WarnContext(ctx, "the checkpoint's lock was not released cleanly", "error", err)
			}
		}()
	}
	if err := r.journal.open(ctx); err != nil {
		return err
	}
	// A log that ends in an intent is that of a process which died before it had the answer, or never got one.
	r.unsure = r.journal.history.intent != nil && len(r.journal.history.uploads) == 0
	return do()
}

// deliver goes round until the object is there. A round ends early when the upload turns out to be gone, when it cannot hold
// the source any more, or when the store refuses a part at the end.
func (r *run) deliver(ctx context.Context) error {
	if done, err := r.lookFirst(ctx); done || err != nil {
		return err
	}
	s := r.journal.history.current()
	r.res.Resumed = s != nil
	for restarts, refusals := 0, 0; ; s = r.journal.history.current() {
		if s == nil && r.putFits() {
			r.res.PartSize = 0
			return r.put(ctx)
		}
		s, err := r.begin(ctx, s)
		if err != nil {
			return err
		}
		r.res.PartSize = s.layout[len(s.layout)-1].size
		var parts []part
		stored, err := r.reconcile(ctx, s, refusals > 0)
		if err == nil {
			parts, err = r.transfer(ctx, s, stored)
		}
		if err == nil {
			err = r.complete(ctx, s, parts)
		}
		switch {
		case err == nil:
			return nil
		case local(err):
			return err
		case errors.Is(err, backend.ErrNoSuchUpload):
			if done, serr := r.settle(ctx, s); done || serr != nil {
				return serr
			}
			if restarts++; restarts > maxRestarts {
				return fmt.Errorf("the store lost %d uploads in a row: %w", restarts, backend.ErrNoSuchUpload)
			}
		case errors.Is(err, errOutgrown):
			if err := r.giveUp(ctx, s, "the source has outgrown its parts"); err != nil {
				return err
			}
		case errors.Is(err, backend.ErrInvalidPart):
			if refusals++; refusals > maxRefusals {
				return err
			}
			r.log.WarnContext(ctx, "the store refused a part at the end; asking what it has", "error", err)
		default:
			return err
		}
	}
}

// lookFirst spares an upload that IfAbsent would refuse at the end. It is done if the object is what an earlier call put there
// whose answer was lost.
func (r *run) lookFirst(ctx context.Context) (done bool, err error) {
	h := &r.journal.history
	s := h.current()
	mayBeDone := s != nil && s.request == r.request && (s.completing != nil || h.damaged)
	if !r.req.IfAbsent || mayBeDone {
		return false, nil // the end will tell
	}
	obj, err := r.stat(ctx)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		r.absent = true
		return false, nil
	case errors.Is(err, backend.ErrDenied):
		return false, nil
	case err != nil:
		return false, err
	}
	exists := &Error{Op: "look for the object", Key: r.key, Err: backend.ErrExists}
	if in := h.intent; in != nil && in.Put && in.Absent {
		switch {
		case matches(obj, *in):
			if same, err := r.sourceIs(ctx, *in); same || err != nil {
				r.res.Object, r.res.CRC64 = obj, *in.CRC64.uint64
				return same, err
			}
		case differs(obj, *in) == "":
			return false, undecided(exists)
		}
	}
	if s != nil {
		return false, also(exists, r.giveUp(ctx, s, ""))
	}
	return false, exists
}

// begin returns the upload to go on with: a new one if there is none, or if it was begun under other attributes.
func (r *run) begin(ctx context.Context, s *session) (*session, error) {
	switch {
	case s == nil:
		return r.create(ctx)
	case s.layout == nil || s.request == "":
		if err := r.giveUp(ctx, s, "the checkpoint no longer says how the upload was begun"); err != nil {
			return nil, err
		}
		return r.create(ctx)
	case s.request != r.request:
		if err := r.giveUp(ctx, s, "the upload was begun with other attributes"); err != nil {
			return nil, err
		}
		return r.create(ctx)
	}
	r.log.InfoContext(ctx, "resuming", "upload", s.ID, "parts_recorded", len(s.parts), "part_size", s.layout[len(s.layout)-1].size)
	return s, nil
}

// create begins an upload. The intent and the ID are durable before they are needed: a crash between the two leaves one
// upload without parts, a crash after them none that is not known.
func (r *run) create(ctx context.Context) (*session, error) {
	partSize, err := choosePartSize(r.src.Size(), r.req.PartSize, r.backend.Info())
	if err != nil {
		return nil, err
	}
	if asked := r.req.PartSize; asked > 0 && partSize != asked {
		r.log.InfoContext(ctx, "part size raised, so that the source fits", "asked", asked, "part_size", partSize)
	}
	if err := r.intend(ctx, record{Size: r.src.Size(), PartSize: partSize}); err != nil {
		return nil, err
	}
	var up backend.Upload
	err = r.retry(ctx, "Create", nil, func() error {
		err := r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
			up, err = r.backend.Create(ctx, r.key, r.req.Attributes)
			return err
		})
		r.unsure = r.unsure || err != nil && !noEffect(err)
		return err
	})
	if err != nil {
		return nil, &Error{Op: "begin", Key: r.key, Err: err}
	}
	known, err := r.journal.commit(ctx, record{Kind: kindUpload, Upload: up.ID, Initiated: up.Initiated, PartSize: partSize, Request: r.request})
	if known && err != nil {
		return nil, err
	}
	if err != nil {
		// The log does not know of it, so nobody would ever find it; it has no parts yet.
		aerr := r.abort(ctx, up)
		if aerr != nil {
			r.unsure = true
			r.res.Left = append(r.res.Left, up)
		}
		return nil, also(err, aerr)
	}
	s := r.journal.history.current()
	s.fresh = true
	return s, nil
}

// reconcile returns what the store has of the upload, with what the log knows of it. Where the store does not say what it
// has, the log's own parts serve, unless Complete refused one of them.
func (r *run) reconcile(ctx context.Context, s *session, refused bool) (map[int]part, error) {
	stored := map[int]part{}
	if s.fresh {
		s.fresh = false
		return stored, nil
	}
	parts, err := r.list(ctx, s.Upload)
	switch {
	case errors.Is(err, backend.ErrDenied):
		r.denied(ctx, "ListParts")
		if refused {
			return stored, nil
		}
		for n, rec := range s.parts {
			recorded, crc := backend.Part{Number: n, Size: rec.size, ETag: rec.etag}, sumOf(rec.crc)
			stored[n] = part{Part: recorded, crc: crc, version: s.versionOf(recorded, crc), reused: true}
		}
		return stored, nil
	case err != nil:
		return nil, &Error{Op: "list the parts", Key: r.key, Err: err}
	}
	for _, p := range parts {
		found := part{Part: p, crc: hex64{p.CRC64}, reused: true}
		if rec, ok := s.parts[p.Number]; ok && found.crc.IsZero() && rec.etag == p.ETag {
			found.crc = sumOf(rec.crc) // of the same bytes, since the ETag is the same
		}
		found.version = s.versionOf(p, found.crc)
		stored[p.Number] = found
	}
	return stored, nil
}

// transfer makes the store's parts equal to the source, as it is at one moment, and returns them in order. Each pass is
// a whole reading under one version of the source: parts that the log proves are taken unread, the others compared, what is
// missing or different is sent. If the version is another one afterwards, the next pass compares again.
func (r *run) transfer(ctx context.Context, s *session, stored map[int]part) ([]part, error) {
	for passes := 0; passes < maxPasses; {
		version, err := r.snapshot()
		if err != nil {
			return nil, err
		}
		if !s.layout.fits(version.size, r.backend.Info()) {
			return nil, errOutgrown
		}
		p := &pass{run: r, session: s, version: version, parts: stored}
		err = p.read(ctx)
		if err == nil {
			err = r.still(version)
		}
		var smaller *division
		switch {
		case err == nil:
			return p.inOrder(), nil
		case errors.As(err, &smaller):
			if err := r.replan(ctx, s, stored, smaller); err != nil {
				return nil, err
			}
		case errors.Is(err, errMoved):
			passes++
			r.log.InfoContext(ctx, "the source changed while it was read; comparing what was sent")
		default:
			return nil, err
		}
	}
	return nil, &Error{Op: "read the source", Key: r.key, Err: ErrSourceChanged}
}

// replan changes the size of the parts that are still to come, once that is durable. What the store has under their numbers is of other
// places of the source, and is replaced.
func (r *run) replan(ctx context.Context, s *session, stored map[int]part, to *division) error {
	r.log.WarnContext(ctx, "the line does not last for a part; smaller ones from here on", "part", to.number, "part_size", to.size, "error", to.cause)
	rec := record{Kind: kindPlan, Upload: s.ID, Number: to.number, Offset: to.offset, PartSize: to.size}
	if _, err := r.journal.commit(ctx, rec); err != nil {
		return err
	}
	maps.DeleteFunc(stored, func(number int, _ part) bool { return number >= to.number })
	r.res.PartSize = to.size
	return nil
}

// complete publishes parts. The record before it is the fence: who cannot write it does not complete, and who comes later
// knows that the upload may be gone because it is done.
func (r *run) complete(ctx context.Context, s *session, parts []part) error {
	r.meter.change(func(p *Progress) { p.Verifying = true })
	list, whole := r.combine(parts)
	whole.Kind, whole.Upload = kindCompleting, s.ID
	r.res.CRC64 = *whole.CRC64.uint64
	if _, err := r.journal.commit(ctx, whole); err != nil {
		return err
	}
	var obj backend.Object
	err := r.retry(ctx, "Complete", nil, func() error {
		return r.call(ctx, completeTimeout, func(ctx context.Context) (err error) {
			obj, err = r.backend.Complete(ctx, s.Upload, list, backend.CompleteOptions{IfAbsent: r.req.IfAbsent, Attributes: r.req.Attributes})
			return err
		})
	})
	if errors.Is(err, backend.ErrExists) {
		return r.existsAtEnd(ctx, s, err)
	}
	if err != nil {
		return &Error{Op: "complete", Key: r.key, Err: err}
	}
	err = r.verify(ctx, obj, whole)
	// Published, whatever the object is by now. Only if that could not be found out, the next call has to.
	s.gone = err == nil || errors.Is(err, ErrChecksum)
	return err
}

// existsAtEnd: Complete found an object. If an earlier try took effect and its answer was lost, the object is ours, and the
// upload is gone; while the upload is there, the object is another's.
func (r *run) existsAtEnd(ctx context.Context, s *session, exists error) error {
	_, err := r.list(ctx, s.Upload)
	switch {
	case err == nil:
		return also(&Error{Op: "complete", Key: r.key, Err: exists}, r.giveUp(ctx, s, ""))
	case errors.Is(err, backend.ErrDenied):
		return fmt.Errorf("%w: allow listing the parts of an upload, or look at the object: %w", ErrUndecided, exists)
	default:
		return &Error{Op: "complete", Key: r.key, Err: also(exists, err)}
	}
}

// verify holds the answer of Complete or Put against what was sent, and asks Stat where the answer says nothing.
func (r *run) verify(ctx context.Context, obj backend.Object, whole record) error {
	if !comparable(obj, whole) {
		seen, err := r.stat(ctx)
		switch {
		case err == nil:
			obj = seen
		case !errors.Is(err, backend.ErrDenied):
			return err
		}
	}
	r.res.Object = obj
	if why := differs(obj, whole); why != "" {
		return &Error{Op: "verify", Key: r.key, Err: fmt.Errorf("%w: %s; send it again", ErrChecksum, why)}
	}
	return nil
}

// settle is called when the upload is gone. Unless it had come to Complete, it was never completed. If it had, the object is
// ours if its content is; existence alone proves nothing.
func (r *run) settle(ctx context.Context, s *session) (done bool, err error) {
	mayBeDone := s.completing != nil || r.journal.history.damaged
	if !mayBeDone {
		return false, r.lost(ctx, s, "the store no longer has the upload")
	}
	obj, err := r.stat(ctx)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return false, r.lost(ctx, s, "the upload is gone and left no object")
	case errors.Is(err, backend.ErrDenied) && r.req.IfAbsent:
		return false, fmt.Errorf("%w: the upload is gone, and the store does not let us look whether it became the object; "+
			"allow reading the object, or look at it and call without IfAbsent: %w", ErrUndecided, err)
	case errors.Is(err, backend.ErrDenied):
		return false, r.lost(ctx, s, "the upload is gone, and the store does not let us look whether it became the object")
	case err != nil:
		return false, err
	}
	whole, current := s.completing, false
	if whole == nil {
		// The record may have been lost with the damaged log: the source itself is what the object must equal.
		if whole, err = r.readWhole(ctx); errors.Is(err, errMoved) {
			err = ErrSourceChanged
		}
		if err != nil {
			return false, &Error{Op: "read the source", Key: r.key, Err: err}
		}
		current = true
	}
	old := !obj.Modified.IsZero() && obj.Modified.Before(s.Initiated.Add(-clockGrain))
	switch {
	case old, differs(obj, *whole) != "":
		if r.req.IfAbsent {
			return false, r.refuse(ctx, s)
		}
		return false, r.lost(ctx, s, "the upload is gone, and the object is another's")
	case !comparable(obj, *whole):
		if r.req.IfAbsent {
			return false, fmt.Errorf("%w: the upload is gone, and the store says nothing of the object's content; look at it, and call "+
				"without IfAbsent if it is not yours", ErrUndecided)
		}
		return false, r.lost(ctx, s, "the upload is gone, and the store says nothing of the object's content")
	}
	if !current && whole.Claim != r.journal.claim.Claim { // or this very call read the source
		current, err = r.sourceIs(ctx, *whole)
		switch {
		case err != nil:
			return false, err
		case !current && r.req.IfAbsent:
			return false, r.refuse(ctx, s)
		case !current:
			return false, r.lost(ctx, s, "the source changed after an earlier call had completed it")
		}
	}
	s.gone = true
	r.res.Object, r.res.CRC64 = obj, *whole.CRC64.uint64
	r.meter.settled(whole.Size, whole.Number)
	return true, nil
}

// refuse ends an upload that is gone, under IfAbsent: the object that is there is not this source.
func (r *run) refuse(ctx context.Context, s *session) error {
	return also(&Error{Op: "complete", Key: r.key, Err: backend.ErrExists}, r.lost(ctx, s, ""))
}
