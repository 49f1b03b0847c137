package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

var objectMutants = []mutant[Backend]{
	bends("B22", "Stat", "Stat has ETags in lower case", func(b *bent) {
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			o.ETag = strings.ToLower(o.ETag)
			return o, err
		}
	}),
	bends("B23", "exists", "ErrExists discards the upload", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if errors.Is(err, backend.ErrExists) {
				b.abort(ctx, u)
			}
			return o, err
		})
	}),
	bends("B23", "exists", "Put calls it invalid that an object exists", func(b *bent) {
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			o, err := put(ctx, key, body, size, attrs, opts)
			if errors.Is(err, backend.ErrExists) {
				err = fmt.Errorf("object exists: %w", backend.ErrInvalid)
			}
			return o, err
		})
	}),
	bends("B23", "absent", "Put takes IfAbsent for something it cannot do", func(b *bent) {
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			if opts.IfAbsent {
				return backend.Object{}, fmt.Errorf("already there: %w", backend.ErrExists)
			}
			return put(ctx, key, body, size, attrs, opts)
		})
	}),
	bends("B24", "race", "Complete looks, and then publishes", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			if !opts.IfAbsent {
				return complete(ctx, u, parts, opts)
			}
			if _, err := b.stat(ctx, u.Key); err == nil {
				return backend.Object{}, fmt.Errorf("there is one: %w", backend.ErrExists)
			}
			<-time.After(2 * time.Millisecond)
			opts.IfAbsent = false
			return complete(ctx, u, parts, opts)
		})
	}),
	bends("B25", "only it", "Abort deletes the object", func(b *bent) {
		deleted := map[string]bool{}
		abort, read, stat := b.abort, b.read, b.stat
		b.abort = func(ctx context.Context, u backend.Upload) error {
			err := abort(ctx, u)
			if err == nil {
				b.locked(func() { deleted[u.Key] = true })
			}
			return err
		}
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			b.locked(func() { delete(deleted, u.Key) })
			return complete(ctx, u, parts, opts)
		})
		gone := func(key string) (err error) {
			b.locked(func() {
				if deleted[key] {
					err = backend.ErrNotFound
				}
			})
			return err
		}
		b.read = func(ctx context.Context, key string) ([]byte, backend.Attributes, error) {
			if err := gone(key); err != nil {
				return nil, backend.Attributes{}, err
			}
			return read(ctx, key)
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			if err := gone(key); err != nil {
				return backend.Object{}, err
			}
			return stat(ctx, key)
		}
	}),
	bends("B25", "only it", "Abort discards all that the key has", func(b *bent) {
		withParts := b.withParts()
		abort := b.abort
		b.abort = func(ctx context.Context, u backend.Upload) error {
			if err := abort(ctx, u); err != nil {
				return err
			}
			for _, v := range withParts(u.Key) {
				abort(ctx, v)
			}
			return nil
		}
	}),
	bends("B26", "in flight", "a part that ends after Abort brings the upload back", func(b *bent) {
		back := map[string]backend.Part{}
		part, list := b.part, b.list
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			_, _, gone := list(ctx, u, 0)
			p, err := part(ctx, u, number, body, size)
			if gone == nil && errors.Is(err, backend.ErrNoSuchUpload) {
				p, err = backend.Part{Number: number, Size: size, ETag: "late"}, nil
				b.locked(func() { back[u.ID] = p })
			}
			return p, err
		}
		b.list = func(ctx context.Context, u backend.Upload, after int) (page []backend.Part, more bool, err error) {
			page, more, err = list(ctx, u, after)
			b.locked(func() {
				if p, ok := back[u.ID]; ok {
					page, err = []backend.Part{p}, nil
				}
			})
			return page, more, err
		}
	}),
	bends("B27", "absent", "Stat of nothing is an unknown error", func(b *bent) {
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			if errors.Is(err, backend.ErrNotFound) {
				err = errBent
			}
			return o, err
		}
	}),
	bends("B27", "present", "Stat answers from a cache", func(b *bent) {
		kept, uses := map[string]backend.Object{}, map[string]int{}
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			b.locked(func() {
				if err != nil {
					return
				}
				if uses[key]%3 == 0 {
					kept[key] = o
				}
				uses[key]++
				o = kept[key]
			})
			return o, err
		}
	}),
	bends("B28", "times", "Modified is in another zone and called UTC", func(b *bent) {
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := stat(ctx, key)
			if err == nil {
				o.Modified = o.Modified.Add(-time.Hour)
			}
			return o, err
		}
	}),
	bends("B28", "times", "Initiated is ahead", func(b *bent) {
		create := b.create
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			u, err := create(ctx, key, attrs)
			u.Initiated = u.Initiated.Add(time.Minute)
			return u, err
		}
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			for u, err := range uploads {
				u.Initiated = u.Initiated.Add(time.Minute)
				if !yield(u, err) {
					return
				}
			}
		})
	}),
	bends("B29", "each", "metadata is dropped", func(b *bent) {
		b.wants(func(a *backend.Attributes) error { a.Metadata = nil; return nil })
	}),
	bends("B29", "each", "Expires is in local time", func(b *bent) {
		b.wants(func(a *backend.Attributes) error {
			if !a.Expires.IsZero() {
				a.Expires = a.Expires.Add(8 * time.Hour)
			}
			return nil
		})
	}),
	bends("B29", "each", "what is refused is not named", func(b *bent) {
		b.wants(func(a *backend.Attributes) error {
			if a.ACL != "" {
				return fmt.Errorf("bad request: %w", backend.ErrInvalid)
			}
			return nil
		})
	}),
	bends("B29", "each", "what is refused is an unknown error", func(b *bent) {
		b.wants(func(a *backend.Attributes) error {
			if len(a.Tags) > 0 {
				return errors.New("no tags here")
			}
			return nil
		})
	}),
	bends("B29", "each", "Put drops the storage class", func(b *bent) {
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			attrs.StorageClass = ""
			return put(ctx, key, body, size, attrs, opts)
		})
	}),
	bends("B29", "each", "Complete refuses what Create took", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			if opts.Attributes.ACL != "" {
				return backend.Object{}, fmt.Errorf("ACL: %w", backend.ErrInvalid)
			}
			return complete(ctx, u, parts, opts)
		})
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			if attrs.ACL != "" {
				return backend.Object{}, fmt.Errorf("ACL: %w", backend.ErrInvalid)
			}
			return put(ctx, key, body, size, attrs, opts)
		})
	}),
}

