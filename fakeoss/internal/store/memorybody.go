package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// limits bound what a [Memory] keeps of bodies in memory, in bytes: of one body, and of all of them.
type limits struct{ body, total int64 }

// spoolBody is a Body in memory, as long as it is small, and in a file from then on. Whoever holds it has one reference.
//
// In memory it grows by pieces, so that it is neither allocated before it arrives nor copied while it grows.
type spoolBody struct {
	m      *Memory
	refs   int // guarded by the Memory
	pieces [][]byte
	size   int64
	name   string   // of the file; empty: in memory
	file   *os.File // while it is being written
}

// maxPiece is the size of a piece that is not the first or the last; such pieces are used again.
const maxPiece = 64 << 10

// Spool implements [Store].
func (m *Memory) Spool() (Body, error) { return &spoolBody{m: m, refs: 1}, nil }

// Write implements [io.Writer].
func (b *spoolBody) Write(p []byte) (int, error) {
	if b.name == "" && !b.reserve(int64(len(p))) {
		if err := b.spill(); err != nil {
			return 0, err
		}
	}
	if b.name != "" {
		n, err := b.file.Write(p)
		b.size += int64(n)
		return n, err
	}
	b.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		last := len(b.pieces) - 1
		if last < 0 || len(b.pieces[last]) == cap(b.pieces[last]) {
			b.pieces = append(b.pieces, b.m.piece(max(b.size-int64(len(rest)), int64(len(rest)))))
			last++
		}
		k := min(len(rest), cap(b.pieces[last])-len(b.pieces[last]))
		b.pieces[last] = append(b.pieces[last], rest[:k]...)
		rest = rest[k:]
	}
	return len(p), nil
}

// piece returns an empty piece with room for size bytes, or less.
func (m *Memory) piece(size int64) []byte {
	if size < maxPiece {
		return make([]byte, 0, size)
	}
	if p, ok := m.pieces.Get().(*[maxPiece]byte); ok {
		return p[:0]
	}
	return make([]byte, 0, maxPiece)
}

// recycle takes back pieces that nobody uses.
func (m *Memory) recycle(pieces [][]byte) {
	for _, p := range pieces {
		if cap(p) == maxPiece {
			m.pieces.Put((*[maxPiece]byte)(p[:maxPiece]))
		}
	}
}

// reserve claims memory for n more bytes, and reports whether there is any.
func (b *spoolBody) reserve(n int64) bool {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if b.size+n > b.m.limits.body || b.m.held+n > b.m.limits.total {
		return false
	}
	b.m.held += n
	return true
}

// spill moves the body from memory to a file.
func (b *spoolBody) spill() error {
	dir, err := b.m.tempDir()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, randomName()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, piece := range b.pieces {
		if _, err := f.Write(piece); err != nil {
			return errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	b.m.recycle(b.pieces)
	b.name, b.file, b.pieces = f.Name(), f, nil
	b.m.mu.Lock()
	b.m.held -= b.size
	b.m.mu.Unlock()
	return nil
}

// tempDir returns the directory of the files, and makes it if need be.
func (m *Memory) tempDir() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dir == "" {
		dir, err := os.MkdirTemp("", "tidemark-fakeoss-")
		if err != nil {
			return "", err
		}
		m.dir = dir
	}
	return m.dir, nil
}

// Size implements [Body].
func (b *spoolBody) Size() int64 { return b.size }

// Discard implements [Body].
func (b *spoolBody) Discard() error { return b.m.release(b) }

// seal ends the writing.
func (b *spoolBody) seal() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}

// release gives references back. The last one takes the bytes along.
func (m *Memory) release(bodies ...*spoolBody) error {
	var unused []*spoolBody
	m.mu.Lock()
	for _, b := range bodies {
		if b.refs--; b.refs > 0 {
			continue
		}
		if b.name == "" {
			m.held -= b.size
			m.recycle(b.pieces)
			b.pieces = nil
		} else {
			unused = append(unused, b)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, b := range unused {
		errs = append(errs, b.seal(), os.Remove(b.name))
	}
	return errors.Join(errs...)
}

// spoolReader reads a range of an object. It opens one file at a time, and holds references to all bodies.
type spoolReader struct {
	m      *Memory
	bodies []*spoolBody // the current one first
	all    []*spoolBody // to be released
	skip   int64        // to the start of the range, from the start of the current body
	left   int64
	file   *os.File
	piece  int   // of the current body, in memory
	offset int64 // of that piece
}

// Read implements [io.Reader].
func (r *spoolReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for len(r.bodies) > 0 && r.skip >= r.bodies[0].size {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if len(r.bodies) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b := r.bodies[0]
	p = p[:min(int64(len(p)), r.left, b.size-r.skip)]
	n, err := 0, error(nil)
	if b.name == "" {
		for r.skip >= r.offset+int64(len(b.pieces[r.piece])) {
			r.offset += int64(len(b.pieces[r.piece]))
			r.piece++
		}
		n = copy(p, b.pieces[r.piece][r.skip-r.offset:])
	} else {
		if r.file == nil {
			if r.file, err = os.Open(b.name); err != nil {
				r.file = nil
				return 0, err
			}
		}
		if n, err = r.file.ReadAt(p, r.skip); err == io.EOF {
			err = io.ErrUnexpectedEOF // somebody has cut the file
		}
	}
	r.skip += int64(n)
	r.left -= int64(n)
	return n, err
}

// next goes on to the next body.
func (r *spoolReader) next() error {
	r.skip -= r.bodies[0].size
	r.bodies, r.piece, r.offset = r.bodies[1:], 0, 0
	return r.closeFile()
}

func (r *spoolReader) closeFile() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Close implements [io.Closer].
func (r *spoolReader) Close() error {
	err := r.closeFile()
	all := r.all
	r.all, r.bodies, r.left = nil, nil, 0
	return errors.Join(err, r.m.release(all...))
}
