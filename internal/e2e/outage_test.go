package e2e

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// The server goes away while parts are under way, with its port and all connections.
func TestServerGoesAway(t *testing.T) {
	path, data := writeFile(t, 10*partSize)
	gone := func(t *testing.T) *host {
		var h *host
		h = newHost(t, &fakeoss.Options{Buckets: []string{"tide"}}, amid(func() { h.down() }))
		return h
	}
	req := upload.Request{PartSize: partSize}
	opts := upload.Options{Threshold: -1, Concurrency: atOnce, Retry: quick}

	t.Run("and comes back", func(t *testing.T) {
		h := gone(t)
		b := h.bucket(oss.Config{})
		opts, req := opts, req
		opts.Retry.Outage = time.Minute
		var waited, last upload.Progress
		back := sync.OnceFunc(h.up)
		req.Progress = func(p upload.Progress) {
			if last = p; p.Waiting != "" {
				waited = p
				back()
			}
		}
		res, err := upload.New(oss.New(b, nil), checkpoint.NewMemory(), &opts).UploadFile(t.Context(), key, path, &req)
		if err != nil {
			t.Fatal(err)
		}
		if waited.Waiting != "the store cannot be reached" || waited.WaitingFor <= 0 || waited.Stored != 2*partSize {
			t.Errorf("while it was away: %+v", waited)
		}
		if last.Waiting != "" || last.WaitingFor != 0 || !last.Done {
			t.Errorf("at the end: %+v", last)
		}
		if begun := h.entries("InitiateMultipartUpload"); len(begun) != 1 || res.Resumed {
			t.Errorf("%d uploads begun, %+v", len(begun), res)
		}
		if !bytes.Equal(object(t, b, key), data) {
			t.Error("the object is not the file")
		}
	})

	t.Run("for longer than is waited", func(t *testing.T) {
		h := gone(t)
		b := h.bucket(oss.Config{})
		opts := opts
		opts.Retry.Outage = time.Millisecond
		u := upload.New(oss.New(b, nil), checkpoint.NewMemory(), &opts)
		if _, err := u.UploadFile(t.Context(), key, path, &req); !errors.Is(err, backend.ErrUnreachable) {
			t.Fatalf("got %v, want ErrUnreachable", err)
		}
		h.up()
		res, err := u.UploadFile(t.Context(), key, path, &req)
		if err != nil || !res.Resumed || res.Reused < 2*partSize {
			t.Errorf("when it is back: %v, %+v", err, res)
		}
		if begun := h.entries("InitiateMultipartUpload"); len(begun) != 1 {
			t.Errorf("%d uploads begun", len(begun))
		}
		if !bytes.Equal(object(t, b, key), data) {
			t.Error("the object is not the file")
		}
	})
}

// The store asks to wait, of all parts under way, and then again: nothing is sent meanwhile, and then one request at a time.
func TestStoreAsksToWait(t *testing.T) {
	const (
		first = time.Second // the least that the header can say
		then  = 100 * time.Millisecond
		again = 2
	)
	path, data := writeFile(t, 10*partSize)
	var faults []fakeoss.Fault
	for n := range atOnce {
		faults = append(faults, fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 3 + n, RetryAfter: first})
	}
	for n := range again {
		faults = append(faults, fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 2 + atOnce + 1 + n, QoSDelay: then})
	}
	h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}, Faults: faults}, amid(func() {}))
	b := h.bucket(oss.Config{})
	opts := &upload.Options{Threshold: -1, Concurrency: atOnce, Retry: quick}
	opts.Retry.Outage = time.Minute
	if _, err := upload.New(oss.New(b, nil), checkpoint.NewMemory(), opts).UploadFile(t.Context(), key, path, &upload.Request{PartSize: partSize}); err != nil {
		t.Fatal(err)
	}
	sent := h.entries("UploadPart")
	if want := 10 + atOnce + again; len(sent) != want || len(h.Unfired()) > 0 {
		t.Fatalf("%d parts were sent, want %d; faults that did not fire: %v", len(sent), want, h.Unfired())
	}
	for i, wait := range map[int]time.Duration{2 + atOnce: first, 2 + atOnce + 1: then, 2 + atOnce + 2: then} {
		// The first of those that were refused together asked first.
		before := sent[i-1]
		if i == 2+atOnce {
			before = sent[2]
		}
		if got := sent[i].Start.Sub(before.Start); got < wait {
			t.Errorf("request %d came %v after the store had asked to wait for %v", i, got, wait)
		}
	}
	if !bytes.Equal(object(t, b, key), data) {
		t.Error("the object is not the file")
	}
}
