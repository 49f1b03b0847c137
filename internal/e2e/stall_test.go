package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// stall is a server that never answers the first try of one part. What the try does on the store may come later, when its sender is
// long gone.
type stall struct {
	part   int
	unread bool // the body is not read either
	free   int  // the parts up to this number pass, once the part has come; those behind it wait for the part's second try
	lands  string

	tries  atomic.Int32
	came   chan struct{} // the first try
	again  chan struct{} // the second
	land   chan struct{} // closed: now the first try takes effect
	landed chan struct{}
	over   <-chan struct{} // the test
}

// When a try takes effect that was given up.
const (
	landsNever  = "never"
	landsBefore = "before Complete"
	landsAfter  = "after Complete"
)

func (s *stall) between(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch n := partOf(r); {
	case n == s.part && s.tries.Add(1) == 1:
		s.hold(r, next)
	case n == s.part && s.tries.Load() == 2:
		close(s.again)
		next.ServeHTTP(w, r)
	case n > 0:
		if n > s.free {
			s.await(s.again)
		} else if n > s.part {
			s.await(s.came)
		}
		next.ServeHTTP(w, r)
	case r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
		if s.lands == landsBefore {
			close(s.land)
			s.await(s.landed)
		}
		next.ServeHTTP(w, r)
		if s.lands == landsAfter {
			close(s.land)
		}
	default:
		next.ServeHTTP(w, r)
	}
}

// hold never answers.
func (s *stall) hold(r *http.Request, next http.Handler) {
	var body []byte
	if !s.unread {
		body, _ = io.ReadAll(r.Body) // the server notices what is missing
	}
	close(s.came)
	if s.await(s.land) {
		r = r.WithContext(context.WithoutCancel(r.Context()))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(httptest.NewRecorder(), r)
		close(s.landed)
	}
	<-s.over
	panic(http.ErrAbortHandler)
}

// await reports whether c was closed before the test was over.
func (s *stall) await(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-s.over:
		return false
	}
}

// One connection is dead in the middle of a part, or the server does not answer one part, while others go on, or when it is the last. The
// upload does not wait for it, and what the try does on the store in the end makes no wrong object.
func TestPartStalls(t *testing.T) {
	for _, c := range []struct {
		name        string
		part        int
		unread      bool
		free        int
		parts       int
		partSize    int64
		concurrency int
		hedged      bool // else cut
	}{
		// Its fellows must have moved 4 MiB each, and do not come to an end before it is cut.
		{"body", 1, true, 17, 22, 1 << 20, atOnce, false},
		{"answer", 1, false, 8, 16, partSize, atOnce, false},
		// With one fellow it is not overtaken by three, so that it is not cut.
		{"last answer", 8, false, 8, 8, partSize, 2, true},
	} {
		path, data := writeFile(t, c.parts*int(c.partSize))
		for _, lands := range []string{landsNever, landsBefore, landsAfter} {
			if c.unread && lands != landsNever {
				continue
			}
			t.Run(c.name+", lands "+lands, func(t *testing.T) {
				over := make(chan struct{})
				s := &stall{part: c.part, unread: c.unread, free: c.free, lands: lands, over: over,
					came: make(chan struct{}), again: make(chan struct{}), land: make(chan struct{}), landed: make(chan struct{})}
				h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}}, s.between)
				t.Cleanup(func() { close(over) })
				b := h.bucket(oss.Config{})
				// Without fellows to compare with it would be 30 s or more.
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				u := upload.New(oss.New(b, nil), checkpoint.NewMemory(), &upload.Options{Threshold: -1, Concurrency: c.concurrency, Retry: quick})
				res, err := u.UploadFile(ctx, key, path, &upload.Request{PartSize: c.partSize})
				if err != nil {
					t.Fatal(err)
				}
				if c.hedged && res.Hedged != 1 || !c.hedged && res.Retries < 1 {
					t.Errorf("hedged %d times, retried %d times", res.Hedged, res.Retries)
				}
				if lands != landsNever {
					<-s.landed
				}
				if !bytes.Equal(object(t, b, key), data) {
					t.Error("the object is not the file")
				}
				for _, e := range h.entries("UploadPart") {
					late := lands == landsAfter && e.Code == "NoSuchUpload"
					if e.Status != http.StatusOK && !late {
						t.Errorf("part %d was answered %d %s", e.PartNumber, e.Status, e.Code)
					}
				}
			})
		}
	}
}
