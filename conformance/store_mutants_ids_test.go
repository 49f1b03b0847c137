package conformance

import (
	"context"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// renamed stores each log under another ID.
func renamed(as func(id string) string) func(*testing.T) stores {
	return inMemory(func(r *rig) {
		r.load = func(ctx context.Context, id string) ([][]byte, error) { return r.locking.Load(ctx, as(id)) }
		r.append = func(ctx context.Context, id string, at int, rec []byte) error {
			return r.locking.Append(ctx, as(id), at, rec)
		}
		r.delete = func(ctx context.Context, id string, at int, last []byte) error {
			return r.locking.Delete(ctx, as(id), at, last)
		}
	})
}

func brokenNames() []mutant[stores] {
	return []mutant[stores]{
		{"S10", "many", "lists one page", inMemory(func(r *rig) {
			r.ids = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					n := 0
					for id, err := range r.locking.IDs(ctx) {
						if n++; n > 1000 || !yield(id, err) {
							return
						}
					}
				}
			}
		})},
		{"S10", "listing", "goes on where the last listing was left", inMemory(func(r *rig) {
			var left memo[[]string]
			r.ids = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					if err := ctx.Err(); err != nil {
						yield("", err)
						return
					}
					ids, ok := left.get("")
					if !ok {
						ids = slices.Sorted(maps.Keys(maps.Collect(r.locking.IDs(ctx))))
					}
					left.forget("")
					for i, id := range ids {
						if !yield(id, nil) {
							left.set("", ids[i+1:])
							return
						}
					}
				}
			}
		})},
		{"S11", "odd-ids", "no difference between cases", renamed(strings.ToLower)},
		{"S11", "odd-ids", "blanks do not count", renamed(func(id string) string {
			if trimmed := strings.TrimSpace(id); trimmed != "" {
				return trimmed
			}
			return id
		})},
		{"S11", "odd-ids", "an ID is a path", renamed(func(id string) string {
			if id == "" || strings.Contains(id, "//") {
				return id
			}
			return path.Clean(id)
		})},
		{"S11", "odd-ids", "an ID is UTF-8", renamed(func(id string) string { return strings.ToValidUTF8(id, "?") })},
		{"S12", "no-ids", "cuts an ID", renamed(func(id string) string { return id[:min(len(id), 1024)] })},
		{"S12", "no-ids", "locks any ID", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				if id == "" {
					return func() error { return nil }, nil
				}
				return r.locking.Lock(ctx, id)
			}
		})},
	}
}

func brokenContexts() []mutant[stores] {
	return []mutant[stores]{
		{"S25", "done", "Append does not look at its context", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				return r.locking.Append(context.WithoutCancel(ctx), id, at, rec)
			}
		})},
		{"S25", "done", "hides the error of the context", inMemory(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				recs, err := r.locking.Load(ctx, id)
				if ctx.Err() != nil {
					err = errOwn
				}
				return recs, err
			}
		})},
		{"S25", "listing", "a listing ends without a word", inMemory(func(r *rig) {
			r.ids = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					n := 0
					for id, err := range r.locking.IDs(ctx) {
						if n++; n > 1 && ctx.Err() != nil || !yield(id, err) {
							return
						}
					}
				}
			}
		})},
	}
}
