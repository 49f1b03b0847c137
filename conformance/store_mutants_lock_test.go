package conformance

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

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
