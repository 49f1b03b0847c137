package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

func invisibleBefore(s *subject) {
	fresh, replaced := s.key("fresh"), s.key("replaced")
	old := s.object(replaced, 50)
	for key, before := range map[string][]byte{fresh: nil, replaced: old} {
		u := s.create(key)
		s.holds("after Create", key, before)
		stored, all := s.uploads(u, 1, 2)
		s.holds("after UploadPart", key, before)
		s.complete(u, stored...)
		s.holds("after Complete", key, all)
	}
}

// completeInOneStep replaces an object while others read it.
func completeInOneStep(s *subject) {
	s.inOneStep("Complete", func(ctx context.Context, key string, data []byte) error {
		u := s.create(key)
		half := s.size
		if int64(len(data)) <= half {
			half = int64(len(data))
		}
		list := []backend.Part{s.upload(u, 1, data[:half])}
		if half < int64(len(data)) {
			list = append(list, s.upload(u, 2, data[half:]))
		}
		_, err := s.b.Complete(ctx, u, list, backend.CompleteOptions{})
		return err
	})
}

func putInOneStep(s *subject) {
	p, ok := s.putter()
	if !ok {
		s.without("Putter of objects as large as two parts")
		return
	}
	s.inOneStep("Put", func(ctx context.Context, key string, data []byte) error {
		_, err := p.Put(ctx, key, slow(data), int64(len(data)), backend.Attributes{}, backend.CompleteOptions{})
		return err
	})
}

// inOneStep publishes versions of different sizes one after the other, while two readers look. They must see each as it is, and
// none that is older than what was published before they looked.
func (s *subject) inOneStep(call string, publish func(ctx context.Context, key string, data []byte) error) {
	key := s.key("a")
	var versions [][]byte
	for i := range int64(4) {
		versions = append(versions, content(60+i, s.size*(1+i%2)))
	}
	s.must("publish the first version", publish(s.ctx, key, versions[0]))

	var mu sync.Mutex
	published := 0
	since := func() int {
		mu.Lock()
		defer mu.Unlock()
		return published
	}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	var readers sync.WaitGroup
	looked := make(chan struct{}, 2)
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				from := since()
				if saw := s.oneVersion(key, versions, from, since); saw != "" {
					s.Errorf("while %s replaced the object, a reader saw %s", call, saw)
					return
				}
				select {
				case looked <- struct{}{}:
				default:
				}
			}
		})
	}
	for i := 1; i < len(versions); i++ {
		select {
		case <-looked: // so that they do not start only when all is over
		case <-time.After(time.Second):
		}
		if err := publish(s.ctx, key, versions[i]); err != nil {
			s.Errorf("while others read, %s returned %v", call, err)
			break
		}
		mu.Lock()
		published = i
		mu.Unlock()
	}
	stop()
	readers.Wait()
	s.holds("in the end", key, versions[published])
}

// oneVersion reads the object and asks for it with Stat, and says what it saw if that is none of the versions between from and
// what is being published by the end of the call.
func (s *subject) oneVersion(key string, versions [][]byte, from int, since func() int) string {
	data, _, err := s.f.Read(s.ctx, key)
	if err != nil {
		return fmt.Sprintf("no object: Read returned %v", err)
	}
	found := -1
	for i, v := range versions {
		if bytes.Equal(data, v) {
			found = i
		}
	}
	if to := since() + 1; found < from || found > to {
		return fmt.Sprintf("%d bytes that are version %d (-1: none); want version %d to %d", len(data), found, from, to)
	}
	o, err := s.b.Stat(s.ctx, key)
	if errors.Is(err, backend.ErrNotFound) {
		return fmt.Sprintf("no object: Stat returned %v", err)
	}
	if err == nil && o.Size != int64(len(versions[0])) && o.Size != int64(len(versions[1])) {
		return fmt.Sprintf("an object of %d bytes, by Stat; the versions have %d or %d", o.Size, len(versions[0]), len(versions[1]))
	}
	return ""
}
