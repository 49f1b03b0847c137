package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// brokenStores are those that break a rule.
func brokenStores() []mutant[stores] {
	return slices.Concat(brokenLogs(), brokenFences(), brokenNames(), brokenFiles(), brokenPower(), brokenLocks(), brokenContexts())
}

// TestStoreMutants: TestStore sees each broken store through the rule that it breaks, and no sound one.
func TestStoreMutants(t *testing.T) {
	mutants := slices.Concat(soundStores(), brokenStores())
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
