package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
)

// pagesOf lists n parts to a page.
func pagesOf(n int, lastSaysMore bool) func(b *bent) {
	return func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			if len(page) > n {
				page, more = page[:n], true
			}
			if lastSaysMore {
				more = len(page) > 0
			}
			return page, more, err
		}
	}
}

var oddBackends = []mutant[Backend]{
	oddly("as it is", func(*bent) {}),
	oddly("one part to a page", pagesOf(1, false)),
	oddly("refuses IfAbsent", func(b *bent) {
		complete, put := b.complete, b.put
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			if opts.IfAbsent {
				return backend.Object{}, backend.ErrInvalid
			}
			return complete(ctx, u, parts, opts)
		}
		b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
			if opts.IfAbsent {
				return backend.Object{}, backend.ErrInvalid
			}
			return put(ctx, key, body, size, attrs, opts)
		}
	}),
	oddly("the last page says that more follow", pagesOf(3, true)),
	oddly("lets others go first", func(b *bent) {
		yield := func() {
			for range 50 {
				runtime.Gosched()
			}
		}
		part, list, complete := b.part, b.list, b.complete
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			defer yield()
			return part(ctx, u, number, body, size)
		}
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			defer yield()
			return list(ctx, u, after)
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			yield()
			defer yield()
			return complete(ctx, u, parts, opts)
		}
	}),
	oddly("one call at a time", oneAtATime),
	{"", "", "no CRC-64", func(*testing.T) Backend {
		return straight(memory.Options{Info: bentLimits, NoCRC64: true}).fixture()
	}},
	{"", "", "CRC-64 of parts only", func(*testing.T) Backend {
		b := straight(memory.Options{Info: bentLimits})
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			o.CRC64 = nil
			return o, err
		}
		return b.fixture()
	}},
	{"", "", "no optional interfaces", func(*testing.T) Backend {
		f := straight(memory.Options{Info: bentLimits}).fixture()
		f.Backend = struct{ backend.MultipartBackend }{f.Backend}
		return f
	}},
	{"", "", "optional interfaces behind Unwrap", func(*testing.T) Backend {
		f := straight(memory.Options{Info: bentLimits}).fixture()
		f.Backend = wrapped{f.Backend}
		return f
	}},
	{"", "", "the limits of OSS", func(*testing.T) Backend { return straight(memory.Options{}).fixture() }},
	oddly("no limits", func(b *bent) { b.info = backend.Info{Location: "memory:", MinPartSize: 100} }),
	oddly("small limits", func(b *bent) {
		*b = *straight(memory.Options{Info: backend.Info{MinPartSize: 1, MaxPartSize: 500, MaxParts: 10, MaxPutSize: 10}})
	}),
	oddly("Uploads lags by some calls", func(b *bent) {
		calls := 0
		var seen [][]backend.Upload
		uploads := b.uploads
		b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
			return func(yield func(backend.Upload, error) bool) {
				if ctx.Err() != nil || calls > 5 {
					uploads(ctx, prefix)(yield)
					return
				}
				var now []backend.Upload
				for u := range uploads(ctx, "") {
					now = append(now, u)
				}
				calls++
				if seen = append(seen, now); calls > 2 {
					for _, u := range seen[calls-3] {
						if strings.HasPrefix(u.Key, prefix) && !yield(u, nil) {
							return
						}
					}
				}
			}
		}
	}),
	oddly("reads the body twice", func(b *bent) {
		twice := func(body io.ReadSeeker, read func(io.ReadSeeker) error) error {
			if err := read(body); err != nil {
				return err
			}
			_, err := body.Seek(0, io.SeekStart)
			return err
		}
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			if _, _, err := b.list(ctx, u, 0); err != nil || !b.takes(number, size) {
				return part(ctx, u, number, body, size)
			}
			err := twice(body, func(r io.ReadSeeker) error {
				_, err := collect(ctx, r, size)
				return err
			})
			if err != nil {
				return backend.Part{}, err
			}
			return part(ctx, u, number, body, size)
		}
	}),
	oddly("reads byte by byte", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			return collect(ctx, readFunction(func(p []byte) (int, error) { return body.Read(p[:min(len(p), 1)]) }), size)
		})
	}),
	oddly("few keys", func(b *bent) {
		wrong := func(key string) error {
			if strings.ContainsFunc(key, func(r rune) bool { return (r < '0' || r > 'z') && r != '/' }) || strings.Contains(key, "//") {
				return fmt.Errorf("key %.50q: %w", key, backend.ErrInvalid)
			}
			return nil
		}
		create := b.create
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			if err := wrong(key); err != nil {
				return backend.Upload{}, err
			}
			return create(ctx, key, attrs)
		}
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			if err := wrong(key); err != nil {
				return backend.Object{}, err
			}
			return put(ctx, key, body, size, attrs, opts)
		})
	}),
	oddly("a key is a file or a folder", func(b *bent) {
		taken := map[string]bool{}
		take := func(key string) (err error) {
			b.locked(func() {
				for other := range taken {
					if strings.HasPrefix(other, key+"/") || strings.HasPrefix(key, other+"/") || strings.HasSuffix(key, "/") {
						err = fmt.Errorf("%.80q and %.80q: %w", key, other, backend.ErrInvalid)
						return
					}
				}
				taken[key] = true
			})
			return err
		}
		create, stat := b.create, b.stat
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			if err := take(key); err != nil {
				return backend.Upload{}, err
			}
			return create(ctx, key, attrs)
		}
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			if err := take(key); err != nil {
				return backend.Object{}, err
			}
			return put(ctx, key, body, size, attrs, opts)
		})
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			if strings.HasSuffix(key, "/") {
				return backend.Object{}, fmt.Errorf("%.80q is a folder: %w", key, backend.ErrInvalid)
			}
			return stat(ctx, key)
		}
	}),
	oddly("ETags are random", func(b *bent) {
		names := map[string]string{}
		b.mapParts(func(p backend.Part) (named backend.Part) {
			b.locked(func() {
				id := fmt.Sprint(p.Number, p.ETag)
				if names[id] == "" {
					names[id] = rand.Text()
				}
				p.ETag = names[id]
			})
			return p
		})
	}),
	oddly("Complete and Put return no ETag", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			o.ETag, o.CRC64 = "", nil
			return o, err
		})
	}),
	oddly("no times", func(b *bent) {
		create, stat := b.create, b.stat
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			u, err := create(ctx, key, attrs)
			u.Initiated = time.Time{}
			return u, err
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			o.Modified = time.Time{}
			return o, err
		}
	}),
	oddly("all parts but the last are equal", func(b *bent) {
		b.info.EqualParts = true
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			for i, p := range parts {
				if i > 0 && (p.Size > parts[0].Size || p.Size < parts[0].Size && i < len(parts)-1) {
					return backend.Object{}, fmt.Errorf("part %d has another size: %w", p.Number, backend.ErrInvalid)
				}
			}
			return complete(ctx, u, parts, opts)
		})
	}),
	oddly("no attributes", func(b *bent) {
		b.wants(func(a *backend.Attributes) error {
			for _, w := range wishes() {
				if got, ok := w.got(*a); ok && got != "" {
					return fmt.Errorf("%s: %w", w.names[0], backend.ErrInvalid)
				}
			}
			return nil
		})
	}),
	oddly("concurrent Completes have unknown answers", func(b *bent) {
		b.overlapping(func(err error) error {
			if err != nil {
				return errors.New("a Complete of this upload is under way")
			}
			return nil
		})
	}),
	oddly("an ETagger that never knows", func(b *bent) { b.etag = func([]backend.Part) (string, bool) { return "", false } }),
	oddly("answers that are cancelled carry the cause", func(b *bent) {
		b.storing(func(ctx context.Context, data []byte, err error, store func([]byte) (backend.Part, error)) (backend.Part, error) {
			if err != nil {
				return backend.Part{}, err
			}
			p, err := store(bytes.Clone(data))
			return p, errors.Join(err, context.Cause(ctx)) // stored all the same: the answer is unknown
		})
	}),
}

type wrapped struct{ backend.MultipartBackend }

func (w wrapped) Unwrap() backend.MultipartBackend { return w.MultipartBackend }

// oneAtATime does one call after the other, and keeps the others waiting while a body is read.
func oneAtATime(b *bent) {
	var mu sync.Mutex
	part, list, complete, abort, put := b.part, b.list, b.complete, b.abort, b.put
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		mu.Lock()
		defer mu.Unlock()
		return part(ctx, u, number, body, size)
	}
	b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return list(ctx, u, after)
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		return complete(ctx, u, parts, opts)
	}
	b.abort = func(ctx context.Context, u backend.Upload) error {
		mu.Lock()
		defer mu.Unlock()
		return abort(ctx, u)
	}
	b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		return put(ctx, key, body, size, attrs, opts)
	}
}
