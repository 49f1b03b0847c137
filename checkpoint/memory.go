package checkpoint

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is a Store and a Locker that lives and dies with its process: for tests, and for uploads that need not survive it.
// The zero value is empty and ready. It never returns ErrDamaged or ErrVersion, and none of its answers is ever lost.
type Memory struct {
	mu    sync.Mutex
	logs  map[string][][]byte
	locks map[string]time.Time // since when
}

var (
	_ Store  = (*Memory)(nil)
	_ Locker = (*Memory)(nil)
)

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return new(Memory) }

// Load returns a copy of the records of id.
func (m *Memory) Load(ctx context.Context, id string) ([][]byte, error) {
	if err := begin(ctx, id); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var recs [][]byte
	for _, rec := range m.logs[id] {
		recs = append(recs, bytes.Clone(rec))
	}
	return recs, nil
}

// Append adds a copy of rec as record number at, or returns ErrConflict.
func (m *Memory) Append(ctx context.Context, id string, at int, rec []byte) error {
	if err := begin(ctx, id); err != nil {
		return err
	}
	if err := checkRecord(rec); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.logs[id]) != at {
		return ErrConflict
	}
	if m.logs == nil {
		m.logs = make(map[string][][]byte)
	}
	m.logs[id] = append(m.logs[id], bytes.Clone(rec))
	return nil
}

// Delete removes the log of id if it has exactly at records and ends in last, else it returns ErrConflict. No log: nil.
func (m *Memory) Delete(ctx context.Context, id string, at int, last []byte) error {
	if err := begin(ctx, id); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	recs := m.logs[id]
	if len(recs) == 0 {
		return nil
	}
	if len(recs) != at || !bytes.Equal(recs[at-1], last) {
		return ErrConflict
	}
	delete(m.logs, id)
	return nil
}

// IDs lists the logs that exist when the iteration starts. The body of the loop may call m.
func (m *Memory) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		m.mu.Lock()
		ids := slices.Collect(maps.Keys(m.logs))
		m.mu.Unlock()
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Lock locks id against every other Lock of the same Memory. It returns an [*InUseError] if it is locked.
func (m *Memory) Lock(ctx context.Context, id string) (unlock func() error, err error) {
	if err := begin(ctx, id); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if since, ok := m.locks[id]; ok {
		return nil, &InUseError{ID: id, Holder: thisProcess().String(), Since: since}
	}
	if m.locks == nil {
		m.locks = make(map[string]time.Time)
	}
	m.locks[id] = time.Now()
	return sync.OnceValue(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locks, id)
		return nil
	}), nil
}

// begin refuses what no method takes: a context that is over and an invalid ID.
func begin(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkID(id)
}
