package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
)

// Pending is an upload that was begun and has not ended.
type Pending struct {
	// Checkpoint is the ID of its log, empty for an upload that only the store knows of: another machine's, one whose
	// checkpoint is lost, or one that a crash or a lost answer around Create left without parts. A listing does not say
	// which, so the engine neither adopts nor aborts it by itself.
	Checkpoint string

	Key     string
	Upload  backend.Upload // ID is empty if none was begun yet
	Source  string         // the source's ID
	Path    string         // of the source, if it is a file that Resume can open
	Size    int64          // bytes of the source when it was begun
	Stored  int64          // bytes recorded as stored
	Parts   int            // recorded as stored
	Begun   time.Time      // zero if not known
	Holder  string         // who drove it last
	Driven  time.Time      // since when
	Missing bool           // the store was asked and does not list it: it expired, was aborted, or was completed
	request Request
}

// Request returns what the upload asks for, so that the same can be asked again.
func (p Pending) Request() *Request {
	req := p.request
	return &req
}

// Pending lists the uploads to this store, under keys that start with prefix, that were begun and have not ended: those that
// the checkpoint store has, by key, then those that only the store has, where it can list them. An upload that another process
// works on is listed too. A log that cannot be read does not hide the others: the error comes last.
func (u *Uploader) Pending(ctx context.Context, prefix string) iter.Seq2[Pending, error] {
	return func(yield func(Pending, error) bool) {
		logs, lerr := u.logs(ctx, prefix)
		strangers, serr := u.strangers(ctx, prefix, logs)
		err := errors.Join(lerr, serr)
		for _, p := range slices.Concat(slices.Concat(logs...), strangers) {
			if !yield(p, nil) {
				return
			}
		}
		if err != nil {
			yield(Pending{}, err)
		}
	}
}

