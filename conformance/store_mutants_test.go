package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// TestStoreMutants: TestStore sees each broken store through the rule that it breaks, and no sound one.
func TestStoreMutants(t *testing.T) {
	mutants := slices.Concat(soundStores(), brokenLogs(), brokenFences(), brokenNames(), brokenFiles(), brokenPower(), brokenLocks(), brokenContexts())
	everyRuleHasAMutant(t, storeRules, storeProbes, mutants)
	testMutants(t, storeProbes, mutants)
}

var errOwn = errors.New("an error of the store's own")

// recordsIn are the records of a log in a sound store.
func recordsIn(ctx context.Context, s checkpoint.Store, id string) [][]byte {
	recs, err := s.Load(ctx, id)
	if err != nil {
		return nil
	}
	return recs
}

func soundStores() []mutant[stores] {
	var tearing sync.Mutex
	return []mutant[stores]{
		{name: "neither Locker nor Syncer, takes anything", build: built(func(*testing.T, string) Store { return Store{Store: new(plain), OneProcess: true} })},
		{name: "loses in a power cut what was not synced", build: losingPower(func(*volatile) {})},
		{name: "durable by itself", build: built(func(*testing.T, string) Store {
			p := new(plain)
			return Store{Store: p, OneProcess: true, PowerCut: func() checkpoint.Store { return p }}
		})},
		{name: "slow", build: inMemory(func(r *rig) {
			wait := func(ctx context.Context) {
				timer := time.NewTimer(20 * time.Microsecond)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-ctx.Done():
				}
			}
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				wait(ctx)
				return r.locking.Load(ctx, id)
			}
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				wait(ctx)
				err := r.locking.Append(ctx, id, at, rec)
				wait(ctx)
				return err
			}
		})},
		{name: "one at a time, with errors wrapped", build: inMemory(func(r *rig) {
			var mu sync.Mutex
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				mu.Lock()
				defer mu.Unlock()
				if err := r.locking.Append(ctx, id, at, rec); err != nil {
					return fmt.Errorf("record %d: %w", at, err)
				}
				return nil
			}
			r.delete = func(ctx context.Context, id string, at int, last []byte) error {
				mu.Lock()
				defer mu.Unlock()
				if err := r.locking.Delete(ctx, id, at, last); err != nil {
					return fmt.Errorf("delete: %w", err)
				}
				return nil
			}
		})},
		{name: "lists in random order", build: inMemory(func(r *rig) {
			r.ids = func(ctx context.Context) iter.Seq2[string, error] {
				ids := maps.Collect(r.locking.IDs(ctx))
				order := slices.Collect(maps.Keys(ids))
				rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				return func(yield func(string, error) bool) {
					for _, id := range order {
						if !yield(id, ids[id]) {
							return
						}
					}
				}
			}
		})},
		{name: "keeps what is before the damage", build: inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				recs, err := r.locking.Load(ctx, id)
				if !errors.Is(err, checkpoint.ErrDamaged) || len(recs) == 0 {
					return recs, err
				}
				kept := 0
				for kept < len(recs) && bytes.Equal(recs[kept], record(id, kept)) {
					kept++
				}
				failed := r.locking.Delete(ctx, id, len(recs), recs[len(recs)-1])
				for at := range kept {
					failed = errors.Join(failed, r.locking.Append(ctx, id, at, recs[at]))
				}
				if failed != nil {
					return nil, failed
				}
				return recs[:kept], err
			}
		})},
		{name: "calls a torn end damage", build: inFiles(func(r *rig) {
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				tearing.Lock()
				defer tearing.Unlock()
				return r.locking.Append(ctx, id, at, rec)
			}
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				tearing.Lock()
				defer tearing.Unlock()
				log, readErr := os.ReadFile(r.file(id))
				recs, err := r.locking.Load(ctx, id)
				if err != nil || readErr != nil || bytes.HasSuffix(log, []byte("\n")) {
					return recs, err
				}
				whole := log[:bytes.LastIndexByte(log, '\n')+1]
				return recs, errors.Join(fmt.Errorf("torn: %w", checkpoint.ErrDamaged), os.WriteFile(r.file(id), whole, 0o600))
			}
		})},
	}
}

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

func brokenFiles() []mutant[stores] {
	return []mutant[stores]{
		{"S16", "cut-short", "a torn first line is an error", inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				if info, err := os.Stat(r.file(id)); err == nil && info.Size() > 0 && info.Size() < 10 {
					return nil, errOwn
				}
				return r.locking.Load(ctx, id)
			}
		})},
		{"S16", "zeros", "zeros are an error", inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				if log, err := os.ReadFile(r.file(id)); err == nil && bytes.HasSuffix(log, []byte{0}) {
					return nil, errOwn
				}
				return r.locking.Load(ctx, id)
			}
		})},
		{"S16", "other-died", "a torn record costs the one before it", inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				log, readErr := os.ReadFile(r.file(id))
				recs, err := r.locking.Load(ctx, id)
				if err != nil || readErr != nil || bytes.HasSuffix(log, []byte("\n")) || len(recs) == 0 {
					return recs, err
				}
				return recs[:len(recs)-1], nil
			}
		})},
		{"S17", "flipped-byte", "does not tell that it is damaged", inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				recs, err := r.locking.Load(ctx, id)
				if errors.Is(err, checkpoint.ErrDamaged) {
					err = nil
				}
				return recs, err
			}
		})},
		{"S17", "flipped-byte", "trusts every line", inFiles(func(r *rig) {
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				const overhead = len(" 01234567")
				log, err := os.ReadFile(r.file(id))
				lines := bytes.Split(log, []byte("\n"))
				if err != nil || ctx.Err() != nil || len(lines) < 3 || bytes.IndexByte(log, 0) >= 0 {
					return r.locking.Load(ctx, id)
				}
				var recs [][]byte
				for _, line := range lines[1 : len(lines)-1] {
					recs = append(recs, line[:max(0, len(line)-overhead)])
				}
				return recs, nil
			}
		})},
		{"S17", "flipped-byte", "tells twice that it is damaged", inFiles(func(r *rig) {
			var told memo[error]
			r.load = func(ctx context.Context, id string) ([][]byte, error) {
				log, readErr := os.ReadFile(r.file(id))
				recs, err := r.locking.Load(ctx, id)
				if before, ok := told.get(id); ok && err == nil {
					told.forget(id)
					return recs, before
				}
				if errors.Is(err, checkpoint.ErrDamaged) && readErr == nil && bytes.IndexByte(log, 0) < 0 {
					told.set(id, err)
				}
				return recs, err
			}
		})},
	}
}

