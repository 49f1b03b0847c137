package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// completes bends Complete: by is given the call as it was.
func (b *bent) completes(by func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error)) {
	complete := b.complete
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
		return by(ctx, u, parts, opts, complete)
	}
}

func byNumber(x, y backend.Part) int { return cmp.Compare(x.Number, y.Number) }

var completeMutants = []mutant[Backend]{
	bends("B18", "subset", "Complete publishes all parts", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			there, err := all(ctx, b.list, u)
			if err != nil || len(parts) == 0 || !slices.IsSortedFunc(parts, byNumber) {
				return complete(ctx, u, parts, opts)
			}
			for i, p := range parts {
				same := func(q backend.Part) bool { return q.Number == p.Number && q.ETag == p.ETag }
				if !slices.ContainsFunc(there, same) || i > 0 && parts[i-1].Number == p.Number {
					return complete(ctx, u, parts, opts)
				}
			}
			return complete(ctx, u, there, opts)
		})
	}),
	bends("B18", "gaps", "numbers must have no gaps", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			for i, p := range parts {
				if p.Number != i+1 {
					return backend.Object{}, fmt.Errorf("part %d: %w", p.Number, backend.ErrInvalidPart)
				}
			}
			return complete(ctx, u, parts, opts)
		})
	}),
	bends("B18", "slice", "Complete sorts its caller's slice", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			defer slices.SortFunc(parts, byNumber)
			return complete(ctx, u, slices.Clone(parts), opts)
		})
	}),
	bends("B19", "refused", "Complete puts the parts into order", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			return complete(ctx, u, slices.SortedFunc(slices.Values(parts), byNumber), opts)
		})
	}),
	bends("B19", "refused", "a Complete that is refused discards the upload", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if errors.Is(err, backend.ErrInvalidPart) {
				b.abort(ctx, u)
			}
			return o, err
		})
	}),
	bends("B19", "refused", "a part that is missing is an unknown error", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if errors.Is(err, backend.ErrInvalidPart) {
				err = errBent
			}
			return o, err
		})
	}),
	bends("B19", "old ETag", "Complete looks at the numbers only", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			there, _ := all(ctx, b.list, u)
			now := slices.Clone(parts)
			for i := range now {
				if at, ok := slices.BinarySearchFunc(there, now[i], byNumber); ok {
					now[i].ETag = there[at].ETag
				}
			}
			return complete(ctx, u, now, opts)
		})
	}),
	bends("B19", "empty", "Complete of nothing makes an empty object", func(b *bent) {
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			if len(parts) == 0 && b.abort(ctx, u) == nil {
				return b.put(ctx, u.Key, bytes.NewReader(nil), 0, opts.Attributes, opts)
			}
			return complete(ctx, u, parts, opts)
		})
	}),
	bends("B20", "concurrently", "the second of two Completes misses the parts", func(b *bent) {
		b.overlapping(func(err error) error {
			if errors.Is(err, backend.ErrNoSuchUpload) {
				return fmt.Errorf("parts are not there: %w", backend.ErrInvalidPart)
			}
			return err
		})
	}),
	bends("B20", "concurrently", "of two Completes all are refused", func(b *bent) {
		b.overlapping(func(err error) error {
			return fmt.Errorf("in use: %w", backend.ErrNoSuchUpload)
		})
	}),
	bends("B21", "before", "a part is seen before Complete", func(b *bent) {
		first := map[string][]byte{} // by key
		part, read, abort := b.part, b.read, b.abort
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			p, err := part(ctx, u, number, body, size)
			if err == nil {
				b.locked(func() { first[u.Key] = []byte("a part") })
			}
			return p, err
		}
		b.abort = func(ctx context.Context, u backend.Upload) error {
			b.locked(func() { delete(first, u.Key) })
			return abort(ctx, u)
		}
		b.read = func(ctx context.Context, key string) ([]byte, backend.Attributes, error) {
			data, attrs, err := read(ctx, key)
			b.locked(func() {
				if early, ok := first[key]; ok && err != nil {
					data, err = early, nil
				}
			})
			return data, attrs, err
		}
	}),
	bends("B21", "readers", "Complete removes the old object first", func(b *bent) {
		hidden := map[string]int{}
		read := b.read
		b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
			b.locked(func() { hidden[u.Key]++ })
			defer b.locked(func() { hidden[u.Key]-- })
			<-time.After(2 * time.Millisecond)
			return complete(ctx, u, parts, opts)
		})
		b.read = func(ctx context.Context, key string) ([]byte, backend.Attributes, error) {
			gone := false
			b.locked(func() { gone = hidden[key] > 0 })
			if gone {
				return nil, backend.Attributes{}, backend.ErrNotFound
			}
			return read(ctx, key)
		}
	}),
}

// overlapping changes the answers of Completes of one upload that run at the same time.
func (b *bent) overlapping(answer func(err error) error) {
	flying, met := map[string]int{}, map[string]bool{}
	b.completes(func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions, complete completeFunc) (backend.Object, error) {
		b.locked(func() {
			if flying[u.ID]++; flying[u.ID] > 1 {
				met[u.ID] = true
			}
		})
		<-time.After(2 * time.Millisecond)
		o, err := complete(ctx, u, parts, opts)
		b.locked(func() {
			if flying[u.ID]--; met[u.ID] {
				err = answer(err)
			}
			if flying[u.ID] == 0 {
				delete(met, u.ID)
			}
		})
		return o, err
	})
}
