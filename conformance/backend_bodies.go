package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// body is a body whose Read behaves as told. It seeks as any other, and has no other methods, which would get around Read.
type body struct {
	data *bytes.Reader
	read func(r *bytes.Reader, p []byte) (int, error)
}

func (b *body) Read(p []byte) (int, error) { return b.read(b.data, p) }

func (b *body) Seek(offset int64, whence int) (int64, error) { return b.data.Seek(offset, whence) }

func plainBody(data []byte) io.ReadSeeker { return bytes.NewReader(data) }

// shortReads returns at most n bytes at a time.
func shortReads(data []byte, n int) io.ReadSeeker {
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) { return r.Read(p[:min(len(p), n)]) }}
}

// eofWithData returns io.EOF together with the last bytes, as io.Reader may.
func eofWithData(data []byte) io.ReadSeeker {
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
		n, err := r.Read(p)
		if err == nil && r.Len() == 0 {
			err = io.EOF
		}
		return n, err
	}}
}

// errBody is what a body fails with.
var errBody = errors.New("conformance: the body cannot be read any further")

// failing fails after n bytes, also if it is read again.
func failing(data []byte, n int) io.ReadSeeker {
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
		left := n - (len(data) - r.Len())
		if left <= 0 {
			return 0, errBody
		}
		return r.Read(p[:min(len(p), left)])
	}}
}

// meeting holds the first Read of each of several bodies until all are being read, or for a moment: the store may read one
// after the other.
type meeting struct {
	mu   sync.Mutex
	left int
	met  chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{left: n, met: make(chan struct{})} }

func (m *meeting) body(data []byte) io.ReadSeeker {
	var once sync.Once
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
		once.Do(m.arrive)
		return r.Read(p)
	}}
}

func (m *meeting) arrive() {
	m.mu.Lock()
	if m.left--; m.left == 0 {
		close(m.met)
	}
	m.mu.Unlock()
	select {
	case <-m.met:
	case <-time.After(50 * time.Millisecond):
	}
}

// watched records whether its body is used when it should not be any more.
type watched struct {
	r io.ReadSeeker

	mu       sync.Mutex
	returned bool
	late     string
}

func (w *watched) Read(p []byte) (int, error) {
	w.look("Read")
	defer w.look("Read, begun before,")
	return w.r.Read(p)
}

func (w *watched) Seek(offset int64, whence int) (int64, error) {
	w.look("Seek")
	return w.r.Seek(offset, whence)
}

func (w *watched) look(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.returned && w.late == "" {
		w.late = what
	}
}

// release says that the call has returned.
func (w *watched) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = true
}

// used returns what was done after release, empty if nothing.
func (w *watched) used() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

// slow takes a while for each of some twenty Reads.
func slow(data []byte) io.ReadSeeker { return slowUntil(data, nil) }

// slowUntil calls at before the third Read, and has less at a time from then on: whoever collects what it reads before writing it goes
// on for some Reads before a connection that was closed tells it to stop.
func slowUntil(data []byte, at func()) io.ReadSeeker {
	reads, step := 0, len(data)/20+1
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
		if reads++; reads == 3 && at != nil {
			step = len(data)/200 + 1
			at()
		}
		<-time.After(time.Millisecond)
		return r.Read(p[:min(len(p), step)])
	}}
}

// endless calls at when a tenth of it was read, and has hardly any more to give from then on, until giveUp is closed. It then fails.
func endless(data []byte, at func(), giveUp <-chan struct{}) io.ReadSeeker {
	var once sync.Once
	return &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
		if len(data)-r.Len() < len(data)/10 {
			return r.Read(p[:min(len(p), len(data)/10+1)])
		}
		once.Do(at)
		select {
		case <-giveUp:
			return 0, errBody
		case <-time.After(10 * time.Millisecond):
			return r.Read(p[:min(len(p), 1, max(r.Len()-1, 0))])
		}
	}}
}

// sink takes a body: as a part, or as an object.
type sink struct {
	name   string
	send   func(ctx context.Context, body io.ReadSeeker, size int64) error
	stored func() []byte // nil if nothing is
}

// sinks are UploadPart and, where the store has it, Put. If old is not nil, it is stored before.
func (s *subject) sinks(old []byte) []sink {
	name := rand.Text()
	u := s.create(s.key(name + "/part"))
	sinks := []sink{{"UploadPart",
		func(ctx context.Context, body io.ReadSeeker, size int64) error {
			_, err := s.b.UploadPart(ctx, u, 1, body, size)
			return err
		},
		func() []byte {
			p := s.listed(u, 1)
			if p == nil {
				return nil
			}
			s.complete(u, *p)
			return s.read(u.Key)
		},
	}}
	if p, ok := s.putter(); ok {
		key := s.key(name + "/put")
		sinks = append(sinks, sink{"Put",
			func(ctx context.Context, body io.ReadSeeker, size int64) error {
				_, err := p.Put(ctx, key, body, size, backend.Attributes{}, backend.CompleteOptions{})
				return err
			},
			func() []byte { return s.read(key) },
		})
	}
	for _, k := range sinks {
		if old != nil {
			s.must(k.name+" of the old bytes", k.send(s.ctx, plainBody(old), int64(len(old))))
		}
	}
	return sinks
}

// read returns the content of an object, nil if there is none.
func (s *subject) read(key string) []byte {
	data, _, err := s.f.Read(s.ctx, key)
	if errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	s.must(fmt.Sprintf("the fixture's Read of %q", key), err)
	return append([]byte{}, data...)
}