// logs reads the checkpoints of this store. What it returns with an error is what could be read.
func (u *Uploader) logs(ctx context.Context, prefix string) ([][]Pending, error) {
	var logs [][]Pending
	var errs []error
	for id, err := range u.store.IDs(ctx) {
		if err != nil {
			errs = append(errs, fmt.Errorf("list the checkpoints: %w", err))
			break
		}
		h, err := u.read(ctx, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if what := h.about(); string(what.Location) == u.backend.Info().Location && strings.HasPrefix(string(what.Key), prefix) {
			logs = append(logs, h.pending(id))
		}
	}
	slices.SortStableFunc(logs, func(a, b []Pending) int { return cmp.Compare(a[0].Key, b[0].Key) })
	return logs, errors.Join(errs...)
}

// read loads a log without claiming it.
func (u *Uploader) read(ctx context.Context, id string) (*history, error) {
	records, damage, err := load(ctx, u.store, id)
	if err != nil {
		return nil, err
	}
	if damage != nil {
		u.log.WarnContext(ctx, "damaged checkpoint set aside; using what can be read of it", "error", damage)
	}
	h := newHistory(records, damage != nil, nil)
	return &h, nil
}

// pending describes the uploads of a log that are not known to be gone, and at least one: a log alone counts.
func (h *history) pending(id string) []Pending {
	what := h.about()
	base := Pending{
		Checkpoint: id, Key: string(what.Key), Source: string(what.Source), Path: string(what.Path),
		Holder: h.claim.Holder, Driven: h.claim.Time,
		request: Request{SourceID: string(what.Source)},
	}
	if in := h.intent; in != nil {
		base.Size, base.Begun = in.Size, in.Time
		base.request.IfAbsent, base.request.PartSize = in.IfAbsent, in.PartSize
		if in.Attributes != nil {
			base.request.Attributes = *in.Attributes
		}
	}
	var all []Pending
	for _, s := range h.uploads {
		if s.gone {
			continue
		}
		p := base
		p.Upload, p.Parts = s.Upload, len(s.parts)
		p.Upload.Key = base.Key
		for _, part := range s.parts {
			p.Stored += part.size
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		all = append(all, base)
	}
	return all
}

// strangers lists what only the store has, and marks what it does not have.
func (u *Uploader) strangers(ctx context.Context, prefix string, logs [][]Pending) ([]Pending, error) {
	lister, ok := backend.As[backend.UploadLister](u.backend)
	if !ok {
		return nil, nil
	}
	ours := map[string]*Pending{}
	for _, l := range logs {
		for i := range l {
			if p := &l[i]; p.Upload.ID != "" {
				ours[p.Upload.ID] = p
			}
		}
	}
	unseen := maps.Clone(ours)
	var rest []Pending
	for up, err := range lister.Uploads(ctx, prefix) {
		if err != nil {
			return rest, fmt.Errorf("list the store's uploads: %w", err)
		}
		if _, ok := ours[up.ID]; !ok {
			rest = append(rest, Pending{Key: up.Key, Upload: up, Begun: up.Initiated})
		}
		delete(unseen, up.ID)
	}
	for _, p := range unseen {
		p.Missing = true
	}
	return rest, nil
}

// Resume goes on with p, reading the file that it was begun with. For an upload from another kind of Source, call
// [Uploader.Upload] with that source and p.Request().
func (u *Uploader) Resume(ctx context.Context, p Pending, progress func(Progress)) (*Result, error) {
	if p.Path == "" {
		return &Result{}, &Error{Op: "resume", Key: p.Key,
			Err: fmt.Errorf("the checkpoint names no file to read (source %q); call Upload with its source: %w", p.Source, backend.ErrInvalid)}
	}
	req := p.Request()
	req.Progress = progress
	return u.UploadFile(ctx, p.Key, p.Path, req)
}

// Abort ends p: the upload is discarded on the store, and its log is deleted. ErrInUse if another process works on it, which
// is left alone where the checkpoint store can lock; where it cannot, that process stops at its next record, because the
// abort claims the log first. An object that was completed meanwhile stays.
//
// If Abort fails, p is still listed, and Abort can be called again; to abort what is gone already is no error.
func (u *Uploader) Abort(ctx context.Context, p Pending) error {
	if p.Checkpoint == "" {
		return u.abort(ctx, p.Upload)
	}
	r := &run{Uploader: u, key: p.Key, log: u.log, res: &Result{}, window: u.window()}
	r.meter = newMeter(0, nil, r.window, u.gate)
	claim := record{Location: text(u.backend.Info().Location), Key: text(p.Key), Source: text(p.Source), Path: text(p.Path)}
	err := r.hold(ctx, p.Checkpoint, claim, func() error {
		for _, s := range r.journal.history.uploads {
			if s.gone {
				continue
			}
			if err := u.abort(ctx, s.Upload); err != nil {
				return err
			}
			if err := r.lost(ctx, s, ""); err != nil {
				return err
			}
		}
		return r.journal.delete(ctx)
	})
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return err
		}
		return &Error{Op: "abort", Key: p.Key, Err: err}
	}
	return nil
}

// AbortOlder aborts the uploads under keys that start with prefix that were begun, and last gone on with, longer than age ago,
// those that only the store knows of included, and returns what it aborted. Left alone are uploads of unknown age, and those
// that are in use, as far as the checkpoint store can lock: where it cannot, age must be longer than an upload takes. It goes
// on after an error, and returns all of them.
func (u *Uploader) AbortOlder(ctx context.Context, prefix string, age time.Duration) ([]Pending, error) {
	var aborted []Pending
	var errs []error
	for p, err := range u.Pending(ctx, prefix) {
		if err != nil {
			errs = append(errs, err)
			break
		}
		last := p.Begun
		if p.Driven.After(last) {
			last = p.Driven
		}
		if last.IsZero() || time.Since(last) < age {
			continue
		}
		switch err := u.Abort(ctx, p); {
		case err == nil:
			aborted = append(aborted, p)
		case errors.Is(err, checkpoint.ErrInUse):
			u.log.InfoContext(ctx, "in use, left alone", "key", p.Key, "error", err)
		default:
			errs = append(errs, err)
		}
	}
	return aborted, errors.Join(errs...)
}
