package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func brokenLogs() []mutant[stores] {
	return []mutant[stores]{
		{"S01", "no-log", "Delete of no log is a conflict", inMemory(func(r *rig) {
			var there memo[bool]
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				there.set(id, true)
				return r.locking.Append(ctx, id, at, rec)
			}
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				err := r.locking.Delete(ctx, id, at, last)
				if _, was := there.get(id); err == nil && !was {
					return checkpoint.ErrConflict
				}
				return err
			}
		})},
		{"S02", "round-trip", "writes JSON in its own way", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				var own bytes.Buffer
				if json.Compact(&own, rec) != nil || bytes.ContainsAny(rec, "\r\n") {
					return r.locking.Append(ctx, id, at, rec)
				}
				return r.locking.Append(ctx, id, at, own.Bytes())
			}
		})},
		{"S03", "loaded", "Load returns its own records", inMemory(func(r *rig) {
			var cache memo[[][]byte]
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				if recs, ok := cache.get(id); ok && ctx.Err() == nil {
					return recs, nil
				}
				recs, err := r.locking.Load(ctx, id)
				if err == nil {
					cache.set(id, recs)
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
		{"S03", "appended", "Append keeps the slice", inMemory(func(r *rig) {
			var mu sync.Mutex
			var kept memo[[]byte] // the last record of each log
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				mu.Lock()
				defer mu.Unlock()
				err := r.locking.Append(ctx, id, at, rec)
				if err == nil {
					kept.set(id, rec)
				}
				return err
			}
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				recs, err := r.locking.Load(ctx, id)
				if last, ok := kept.get(id); ok && len(recs) > 0 {
					recs[len(recs)-1] = bytes.Clone(last)
				}
				return recs, err
			}
		})},
		{"S04", "positions", "far behind the end is the end", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if n := len(recordsIn(ctx, r.locking, id)); at > n+500 {
					at = n
				}
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
		{"S04", "positions", "a negative position is invalid", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if at < 0 {
					return checkpoint.ErrInvalid
				}
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
		{"S04", "positions", "a conflict leaves the record", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				err := r.locking.Append(ctx, id, at, rec)
				if n := len(recordsIn(ctx, r.locking, id)); errors.Is(err, checkpoint.ErrConflict) && at == n+1000 {
					return errors.Join(err, r.locking.Append(ctx, id, n, rec))
				}
				return err
			}
		})},
		{"S06", "fence", "Delete does not count", inMemory(func(r *rig) {
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				if n := len(recordsIn(ctx, r.locking, id)); n > 0 {
					at = n
				}
				return r.locking.Delete(ctx, id, at, last)
			}
		})},
		{"S06", "fence", "Delete does not look at the last record", inMemory(func(r *rig) {
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				if recs := recordsIn(ctx, r.locking, id); len(recs) == at && at > 0 {
					last = recs[at-1]
				}
				return r.locking.Delete(ctx, id, at, last)
			}
		})},
		{"S07", "gone", "a second Delete is a conflict", inMemory(func(r *rig) {
			var gone memo[bool]
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				was := len(recordsIn(ctx, r.locking, id)) > 0
				err := r.locking.Delete(ctx, id, at, last)
				if before, _ := gone.get(id); err == nil && before && !was {
					return checkpoint.ErrConflict
				}
				gone.set(id, err == nil && was)
				return err
			}
		})},
		{"S07", "gone", "an ID is used up after three logs", inMemory(func(r *rig) {
			var deleted memo[int]
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				was := len(recordsIn(ctx, r.locking, id)) > 0
				err := r.locking.Delete(ctx, id, at, last)
				if n, _ := deleted.get(id); err == nil && was {
					deleted.set(id, n+1)
				}
				return err
			}
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if n, _ := deleted.get(id); n >= 3 {
					return checkpoint.ErrConflict
				}
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
		{"S13", "sizes", "records of less than 60000 bytes only", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if len(rec) > 60000 {
					return checkpoint.ErrInvalid
				}
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
		{"S14", "no-records", "cuts off a line break", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				return r.locking.Append(ctx, id, at, bytes.TrimRight(rec, "\r\n"))
			}
		})},
		{"S14", "no-records", "drops an empty record without a word", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if len(rec) == 0 {
					return nil
				}
				return r.locking.Append(ctx, id, at, rec)
			}
		})},
		{"S14", "no-records", "refuses a record with an error of its own", inMemory(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if err := r.locking.Append(ctx, id, at, rec); id != "" && len(id) <= 1024 && errors.Is(err, checkpoint.ErrInvalid) {
					return errOwn
				} else {
					return err
				}
			}
		})},
	}
}
