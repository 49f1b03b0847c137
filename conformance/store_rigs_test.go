package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// locking is what File and Memory have in common.
type locking interface {
	checkpoint.Store
	checkpoint.Locker
}

// rig is a sound store in which some methods are replaced. It is no Syncer.
type rig struct {
	locking
	load   func(ctx context.Context, id string) ([][]byte, error)
	append func(ctx context.Context, id string, at int, rec []byte) error
	delete func(ctx context.Context, id string, at int, last []byte) error
	ids    func(ctx context.Context) iter.Seq2[string, error]
	lock   func(ctx context.Context, id string) (func() error, error)
	file   func(id string) string // of a rig on files
}

func newRig(sound locking) *rig {
	return &rig{locking: sound, load: sound.Load, append: sound.Append, delete: sound.Delete, ids: sound.IDs, lock: sound.Lock}
}

func (r *rig) Load(ctx context.Context, id string) ([][]byte, error) { return r.load(ctx, id) }

func (r *rig) Append(ctx context.Context, id string, at int, rec []byte) error {
	return r.append(ctx, id, at, rec)
}

func (r *rig) Delete(ctx context.Context, id string, at int, last []byte) error {
	return r.delete(ctx, id, at, last)
}

func (r *rig) IDs(ctx context.Context) iter.Seq2[string, error] { return r.ids(ctx) }

func (r *rig) Lock(ctx context.Context, id string) (func() error, error) { return r.lock(ctx, id) }

// inMemory builds a rig on a Memory.
func inMemory(change func(r *rig)) func(*testing.T) stores {
	return built(func(*testing.T, string) Store {
		r := newRig(checkpoint.NewMemory())
		change(r)
		return Store{Store: r, OneProcess: true}
	})
}

// inFiles builds a rig on a File, another one for each handle.
func inFiles(change func(r *rig)) func(*testing.T) stores {
	return built(func(t *testing.T, dir string) Store {
		f, err := checkpoint.NewFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(f)
		r.file = func(id string) string {
			sum := sha256.Sum256([]byte(id))
			return filepath.Join(dir, hex.EncodeToString(sum[:])+".log")
		}
		change(r)
		return Store{Store: r, LogFile: r.file}
	})
}

func built(newFixture NewStore) func(*testing.T) stores {
	return func(t *testing.T) stores { return newStores(t, newFixture) }
}

// yield lets others go between two steps that should be one.
func yield() {
	for range 100 {
		runtime.Gosched()
	}
}

// memo remembers something for each ID.
type memo[V any] struct {
	mu sync.Mutex
	by map[string]V
}

func (m *memo[V]) get(id string) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok = m.by[id]
	return v, ok
}

func (m *memo[V]) set(id string, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = make(map[string]V)
	}
	m.by[id] = v
}

func (m *memo[V]) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, id)
}

// appendAtEnd appends wherever the end is, unless that is before at.
func appendAtEnd(ctx context.Context, s checkpoint.Store, id string, at int, rec []byte) error {
	for {
		recs, err := s.Load(ctx, id)
		if err != nil {
			return err
		}
		if len(recs) < at {
			return checkpoint.ErrConflict
		}
		if err := s.Append(ctx, id, len(recs), rec); err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// plain is a store that takes anything, and is neither a Locker nor a Syncer.
type plain struct {
	mu   sync.Mutex
	logs map[string][][]byte
}

func (p *plain) Load(ctx context.Context, id string) ([][]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	recs := [][]byte{}
	for _, rec := range p.logs[id] {
		recs = append(recs, bytes.Clone(rec))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return recs, nil
}

func (p *plain) Append(ctx context.Context, id string, at int, rec []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(p.logs[id]) != at {
		return checkpoint.ErrConflict
	}
	if p.logs == nil {
		p.logs = make(map[string][][]byte)
	}
	p.logs[id] = append(p.logs[id], bytes.Clone(rec))
	return nil
}

func (p *plain) Delete(ctx context.Context, id string, at int, last []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	recs := p.logs[id]
	if n := len(recs); n > 0 && (n != at || !bytes.Equal(recs[n-1], last)) {
		return checkpoint.ErrConflict
	}
	delete(p.logs, id)
	return nil
}

// IDs lists what there was when the loop began, whatever becomes of its context.
func (p *plain) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		p.mu.Lock()
		ids := slices.Collect(maps.Keys(p.logs))
		p.mu.Unlock()
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// volatile is a store that forgets in a power cut what was not synced, or some of it.
type volatile struct {
	plain
	durable map[string][][]byte
	synced  func(id string)                      // what Sync does
	left    func(durable, all [][]byte) [][]byte // what a power cut leaves of a log
}

// newVolatile returns a sound one.
func newVolatile() *volatile {
	v := &volatile{durable: make(map[string][][]byte)}
	v.synced = v.save
	rnd := rand.New(rand.NewPCG(1, 2))
	v.left = func(durable, all [][]byte) [][]byte {
		if !isPrefix(durable, all) {
			return durable
		}
		return all[:len(durable)+rnd.IntN(len(all)-len(durable)+1)]
	}
	return v
}

func (v *volatile) save(id string) { v.durable[id] = v.logs[id] }

func (v *volatile) Sync(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.synced(id)
	return nil
}

func (v *volatile) powerCut() checkpoint.Store {
	v.mu.Lock()
	defer v.mu.Unlock()
	after := newVolatile()
	after.logs = make(map[string][][]byte)
	for _, logs := range []map[string][][]byte{v.durable, v.logs} {
		for id := range logs {
			if left := v.left(v.durable[id], v.logs[id]); len(left) > 0 {
				after.logs[id] = slices.Clone(left)
			}
		}
	}
	return after
}

func losingPower(change func(v *volatile)) func(*testing.T) stores {
	return built(func(*testing.T, string) Store {
		v := newVolatile()
		change(v)
		return Store{Store: v, OneProcess: true, PowerCut: v.powerCut}
	})
}
