package fakeoss

import (
	"crypto/md5"
	"io"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

const (
	// bufferSize is what is handed from the reading goroutine to the one that takes the MD5: large enough that the
	// handing over costs nothing.
	bufferSize = 128 << 10

	// bufferCount bounds how far the MD5 may lag behind, and the memory of one request.
	bufferCount = 4
)

// digest reads r to its end into a body, and takes its checksums on the way. The MD5 costs more than all the rest together,
// so it has a goroutine of its own, unless the body fits into one buffer.
func (h *Handler) digest(r io.Reader, in *received, limit int64) error {
	m := &md5Worker{h: h}
	defer m.stop()
	for {
		buf := m.buffer()
		n, rerr := fill(r, buf[:])
		p := buf[:n]
		single := rerr == io.EOF && m.full == nil
		if single {
			in.md5 = md5.Sum(p)
		} else {
			m.write(buf, n)
		}
		// The worker only reads p, too, and it is not written to before this goroutine takes it from the worker.
		in.crc = crc64.Update(in.crc, p)
		_, err := in.Write(p)
		if single {
			h.buffers.Put(buf)
		}
		switch {
		case err != nil:
			return err
		case in.Size() > limit:
			return errTooLarge(in.Size(), limit)
		case rerr == io.EOF && !single:
			in.md5 = m.sum()
			return nil
		case rerr == io.EOF:
			return nil
		case rerr != nil:
			return bodyError(rerr)
		}
	}
}

// fill reads until p is full. It returns io.EOF, and what came before, at the end of r.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// md5Worker takes the MD5 of the buffers that are written to it, in a goroutine that begins with the first of them.
type md5Worker struct {
	h     *Handler
	count int                    // buffers that exist
	free  chan *[bufferSize]byte // those that the worker is done with
	full  chan filled            // nil: the goroutine has not begun
	done  chan [md5.Size]byte    // gets the sum, once full is closed
	final *[md5.Size]byte        // what done has given
}

type filled struct {
	buf *[bufferSize]byte
	n   int
}

// buffer returns a buffer that nobody uses. It waits for the worker if that is too far behind.
func (m *md5Worker) buffer() *[bufferSize]byte {
	if m.count < bufferCount {
		m.count++
		return m.h.buffers.Get().(*[bufferSize]byte)
	}
	return <-m.free
}

func (m *md5Worker) write(buf *[bufferSize]byte, n int) {
	if m.full == nil {
		m.free = make(chan *[bufferSize]byte, bufferCount)
		m.full = make(chan filled, bufferCount)
		m.done = make(chan [md5.Size]byte, 1)
		go m.run()
	}
	m.full <- filled{buf, n}
}

func (m *md5Worker) run() {
	sum := md5.New()
	for f := range m.full {
		sum.Write(f.buf[:f.n])
		m.free <- f.buf
	}
	var out [md5.Size]byte
	sum.Sum(out[:0])
	m.done <- out
}

// sum ends the goroutine and returns what it has computed.
func (m *md5Worker) sum() [md5.Size]byte {
	if m.final == nil {
		close(m.full)
		sum := <-m.done
		m.final = &sum
	}
	return *m.final
}

// stop ends the goroutine, if there is one, and gives the buffers back.
func (m *md5Worker) stop() {
	if m.full == nil {
		return
	}
	m.sum()
	for range len(m.free) {
		m.h.buffers.Put(<-m.free)
	}
}
