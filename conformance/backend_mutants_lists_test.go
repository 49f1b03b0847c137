package conformance

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/tidemark-go/tidemark/backend"
)

var listMutants = []mutant[Backend]{
	bends("B15", "after", "parts in the order of text", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			slices.SortFunc(page, func(x, y backend.Part) int { return cmp.Compare(strconv.Itoa(x.Number), strconv.Itoa(y.Number)) })
			return page, more, err
		}
	}),
	bends("B15", "after", "after is listed too", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			return list(ctx, u, after-1)
		}
	}),
	bends("B15", "pages", "only the first page", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, _, err := list(ctx, u, after)
			return page, false, err
		}
	}),
	bends("B15", "pages", "after is a position", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			there, err := all(ctx, list, u)
			there = there[min(after, len(there)):]
			return there[:min(1000, len(there))], len(there) > 1000, err
		}
	}),
	bends("B15", "pages", "an empty page in between", func(b *bent) {
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			if after >= 1000 && len(page) > 0 {
				return nil, true, err
			}
			return page, more, err
		}
	}),
	bends("B16", "at once", "ListParts answers from a cache", func(b *bent) {
		type answer struct {
			page []backend.Part
			more bool
			uses int
		}
		kept := map[string]*answer{}
		list := b.list
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			if err != nil || after != 0 {
				return page, more, err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if a := kept[u.ID]; a != nil && a.uses < 2 {
				a.uses++
				return slices.Clone(a.page), a.more, nil
			}
			kept[u.ID] = &answer{slices.Clone(page), more, 0}
			return page, more, nil
		}
	}),
	bends("B17", "aborted", "Abort of an upload that is gone is fine", func(b *bent) {
		abort := b.abort
		b.abort = func(ctx context.Context, u backend.Upload) error {
			if err := abort(ctx, u); !errors.Is(err, backend.ErrNoSuchUpload) {
				return err
			}
			return nil
		}
	}),
	bends("B17", "completed", "Complete of what is completed returns the object", func(b *bent) {
		done := map[string]backend.Object{}
		complete := b.complete
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			b.locked(func() {
				if before, ok := done[u.Key+u.ID]; ok && err != nil {
					o, err = before, nil
				} else if err == nil {
					done[u.Key+u.ID] = o
				}
			})
			return o, err
		}
	}),
	bends("B17", "made up", "an upload that is gone is an unknown error", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			p, err := part(ctx, u, number, body, size)
			if errors.Is(err, backend.ErrNoSuchUpload) {
				err = errBent
			}
			return p, err
		}
	}),
	bends("B17", "other key", "an ID is enough", func(b *bent) {
		list, uploads := b.list, b.uploads
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			for v := range uploads(ctx, "") {
				if v.ID == u.ID {
					u.Key = v.Key
				}
			}
			return list(ctx, u, after)
		}
	}),
}
