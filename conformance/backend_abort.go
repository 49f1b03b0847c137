package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

func abortOnlyIt(s *subject) {
	key := s.key("a")
	old := s.object(key, 80)
	u, same, other := s.create(key), s.create(key), s.create(s.key("b"))
	s.upload(u, 1, s.bytesOf(1))
	sameParts, sameBytes := s.uploads(same, 1, 2)
	otherParts, _ := s.uploads(other, 1)
	if err := s.b.Abort(s.ctx, u); err != nil {
		s.Fatalf("Abort of an upload with a part returned %v", err)
	}
	s.holds("after Abort of an upload of its key,", key, old)
	s.unchanged("after Abort of another upload of its key,", same, sameParts)
	s.unchanged("after Abort of an upload of another key,", other, otherParts)
	if err := s.b.Abort(s.ctx, other); err != nil {
		s.Errorf("Abort of another upload returned %v", err)
	}
	if _, err := s.b.Complete(s.ctx, same, sameParts, backend.CompleteOptions{}); err != nil {
		s.Fatalf("after Abort of another upload of the key, Complete returned %v", err)
	}
	s.holds("after Complete of the upload that was not aborted", key, sameBytes)
}

func abortInFlight(s *subject) {
	u := s.create(s.key("a"))
	s.upload(u, 1, s.bytesOf(1))
	reading, release := make(chan struct{}), make(chan struct{})
	data := s.bytesOf(2)
	sent := make(chan error, 1)
	go func() {
		first := true
		_, err := s.b.UploadPart(s.ctx, u, 2, &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
			if first {
				first = false
				close(reading)
				<-release
			}
			return r.Read(p)
		}}, s.size)
		sent <- err
	}()
	select {
	case <-reading:
	case err := <-sent:
		close(release)
		s.Fatalf("UploadPart returned %v before it read its body", err)
	}
	// A store that does one thing after the other answers only when the part has returned.
	var once sync.Once
	waited := time.AfterFunc(100*time.Millisecond, func() { once.Do(func() { close(release) }) })
	first := s.b.Abort(s.ctx, u)
	waited.Stop()
	once.Do(func() { close(release) })
	late := <-sent
	var err error
	for range 10 {
		if err = s.b.Abort(s.ctx, u); err != nil {
			break
		}
	}
	how := fmt.Sprintf("Abort while a part was in flight returned %v, the part %v, and Abort at last %v", first, late, err)
	if left, err := s.tryList(u); !errors.Is(err, backend.ErrNoSuchUpload) {
		s.Errorf("%s; ListParts then returned %s and %v", how, parts(left), err)
	}
	s.holds(how+"; then", u.Key, nil)
	if l, ok := backend.As[backend.UploadLister](s.b); ok {
		s.soon(how+"; then Uploads", l, func(found []backend.Upload) bool { return !has(found, u) }, "the upload is still listed")
	}
}