func brokenPower() []mutant[stores] {
	return []mutant[stores]{
		{"S18", "synced", "Sync does nothing", losingPower(func(v *volatile) { v.synced = func(string) {} })},
		{"S18", "synced", "the first Sync of a log does not sync its name", losingPower(func(v *volatile) {
			once := make(map[string]bool)
			v.synced = func(id string) {
				if once[id] {
					v.save(id)
				}
				once[id] = true
			}
		})},
		{"S18", "synced", "Append is not durable and there is no Sync", built(func(*testing.T, string) Store {
			v := newVolatile()
			return Store{Store: struct{ checkpoint.Store }{v}, OneProcess: true, PowerCut: v.powerCut}
		})},
		{"S19", "unsynced", "a power cut leaves gaps", losingPower(func(v *volatile) {
			v.left = func(durable, all [][]byte) [][]byte {
				if n := len(durable); len(all) >= n+2 && isPrefix(durable, all) {
					return slices.Delete(slices.Clone(all), n, n+1)
				}
				return durable
			}
		})},
	}
}

func brokenLocks() []mutant[stores] {
	var process memo[bool]
	heldIn := func(r *rig, held *memo[bool], key func(id string) string) {
		var mu sync.Mutex
		r.lock = func(ctx context.Context, id string) (func() error, error) {
			unlock, err := checkpoint.NewMemory().Lock(ctx, id) // for its errors
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			if _, ok := held.get(key(id)); ok {
				return nil, &checkpoint.InUseError{ID: id}
			}
			held.set(key(id), true)
			return func() error {
				held.forget(key(id))
				return unlock()
			}, nil
		}
	}
	return []mutant[stores]{
		{"S20", "one-handle", "refuses with ErrInUse itself", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				unlock, err := r.locking.Lock(ctx, id)
				if errors.Is(err, checkpoint.ErrInUse) {
					err = checkpoint.ErrInUse
				}
				return unlock, err
			}
		})},
		{"S20", "one-handle", "does not name the ID", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				unlock, err := r.locking.Lock(ctx, id)
				if errors.Is(err, checkpoint.ErrInUse) {
					err = new(checkpoint.InUseError)
				}
				return unlock, err
			}
		})},
		{"S20", "one-handle", "waits for the lock", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				unlock, err := r.locking.Lock(ctx, id)
				if errors.Is(err, checkpoint.ErrInUse) {
					<-ctx.Done()
				}
				return unlock, err
			}
		})},
		{"S20", "two-handles", "a handle locks out itself", inFiles(func(r *rig) { heldIn(r, new(memo[bool]), strings.Clone) })},
		{"S20", "processes", "a process locks out itself", inFiles(func(r *rig) { heldIn(r, &process, func(id string) string { return r.file(id) }) })},
		{"S21", "unlock", "unlock does nothing", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				_, err := r.locking.Lock(ctx, id)
				return func() error { return nil }, err
			}
		})},
		{"S21", "unlock", "unlock needs the context of Lock", inMemory(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				unlock, err := r.locking.Lock(ctx, id)
				return func() error { return errors.Join(ctx.Err(), unlock()) }, err
			}
		})},
		{"S22", "other-ids", "one lock for all", inMemory(func(r *rig) { heldIn(r, new(memo[bool]), func(string) string { return "" }) })},
		{"S23", "killed", "a lock is a file", inFiles(func(r *rig) {
			r.lock = func(ctx context.Context, id string) (func() error, error) {
				if _, err := r.locking.Load(ctx, id); err != nil {
					return nil, err
				}
				file := r.file(id) + ".taken"
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					return nil, err
				}
				f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
				if errors.Is(err, fs.ErrExist) {
					return nil, &checkpoint.InUseError{ID: id}
				}
				if err != nil {
					return nil, err
				}
				return func() error { return os.Remove(file) }, f.Close()
			}
		})},
		{"S24", "holder", "a locked log cannot be appended to", inMemory(func(r *rig) {
			var held memo[bool]
			heldIn(r, &held, strings.Clone)
			r.append = func(ctx context.Context, id string, at int, rec []byte) error {
				if _, ok := held.get(id); ok {
					return checkpoint.ErrInUse
				}
				return r.locking.Append(ctx, id, at, rec)
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
