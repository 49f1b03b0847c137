package conformance

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
)

var beginMutants = []mutant[Backend]{
	{"B01", "same", "Location names the handle", func(*testing.T) Backend {
		b := straight(memory.Options{Info: bentLimits})
		f, n := b.fixture(), new(atomic.Int64)
		f.Backend = handle{b, n}
		return f
	}},
	bends("B01", "limits", "no Location", func(b *bent) { b.info.Location = "" }),
	bends("B01", "limits", "a limit of -1 for none", func(b *bent) { b.info.MaxPutSize = -1 }),
	bends("B02", "upload", "an ID of 3 KiB", func(b *bent) {
		long := strings.Repeat("x", 3<<10)
		b.renameIDs(func(id string) string { return id + long }, func(id string) string { return strings.TrimSuffix(id, long) })
	}),
	bends("B02", "upload", "an ID that is not UTF-8", func(b *bent) {
		// It comes back from JSON as another character.
		b.renameIDs(func(id string) string { return id + "\xff" }, func(id string) string { return strings.TrimSuffix(strings.ToValidUTF8(id, "\ufffd"), "\ufffd") })
	}),
	bends("B03", "one key", "Create aborts an upload of the key that has parts", func(b *bent) {
		withParts := b.withParts()
		create := b.create
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			for _, u := range withParts(key) {
				b.abort(ctx, u)
			}
			return create(ctx, key, attrs)
		}
	}),
	bends("B04", "JSON", "an upload is known by the value that Create returned", func(b *bent) {
		begun := map[string]backend.Upload{}
		create, part := b.create, b.part
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			u, err := create(ctx, key, attrs)
			u.Initiated = u.Initiated.In(time.FixedZone("here", 3600))
			b.locked(func() { begun[u.ID] = u })
			return u, err
		}
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (p backend.Part, err error) {
			b.locked(func() {
				if begun[u.ID] != u {
					err = fmt.Errorf("not begun here: %w", backend.ErrNoSuchUpload)
				}
			})
			if err != nil && b.takes(number, size) {
				return p, err
			}
			return part(ctx, u, number, body, size)
		}
	}),
	bends("B05", "each", "keys are unescaped", func(b *bent) {
		b.renameKeys(func(key string) string {
			if plain, err := url.PathUnescape(key); err == nil {
				return plain
			}
			return key
		}, false)
	}),
	bends("B05", "each", "the key of an error is unknown", func(b *bent) {
		create := b.create
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			if strings.ContainsAny(key, "\n") {
				return backend.Upload{}, errBent
			}
			return create(ctx, key, attrs)
		}
	}),
	bends("B05", "each", "Put takes other keys than Create", func(b *bent) {
		put := b.put
		b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
			if strings.Contains(key, "//") {
				return backend.Object{}, fmt.Errorf("key: %w", backend.ErrInvalid)
			}
			return put(ctx, key, body, size, attrs, opts)
		}
	}),
	bends("B05", "together", "keys are compared without regard to case", func(b *bent) { b.renameKeys(strings.ToLower, true) }),
}

// handle counts the calls of Info.
type handle struct {
	*bent
	n *atomic.Int64
}

func (h handle) Info() backend.Info {
	i := h.bent.info
	i.Location += fmt.Sprint("#", h.n.Add(1))
	return i
}

// renameIDs shows other upload IDs than the store has.
func (b *bent) renameIDs(out, in func(id string) string) {
	create, part, list, complete, abort, uploads := b.create, b.part, b.list, b.complete, b.abort, b.uploads
	inner := func(u backend.Upload) backend.Upload { u.ID = in(u.ID); return u }
	b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
		u, err := create(ctx, key, attrs)
		u.ID = out(u.ID)
		return u, err
	}
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		return part(ctx, inner(u), number, body, size)
	}
	b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
		return list(ctx, inner(u), after)
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
		return complete(ctx, inner(u), parts, opts)
	}
	b.abort = func(ctx context.Context, u backend.Upload) error { return abort(ctx, inner(u)) }
	b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
		return func(yield func(backend.Upload, error) bool) {
			for u, err := range uploads(ctx, prefix) {
				u.ID = out(u.ID)
				if !yield(u, err) {
					return
				}
			}
		}
	}
}

// renameKeys keeps objects under other keys than were asked. With reading, the fixture looks there too.
func (b *bent) renameKeys(rename func(key string) string, reading bool) {
	asked := map[string]string{} // by upload ID
	create, part, list, complete, abort := b.create, b.part, b.list, b.complete, b.abort
	stat, put, uploads, read := b.stat, b.put, b.uploads, b.read
	inner := func(u backend.Upload) backend.Upload { u.Key = rename(u.Key); return u }
	b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
		u, err := create(ctx, rename(key), attrs)
		u.Key = key
		b.locked(func() { asked[u.ID] = key })
		return u, err
	}
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		return part(ctx, inner(u), number, body, size)
	}
	b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
		return list(ctx, inner(u), after)
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
		o, err := complete(ctx, inner(u), parts, opts)
		o.Key = u.Key
		return o, err
	}
	b.abort = func(ctx context.Context, u backend.Upload) error { return abort(ctx, inner(u)) }
	b.stat = func(ctx context.Context, key string) (backend.Object, error) {
		o, err := stat(ctx, rename(key))
		o.Key = key
		return o, err
	}
	b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
		o, err := put(ctx, rename(key), body, size, attrs, opts)
		o.Key = key
		return o, err
	}
	b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
		return func(yield func(backend.Upload, error) bool) {
			for u, err := range uploads(ctx, rename(prefix)) {
				b.locked(func() { u.Key = asked[u.ID] })
				if !yield(u, err) {
					return
				}
			}
		}
	}
	if reading {
		b.read = func(ctx context.Context, key string) ([]byte, backend.Attributes, error) {
			return read(ctx, rename(key))
		}
	}
}
