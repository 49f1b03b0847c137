package conformance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func brokenFences() []mutant[stores] {
	// lookThenAppend is two steps. A log that was deleted between them is left alone: that race is another rule's.
	lookThenAppend := func(r *rig, guard sync.Locker, pause func(r *rig)) {
		r.append = func(ctx context.Context, id string, at int, rec []byte) error {
			guard.Lock()
			defer guard.Unlock()
			if len(recordsIn(ctx, r.locking, id)) != at {
				return r.locking.Append(ctx, id, -1, rec) // for its error
			}
			pause(r)
			if at == 0 || ctx.Err() != nil {
				return r.locking.Append(ctx, id, at, rec)
			}
			if err := r.locking.Append(ctx, id, at, rec); !errors.Is(err, checkpoint.ErrConflict) {
				return err
			}
			return appendAtEnd(ctx, r.locking, id, at, rec)
		}
	}
	yields := func(*rig) { yield() }
	looksAgain := func(r *rig) { // there is no yielding to another process
		for range 5 {
			recordsIn(context.Background(), r.locking, "id")
		}
	}
	var process sync.Mutex
	return []mutant[stores]{
		{"S05", "goroutines", "looks and then appends", inMemory(func(r *rig) { lookThenAppend(r, unguarded{}, yields) })},
		{"S05", "handles", "a handle knows only its own appends", inFiles(func(r *rig) { lookThenAppend(r, new(sync.Mutex), yields) })},
		{"S05", "processes", "a process knows only its own appends", inFiles(func(r *rig) { lookThenAppend(r, &process, looksAgain) })},
		{"S08", "one-handle", "looks and then deletes", inMemory(func(r *rig) {
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				recs := recordsIn(ctx, r.locking, id)
				if n := len(recs); n == 0 || n != at || !bytes.Equal(recs[n-1], last) {
					return r.locking.Delete(ctx, id, at, last)
				}
				yield()
				recs = recordsIn(ctx, r.locking, id)
				return r.locking.Delete(ctx, id, len(recs), recs[len(recs)-1])
			}
		})},
		{"S09", "same-bytes", "a log of the same size is the old one", inFiles(func(r *rig) {
			type end struct{ size, records int }
			var known memo[end]
			size := func(id string) int {
				if info, err := os.Stat(r.file(id)); err == nil {
					return int(info.Size())
				}
				return 0
			}
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if e, ok := known.get(id); ok && e.size == size(id) && e.records == at {
					if n := len(recordsIn(ctx, r.locking, id)); n > 0 && n < at {
						at = n
					}
				}
				err := r.locking.Append(ctx, id, at, rec)
				if err == nil {
					known.set(id, end{size(id), at + 1})
				}
				return err
			}
		})},
		{"S09", "same-records", "remembers the last record", inFiles(func(r *rig) {
			type end struct {
				rec     string
				records int
			}
			var known memo[end]
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				err := r.locking.Append(ctx, id, at, rec)
				if err == nil {
					known.set(id, end{string(rec), at + 1})
				}
				return err
			}
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				if e, ok := known.get(id); ok && at == e.records && string(last) != e.rec {
					return checkpoint.ErrConflict
				}
				return r.locking.Delete(ctx, id, at, last)
			}
		})},
		{"S15", "handles", "a handle keeps the log that it loaded", inFiles(func(r *rig) {
			var cache memo[[][]byte]
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				if recs, ok := cache.get(id); ok && ctx.Err() == nil {
					return slices.Clone(recs), nil
				}
				recs, err := r.locking.Load(ctx, id)
				if err == nil {
					kept := make([][]byte, len(recs))
					for i := range recs {
						kept[i] = bytes.Clone(recs[i])
					}
					cache.set(id, kept)
				}
				return recs, err
			}
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				defer cache.forget(id)
				return r.locking.Append(ctx, id, at, rec)
			}
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				defer cache.forget(id)
				return r.locking.Delete(ctx, id, at, last)
			}
		})},
		{"S27", "readers", "half a record can be seen", inMemory(func(r *rig) {
			var half memo[[]byte]
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if len(recordsIn(ctx, r.locking, id)) == at {
					half.set(id, bytes.Clone(rec[:len(rec)/2]))
					defer half.forget(id)
					yield()
				}
				return r.locking.Append(ctx, id, at, rec)
			}
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				rec, ok := half.get(id)
				recs, err := r.locking.Load(ctx, id)
				if ok && err == nil {
					recs = append(recs, rec)
				}
				return recs, err
			}
		})},
		{"S26", "many-logs", "one buffer for all logs", inMemory(func(r *rig) {
			var turns memo[*sync.Mutex]
			var first sync.Mutex
			var buffer memo[[]byte]
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				first.Lock()
				turn, ok := turns.get(id)
				if !ok {
					turn = new(sync.Mutex)
					turns.set(id, turn)
				}
				first.Unlock()
				turn.Lock()
				defer turn.Unlock()
				buffer.set("", bytes.Clone(rec))
				yield()
				rec, _ = buffer.get("")
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
	}
}

// unguarded is a lock that keeps nobody out.
type unguarded struct{}

func (unguarded) Lock()   {}
func (unguarded) Unlock() {}
