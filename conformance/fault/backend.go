package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/tidemark-go/tidemark/backend"
)

// Backend wraps b for this process. [backend.As] finds on the wrapper exactly the optional interfaces of package backend that it finds
// on b, and nothing else of b. Info, Uploads and ETag are not counted as calls, and nothing goes wrong with them but that Uploads
// of a dead process is an error.
func (p *Process) Backend(b backend.MultipartBackend) backend.MultipartBackend {
	inner := &theBackend{p: p, b: b}
	var view backend.MultipartBackend
	if t, ok := backend.As[backend.ETagger](b); ok {
		view = taggerView{inner, t, view}
	}
	if l, ok := backend.As[backend.UploadLister](b); ok {
		view = listerView{inner, l, view}
	}
	if put, ok := backend.As[backend.Putter](b); ok {
		view = putterView{inner, put, view}
	}
	return wrapped{inner, view}
}

// wrapped is what the caller sees. Each optional interface is a view of its own behind it.
type wrapped struct {
	*theBackend
	view backend.MultipartBackend
}

func (w wrapped) Unwrap() backend.MultipartBackend { return w.view }

type theBackend struct {
	p *Process
	b backend.MultipartBackend
}

func (b *theBackend) Info() backend.Info { return b.b.Info() }

func (b *theBackend) Create(ctx context.Context, key string, attrs backend.Attributes) (u backend.Upload, err error) {
	err = b.p.do(ctx, Call{Op: "Create", Key: key}, deed{
		make: func(ctx context.Context) (err error) { u, err = b.b.Create(ctx, key, attrs); return err },
		later: func() (func(context.Context) error, error) {
			return func(ctx context.Context) error { _, err := b.b.Create(ctx, key, attrs); return err }, nil
		},
		refused: backend.ErrUnreachable,
	})
	return only(u, err)
}

func (b *theBackend) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (part backend.Part, err error) {
	d := withBody(body, size, func(ctx context.Context, body io.ReadSeeker) (err error) {
		part, err = b.b.UploadPart(ctx, u, number, body, size)
		return err
	}, func(ctx context.Context, body io.ReadSeeker) error {
		_, err := b.b.UploadPart(ctx, u, number, body, size)
		return err
	})
	err = b.p.do(ctx, Call{Op: "UploadPart", Key: u.Key, Upload: u.ID, Number: number, Size: size}, d)
	return only(part, err)
}

func (b *theBackend) ListParts(ctx context.Context, u backend.Upload, after int) (parts []backend.Part, more bool, err error) {
	err = b.p.do(ctx, Call{Op: "ListParts", Key: u.Key, Upload: u.ID}, deed{
		make:    func(ctx context.Context) (err error) { parts, more, err = b.b.ListParts(ctx, u, after); return err },
		stale:   func() { parts = b.p.w.withoutNewest(u, parts) },
		refused: backend.ErrUnreachable,
	})
	if err != nil {
		return nil, false, err
	}
	return parts, more, nil
}

func (b *theBackend) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (obj backend.Object, err error) {
	call := Call{Op: "Complete", Key: u.Key, Upload: u.ID}
	for _, p := range parts {
		call.Size += p.Size
	}
	err = b.p.do(ctx, call, deed{
		make: func(ctx context.Context) (err error) { obj, err = b.b.Complete(ctx, u, parts, opts); return err },
		later: func() (func(context.Context) error, error) {
			parts := append([]backend.Part(nil), parts...)
			return func(ctx context.Context) error { _, err := b.b.Complete(ctx, u, parts, opts); return err }, nil
		},
		refused: backend.ErrUnreachable,
	})
	return only(obj, err)
}

func (b *theBackend) Abort(ctx context.Context, u backend.Upload) error {
	abort := func(ctx context.Context) error { return b.b.Abort(ctx, u) }
	return b.p.do(ctx, Call{Op: "Abort", Key: u.Key, Upload: u.ID}, deed{
		make:    abort,
		later:   func() (func(context.Context) error, error) { return abort, nil },
		refused: backend.ErrUnreachable,
	})
}

