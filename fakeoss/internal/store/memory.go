package store

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Memory is a Store that forgets everything with the process. Its objects are kept by s3mem, of which it avoids three traps:
//
//   - s3mem's PutObject allocates the size announced before it reads a byte: a Body is received first, in small pieces.
//   - it carries metadata of the object that is replaced over to the new one, unless the new one has the same names: callers
//     use one name for everything.
//   - its ListBucket repeats common prefixes from page to page, reports truncation where only keys that do not match
//     follow, and trims delimiters off the front of keys: callers list without a delimiter and group by themselves.
type Memory struct {
	*s3mem.Backend

	mu      sync.Mutex
	buckets map[string]string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty Memory whose bucket dates come from now.
func NewMemory(now gofakes3.TimeSource) *Memory {
	return &Memory{Backend: s3mem.New(s3mem.WithTimeSource(now)), buckets: map[string]string{}}
}

// Spool implements [Store].
func (m *Memory) Spool() (Body, error) { return &memoryBody{}, nil }

// Link implements [Store]. It copies the bodies once.
func (m *Memory) Link(bucket, key string, meta map[string]string, _ string, bodies []Body) error {
	readers := make([]io.Reader, len(bodies))
	var size int64
	for i, b := range bodies {
		mb, ok := b.(*memoryBody)
		if !ok {
			return fmt.Errorf("link %s/%s: body %d is of another store (%T)", bucket, key, i, b)
		}
		readers[i] = mb.reader()
		size += mb.size
	}
	_, err := m.PutObject(bucket, key, meta, io.MultiReader(readers...), size, nil)
	return err
}

// SetMeta implements [Store].
func (m *Memory) SetMeta(bucket, key string, meta map[string]string) error {
	o, err := m.GetObject(bucket, key, nil)
	if err != nil {
		return err
	}
	_, err = m.PutObject(bucket, key, meta, o.Contents, o.Size, nil)
	return err
}

// BucketMeta implements [Store].
func (m *Memory) BucketMeta(bucket string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.buckets[bucket], nil
}

// SetBucketMeta implements [Store].
func (m *Memory) SetBucketMeta(bucket, meta string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buckets[bucket] = meta
	return nil
}

// DeleteBucket implements [gofakes3.Backend].
func (m *Memory) DeleteBucket(name string) error {
	if err := m.Backend.DeleteBucket(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.buckets, name)
	return nil
}

// Uploads implements [Store].
func (m *Memory) Uploads() []Upload { return nil }

// SaveUpload implements [Store].
func (m *Memory) SaveUpload(Upload) error { return nil }

// SavePart implements [Store].
func (m *Memory) SavePart(string, Part) error { return nil }

// DropUpload implements [Store].
func (m *Memory) DropUpload(string) error { return nil }

// Close implements [Store].
func (m *Memory) Close() error { return nil }

// memoryBody grows by pieces, so that a large body is neither allocated before it arrives nor copied while it grows.
type memoryBody struct {
	pieces [][]byte
	size   int64
}

const (
	minPiece = 4 << 10
	maxPiece = 1 << 20
)

func (b *memoryBody) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		last := len(b.pieces) - 1
		if last < 0 || len(b.pieces[last]) == cap(b.pieces[last]) {
			b.pieces = append(b.pieces, make([]byte, 0, min(max(minPiece, b.size), maxPiece)))
			last++
		}
		k := min(len(p), cap(b.pieces[last])-len(b.pieces[last]))
		b.pieces[last] = append(b.pieces[last], p[:k]...)
		p = p[k:]
		b.size += int64(k)
	}
	return n, nil
}

func (b *memoryBody) Size() int64 { return b.size }

func (b *memoryBody) Discard() error {
	b.pieces = nil
	return nil
}

func (b *memoryBody) reader() io.Reader {
	readers := make([]io.Reader, 0, len(b.pieces))
	for _, p := range slices.Clone(b.pieces) {
		readers = append(readers, bytes.NewReader(p))
	}
	return io.MultiReader(readers...)
}
