package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/upload"
)

var errIO = errors.New("input/output error")

// Source wraps s for this process. Its ReadAt and Version are counted as calls, but not as calls to a store: they pass no gate, and
// for what is late no time goes by. The wrapper is an [upload.Stamper] exactly if s is.
func (p *Process) Source(s upload.Source) upload.Source {
	w := &theSource{Source: s, p: p}
	if stamper, ok := s.(upload.Stamper); ok {
		return struct {
			upload.Source
			upload.Stamper
		}{w, stamper}
	}
	return w
}

type theSource struct {
	upload.Source
	p *Process
}

func (s *theSource) ReadAt(b []byte, off int64) (n int, err error) {
	err = s.p.do(context.Background(), Call{Op: "ReadAt", Number: int(off), Size: int64(len(b))}, deed{
		make:    func(context.Context) (err error) { n, err = s.Source.ReadAt(b, off); return err },
		half:    func() { n, _ = s.Source.ReadAt(b[:len(b)/2], off) }, // its error is that of the whole
		refused: errIO,
		aside:   true,
	})
	if err == errDead {
		return 0, err
	}
	return n, err
}

func (s *theSource) Version() (version string, err error) {
	err = s.p.do(context.Background(), Call{Op: "Version"}, deed{
		make:    func(context.Context) (err error) { version, err = s.Source.Version(); return err },
		refused: errIO,
		aside:   true,
	})
	return only(version, err)
}

// Source is a source in memory that can be changed while it is read. Its version is a counter, and so as good as that of a file
// ever is. It is safe for concurrent use.
type Source struct {
	id string

	mu       sync.Mutex
	contents [][]byte // that it had; the last is what it has
	version  int
}

var _ upload.Source = (*Source)(nil)

// NewSource returns a source of size bytes, which look random and depend on seed alone. id is its ID.
func NewSource(id string, size int, seed uint64) *Source {
	return &Source{id: id, contents: [][]byte{random(size, seed)}}
}

func random(size int, seed uint64) []byte {
	rnd := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32), byte(seed >> 40), byte(seed >> 48), byte(seed >> 56)})
	p := make([]byte, size)
	rnd.Read(p) // never fails
	return p
}

// Change makes kind happen to the source, which is one of Edited (the byte in the middle), Truncated (to five eighths), Grown (by a
// third and one byte), Touched, Replaced; it panics for another. Each gives it a version that it never had. It serves as
// [Options].Event where no other events are planned.
func (s *Source) Change(kind Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	data := slices.Clone(s.contents[len(s.contents)-1])
	switch kind {
	case Edited:
		if len(data) > 0 {
			data[len(data)/2] ^= 0x55
		}
	case Truncated:
		data = data[:len(data)*5/8]
	case Grown:
		data = append(data, random(len(data)/3+1, ^uint64(s.version))...)
	case Replaced:
		data = random(len(data), ^uint64(s.version))
	case Touched:
		return
	default:
		panic(fmt.Sprintf("fault: %q does not change a source", kind))
	}
	s.contents = append(s.contents, data)
}

// Bytes returns what the source has now.
func (s *Source) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.contents[len(s.contents)-1])
}

// Had says whether the source was, byte for byte, data at some time.
func (s *Source) Had(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.contents, func(c []byte) bool { return bytes.Equal(c, data) })
}

// ReadAt implements io.ReaderAt.
func (s *Source) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.NewReader(s.contents[len(s.contents)-1]).ReadAt(p, off)
}

// Size implements upload.Source.
func (s *Source) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.contents[len(s.contents)-1]))
}

// ID implements upload.Source.
func (s *Source) ID() string { return s.id }

// Version implements upload.Source.
func (s *Source) Version() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("version %d", s.version), nil
}