func (b *theBackend) Stat(ctx context.Context, key string) (obj backend.Object, err error) {
	err = b.p.do(ctx, Call{Op: "Stat", Key: key}, deed{
		make:    func(ctx context.Context) (err error) { obj, err = b.b.Stat(ctx, key); return err },
		refused: backend.ErrUnreachable,
	})
	return only(obj, err)
}

type putterView struct {
	*theBackend
	inner backend.Putter
	next  backend.MultipartBackend
}

func (v putterView) Unwrap() backend.MultipartBackend { return v.next }

func (v putterView) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (obj backend.Object, err error) {
	d := withBody(body, size, func(ctx context.Context, body io.ReadSeeker) (err error) {
		obj, err = v.inner.Put(ctx, key, body, size, attrs, opts)
		return err
	}, func(ctx context.Context, body io.ReadSeeker) error {
		_, err := v.inner.Put(ctx, key, body, size, attrs, opts)
		return err
	})
	err = v.p.do(ctx, Call{Op: "Put", Key: key, Size: size}, d)
	return only(obj, err)
}

type listerView struct {
	*theBackend
	inner backend.UploadLister
	next  backend.MultipartBackend
}

func (v listerView) Unwrap() backend.MultipartBackend { return v.next }

func (v listerView) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return whileAlive(v.p, v.inner.Uploads(ctx, prefix))
}

// whileAlive is list until the process is dead.
func whileAlive[T any](p *Process, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if p.Dead() {
			yield(none, errDead)
			return
		}
		for v, err := range list {
			if p.Dead() {
				yield(none, errDead)
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

type taggerView struct {
	*theBackend
	inner backend.ETagger
	next  backend.MultipartBackend
}

func (v taggerView) Unwrap() backend.MultipartBackend { return v.next }

func (v taggerView) ETag(parts []backend.Part) (string, bool) { return v.inner.ETag(parts) }

// only returns the value of a call that succeeded: one that failed must not tell by its value what happened.
func only[T any](v T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// withBody is the deed of a call that sends a body. send makes it for the caller, post for nobody.
func withBody(body io.ReadSeeker, size int64, send, post func(context.Context, io.ReadSeeker) error) deed {
	altered := false
	return deed{
		make: func(ctx context.Context) error {
			if altered {
				return send(ctx, &flipped{body: body})
			}
			return send(ctx, body)
		},
		half: func() { _, _ = io.CopyN(io.Discard, body, size/2) }, // how far it came does not matter
		later: func() (func(context.Context) error, error) {
			var data bytes.Buffer // that grows, since the size may be one that no store takes
			if _, err := io.CopyN(&data, body, size); err != nil {
				return nil, fmt.Errorf("read the body: %w", err)
			}
			return func(ctx context.Context) error { return post(ctx, bytes.NewReader(data.Bytes())) }, nil
		},
		again: func(ctx context.Context) error {
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				return err
			}
			return send(ctx, body)
		},
		refused: backend.ErrUnreachable,
		alter:   func() { altered = true },
	}
}

// flipped is a body with one bit of its first byte flipped, as often as it is read.
type flipped struct {
	body io.ReadSeeker
	at   int64
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.body.Read(p)
	if f.at == 0 && n > 0 {
		p[0] ^= 1
	}
	f.at += int64(n)
	return n, err
}

func (f *flipped) Seek(offset int64, whence int) (at int64, err error) {
	f.at, err = f.body.Seek(offset, whence)
	return f.at, err
}

// withoutNewest leaves out the part of u that was stored last, as far as w saw it stored.
func (w *Faults) withoutNewest(u backend.Upload, parts []backend.Part) []backend.Part {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.calls) - 1; i >= 0; i-- {
		if c := w.calls[i]; c.Op == "UploadPart" && c.Upload == u.ID && c.Effect {
			var rest []backend.Part
			for _, p := range parts {
				if p.Number != c.Number {
					rest = append(rest, p)
				}
			}
			return rest
		}
	}
	return parts
}
