package fault

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

var errDisk = errors.New("no space left on device")

// Store wraps s for this process. The wrapper is a Locker and a Syncer exactly if s is. IDs and unlocking are not counted as calls. The
// locks of a process that crashes are released, as the operating system does; unlocking is harmless from then on.
func (p *Process) Store(s checkpoint.Store) checkpoint.Store {
	w := &theStore{p: p, s: s}
	locker, locks := s.(checkpoint.Locker)
	syncer, syncs := s.(checkpoint.Syncer)
	switch {
	case locks && syncs:
		return struct {
			checkpoint.Store
			checkpoint.Locker
			checkpoint.Syncer
		}{w, &theLocker{p, locker}, &theSyncer{p, syncer}}
	case locks:
		return struct {
			checkpoint.Store
			checkpoint.Locker
		}{w, &theLocker{p, locker}}
	case syncs:
		return struct {
			checkpoint.Store
			checkpoint.Syncer
		}{w, &theSyncer{p, syncer}}
	}
	return w
}

type theStore struct {
	p *Process
	s checkpoint.Store
}

func (s *theStore) Load(ctx context.Context, id string) (records [][]byte, err error) {
	err = s.p.do(ctx, Call{Op: "Load", Log: id}, deed{
		make:    func(ctx context.Context) (err error) { records, err = s.s.Load(ctx, id); return err },
		refused: errDisk,
	})
	if err != nil && !errors.Is(err, checkpoint.ErrDamaged) {
		return nil, err
	}
	return records, err
}

func (s *theStore) Append(ctx context.Context, id string, at int, rec []byte) error {
	return s.p.do(ctx, Call{Op: "Append", Log: id, Number: at, Size: int64(len(rec))}, deed{
		make: func(ctx context.Context) error { return s.s.Append(ctx, id, at, rec) },
		later: func() (func(context.Context) error, error) {
			rec := bytes.Clone(rec)
			return func(ctx context.Context) error { return s.s.Append(ctx, id, at, rec) }, nil
		},
		refused: errDisk,
	})
}

func (s *theStore) Delete(ctx context.Context, id string, at int, last []byte) error {
	return s.p.do(ctx, Call{Op: "Delete", Log: id, Number: at}, deed{
		make: func(ctx context.Context) error { return s.s.Delete(ctx, id, at, last) },
		later: func() (func(context.Context) error, error) {
			last := bytes.Clone(last)
			return func(ctx context.Context) error { return s.s.Delete(ctx, id, at, last) }, nil
		},
		refused: errDisk,
	})
}

func (s *theStore) IDs(ctx context.Context) iter.Seq2[string, error] {
	return whileAlive(s.p, s.s.IDs(ctx))
}

type theSyncer struct {
	p *Process
	s checkpoint.Syncer
}

func (s *theSyncer) Sync(ctx context.Context, id string) error {
	return s.p.do(ctx, Call{Op: "Sync", Log: id}, deed{
		make:    func(ctx context.Context) error { return s.s.Sync(ctx, id) },
		refused: errDisk,
	})
}

type theLocker struct {
	p *Process
	s checkpoint.Locker
}

func (s *theLocker) Lock(ctx context.Context, id string) (unlock func() error, err error) {
	err = s.p.do(ctx, Call{Op: "Lock", Log: id}, deed{
		make: func(ctx context.Context) error {
			release, err := s.s.Lock(ctx, id)
			if err == nil {
				unlock = s.p.holds(release)
			}
			return err
		},
		refused: errDisk,
	})
	if err != nil {
		return nil, err
	}
	return unlock, nil
}

// holds notes a lock that the process has, and returns the unlock that ends that. It is released once, by the process or by its
// death.
func (p *Process) holds(release func() error) (unlock func() error) {
	once := sync.OnceValue(release)
	p.w.mu.Lock()
	dead := p.dead
	p.unlock = append(p.unlock, once)
	p.w.mu.Unlock()
	if dead { // while the lock was being taken, so that its death could not release it
		_ = once() // nobody is left to be told
	}
	return once
}