// puts bends Put: by is given the call as it was.
func (b *bent) puts(by func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error)) {
	put := b.put
	b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
		return by(ctx, key, body, size, attrs, opts, put)
	}
}

// wants changes or refuses the attributes that are asked, of Create and Put alike.
func (b *bent) wants(change func(a *backend.Attributes) error) {
	create := b.create
	b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
		if err := change(&attrs); err != nil {
			return backend.Upload{}, err
		}
		return create(ctx, key, attrs)
	}
	b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
		if err := change(&attrs); err != nil {
			return backend.Object{}, err
		}
		return put(ctx, key, body, size, attrs, opts)
	})
}

// storing makes UploadPart read its body, and then store what by says, under a context that is not done.
func (b *bent) storing(by func(ctx context.Context, data []byte, err error, store func(data []byte) (backend.Part, error)) (backend.Part, error)) {
	part := b.part
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		if _, _, err := b.list(ctx, u, 0); err != nil || !b.takes(number, size) {
			return part(ctx, u, number, body, size)
		}
		data, err := collect(ctx, body, size)
		return by(ctx, data, err, func(data []byte) (backend.Part, error) {
			return part(context.WithoutCancel(ctx), u, number, bytes.NewReader(data), int64(len(data)))
		})
	}
}

var contextMutants = []mutant[Backend]{
	bends("B30", "before", "Abort does not look at its context", func(b *bent) {
		abort := b.abort
		b.abort = func(ctx context.Context, u backend.Upload) error { return abort(context.WithoutCancel(ctx), u) }
	}),
	bends("B30", "before", "Stat does not look at its context", func(b *bent) {
		stat := b.stat
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			return stat(context.WithoutCancel(ctx), key)
		}
	}),
	bends("B31", "during", "a part is read to its end when cancelled", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			return collect(context.WithoutCancel(ctx), body, size)
		})
	}),
	bends("B31", "during", "what was read when cancelled is stored", func(b *bent) {
		b.storing(func(ctx context.Context, data []byte, err error, store func([]byte) (backend.Part, error)) (backend.Part, error) {
			if err == nil || ctx.Err() != nil {
				p, stored := store(data)
				return p, errors.Join(err, stored)
			}
			return backend.Part{}, err
		})
	}),
	bends("B32", "after", "an upload ends with the context of Create", func(b *bent) {
		create := b.create
		b.create = func(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
			u, err := create(ctx, key, attrs)
			if err == nil {
				context.AfterFunc(ctx, func() { b.abort(context.WithoutCancel(ctx), u) })
			}
			return u, err
		}
	}),
	bends("B33", "cancelled", "a call that was cancelled is called throttled", func(b *bent) {
		b.storing(func(ctx context.Context, data []byte, err error, store func([]byte) (backend.Part, error)) (backend.Part, error) {
			if err != nil {
				return backend.Part{}, err
			}
			p, err := store(data)
			if ctx.Err() != nil {
				return backend.Part{}, fmt.Errorf("%w: %w", backend.ErrThrottled, ctx.Err())
			}
			return p, err
		})
	}),
	bends("B33", "small parts", "Complete of too small parts is refused and discards them", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if errors.Is(err, backend.ErrInvalid) && len(parts) > 0 {
				b.abort(ctx, u)
			}
			return o, err
		})
	}),
}
