package conformance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
)

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
