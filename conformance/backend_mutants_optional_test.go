package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
)

var optionalMutants = []mutant[Backend]{
	bends("B34", "sizes", "Put of 0 bytes is refused", func(b *bent) {
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			if size == 0 {
				return backend.Object{}, fmt.Errorf("no bytes: %w", backend.ErrInvalid)
			}
			return put(ctx, key, body, size, attrs, opts)
		})
	}),
	bends("B34", "sizes", "Put takes more than MaxPutSize", func(b *bent) { b.info.MaxPutSize /= 2 }),
	bends("B35", "readers", "Put shows the object while it arrives", func(b *bent) {
		arriving := map[string][]byte{}
		read := b.read
		b.puts(func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions, put putFunc) (backend.Object, error) {
			defer b.locked(func() { delete(arriving, key) })
			return put(ctx, key, &body2{body, readFunction(func(p []byte) (int, error) {
				n, err := body.Read(p)
				b.locked(func() { arriving[key] = append(arriving[key], p[:n]...) })
				return n, err
			})}, size, attrs, opts)
		})
		b.read = func(ctx context.Context, key string) (data []byte, attrs backend.Attributes, err error) {
			b.locked(func() { data = append([]byte{}, arriving[key]...) })
			if len(data) > 0 {
				return data, attrs, nil
			}
			return read(ctx, key)
		}
	}),
	bends("B36", "prefix", "the prefix is a folder", func(b *bent) {
		b.filtering(func(u backend.Upload, prefix string) bool {
			return strings.HasPrefix(u.Key, strings.TrimSuffix(prefix, "/")+"/")
		})
	}),
	bends("B36", "prefix", "the prefix is ignored", func(b *bent) {
		uploads := b.uploads
		b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] { return uploads(ctx, "") }
	}),
	bends("B36", "keys", "keys are unescaped as in a query", func(b *bent) {
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			for u, err := range uploads {
				if key, wrong := url.QueryUnescape(u.Key); wrong == nil {
					u.Key = key
				}
				if !yield(u, err) {
					return
				}
			}
		})
	}),
	bends("B36", "pages", "the second page begins with the last of the first", func(b *bent) {
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			n := 0
			for u, err := range uploads {
				if n++; !yield(u, err) || n == 1000 && !yield(u, err) {
					return
				}
			}
		})
	}),
	bends("B37", "gone", "an upload that was completed stays listed", func(b *bent) {
		var done []backend.Upload
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if err == nil {
				b.locked(func() { done = append(done, u) })
			}
			return o, err
		})
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			var more []backend.Upload
			b.locked(func() { more = append(more, done...) })
			for u, err := range uploads {
				if !yield(u, err) {
					return
				}
			}
			for _, u := range more {
				if !yield(u, nil) {
					return
				}
			}
		})
	}),
	bends("B38", "break", "Uploads goes on after the loop was left", func(b *bent) {
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			for u, err := range uploads {
				yield(u, err)
			}
		})
	}),
	bends("B38", "cancelled", "Uploads does not look at its context", func(b *bent) {
		uploads := b.uploads
		b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
			return uploads(context.WithoutCancel(ctx), prefix)
		}
	}),
	bends("B38", "cancelled", "Uploads goes on after an error", func(b *bent) {
		b.listing(func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool) {
			for u, err := range uploads {
				if !yield(u, err) || err != nil && !yield(u, err) {
					return
				}
			}
		})
	}),
	bends("B39", "ETag", "the ETag is the number of parts", func(b *bent) {
		b.etag = func(parts []backend.Part) (string, bool) { return fmt.Sprint(len(parts)), true }
	}),
	bends("B40", "errors", "an error says what it was signed with", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			if errors.Is(err, backend.ErrNoSuchUpload) {
				err = fmt.Errorf("signed with %s: %w", secret, err)
			}
			return page, more, err
		}
	}),
	bends("B40", "errors", "Location holds the credentials", func(b *bent) { b.info.Location = "https://" + secret + "@host/bucket" }),
}

// listing bends what Uploads yields.
func (b *bent) listing(by func(uploads iter.Seq2[backend.Upload, error], yield func(backend.Upload, error) bool)) {
	uploads := b.uploads
	b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
		return func(yield func(backend.Upload, error) bool) { by(uploads(ctx, prefix), yield) }
	}
}

// filtering lists those uploads of all that which wants.
func (b *bent) filtering(which func(u backend.Upload, prefix string) bool) {
	uploads := b.uploads
	b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
		return func(yield func(backend.Upload, error) bool) {
			for u, err := range uploads(ctx, "") {
				if (err != nil || which(u, prefix)) && !yield(u, err) {
					return
				}
			}
		}
	}
}
