package conformance

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
)

type (
	createFunc   = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error)
	partFunc     = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error)
	listFunc     = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error)
	completeFunc = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error)
	abortFunc    = func(ctx context.Context, u backend.Upload) error
	statFunc     = func(ctx context.Context, key string) (backend.Object, error)
	putFunc      = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error)
	uploadsFunc  = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error]
	readFunc     = func(ctx context.Context, key string) ([]byte, backend.Attributes, error)
)

// bent is the memory store with one thing bent: whoever bends it replaces some of its calls.
type bent struct {
	info     backend.Info
	create   createFunc
	part     partFunc
	list     listFunc
	complete completeFunc
	abort    abortFunc
	stat     statFunc
	put      putFunc
	uploads  uploadsFunc
	etag     func(parts []backend.Part) (string, bool)
	read     readFunc // the fixture's

	mu sync.Mutex // for the state of the one thing
}

// bentLimits are small, so that the largest part is tried too.
var bentLimits = backend.Info{Location: "memory:conformance", MinPartSize: 100, MaxPartSize: 64 << 10, MaxParts: 10000, MaxPutSize: 64 << 10}

func straight(opts memory.Options) *bent {
	m := memory.New(&opts)
	return &bent{
		info: m.Info(), create: m.Create, part: m.UploadPart, list: m.ListParts, complete: m.Complete, abort: m.Abort,
		stat: m.Stat, put: m.Put, uploads: m.Uploads, etag: m.ETag,
		read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
			r, attrs, err := m.Open(key)
			if err != nil {
				return nil, attrs, err
			}
			data, err := io.ReadAll(r)
			return data, attrs, err
		},
	}
}

func (b *bent) Info() backend.Info { return b.info }
func (b *bent) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	return b.create(ctx, key, attrs)
}
func (b *bent) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	return b.part(ctx, u, number, body, size)
}
func (b *bent) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	return b.list(ctx, u, after)
}
func (b *bent) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	return b.complete(ctx, u, parts, opts)
}
func (b *bent) Abort(ctx context.Context, u backend.Upload) error { return b.abort(ctx, u) }
func (b *bent) Stat(ctx context.Context, key string) (backend.Object, error) {
	return b.stat(ctx, key)
}
func (b *bent) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	return b.put(ctx, key, body, size, attrs, opts)
}
func (b *bent) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return b.uploads(ctx, prefix)
}
func (b *bent) ETag(parts []backend.Part) (string, bool) { return b.etag(parts) }

// fixture is what a mutant's build returns.
func (b *bent) fixture() Backend {
	return Backend{
		Backend: b,
		Read:    func(ctx context.Context, key string) ([]byte, backend.Attributes, error) { return b.read(ctx, key) },
		Secrets: []string{secret},
	}
}

const secret = "the secret access key"

// bends is a mutant of the memory store.
func bends(rule, by, name string, bend func(b *bent)) mutant[Backend] {
	return mutant[Backend]{rule, by, name, func(*testing.T) Backend {
		b := straight(memory.Options{Info: bentLimits})
		bend(b)
		return b.fixture()
	}}
}

// oddly is a store that is correct.
func oddly(name string, bend func(b *bent)) mutant[Backend] { return bends("", "", name, bend) }

// locked runs f under the lock of the mutant's state.
func (b *bent) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// all returns the parts that the store has.
func all(ctx context.Context, list listFunc, u backend.Upload) ([]backend.Part, error) {
	var parts []backend.Part
	for after := 0; ; after = parts[len(parts)-1].Number {
		page, more, err := list(ctx, u, after)
		parts = append(parts, page...)
		if err != nil || !more {
			return parts, err
		}
	}
}

// withParts returns what lists the uploads of a key that have, or had, parts.
func (b *bent) withParts() func(key string) []backend.Upload {
	of := map[string][]backend.Upload{}
	part := b.part
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		p, err := part(ctx, u, number, body, size)
		if err == nil {
			b.locked(func() {
				if !slices.Contains(of[u.Key], u) {
					of[u.Key] = append(of[u.Key], u)
				}
			})
		}
		return p, err
	}
	return func(key string) (list []backend.Upload) {
		b.locked(func() { list = slices.Clone(of[key]) })
		return list
	}
}

var errBent = errors.New("bent")

// collect reads a body as it should be read.
func collect(ctx context.Context, body io.Reader, size int64) ([]byte, error) {
	data := make([]byte, 0, max(size, 0))
	for int64(len(data)) < size {
		if err := ctx.Err(); err != nil {
			return data, err
		}
		n, err := body.Read(data[len(data):size])
		data = data[:len(data)+n]
		if err != nil && int64(len(data)) < size {
			return data, errors.Join(errBent, err)
		}
	}
	return data, nil
}

// takes reports whether the store would read the body of the part at all.
func (b *bent) takes(number int, size int64) bool {
	return number >= 1 && number <= b.info.MaxParts && size >= 0 && size <= b.info.MaxPartSize
}
