package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

func fill(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

func create(t *testing.T, b *memory.Backend, key string) backend.Upload {
	t.Helper()
	u, err := b.Create(t.Context(), key, backend.Attributes{ContentType: "text/plain"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func put(t *testing.T, b *memory.Backend, u backend.Upload, n int, data []byte) backend.Part {
	t.Helper()
	p, err := b.UploadPart(t.Context(), u, n, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Number != n || p.Size != int64(len(data)) || *p.CRC64 != crc64.Update(0, data) {
		t.Fatalf("part %d: %+v", n, p)
	}
	return p
}

func read(t *testing.T, b *memory.Backend, key string) []byte {
	t.Helper()
	r, attrs, err := b.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	if attrs.ContentType != "text/plain" {
		t.Errorf("attributes: %+v", attrs)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMultipart(t *testing.T) {
	b := memory.New(nil)
	data := fill(350 << 10)
	u := create(t, b, "k")
	other := create(t, b, "k")
	p3 := put(t, b, u, 3, data[300<<10:])
	put(t, b, u, 1, fill(99))
	p1 := put(t, b, u, 1, data[:150<<10]) // replaces
	p2 := put(t, b, u, 2, data[150<<10:300<<10])
	put(t, b, u, 9, fill(10)) // not passed to Complete

	if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("before Complete: %v", err)
	}
	stale := p2
	stale.ETag = "old"
	for name, parts := range map[string][]backend.Part{
		"missing":      {p1, {Number: 7, ETag: "x"}},
		"changed":      {p1, stale, p3},
		"out of order": {p2, p1, p3},
		"twice":        {p1, p1},
	} {
		if _, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalidPart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o, err := b.Complete(t.Context(), u, []backend.Part{p1, p2, p3}, backend.CompleteOptions{IfAbsent: true})
	if err != nil {
		t.Fatal(err)
	}
	etag, _ := b.ETag([]backend.Part{p1, p2, p3})
	if o.Size != int64(len(data)) || *o.CRC64 != crc64.Update(0, data) || o.ETag != etag || !strings.HasSuffix(etag, "-3") {
		t.Errorf("%+v", o)
	}
	if !bytes.Equal(read(t, b, "k"), data) {
		t.Error("content differs")
	}
	if _, err := b.Complete(t.Context(), u, []backend.Part{p1}, backend.CompleteOptions{}); !errors.Is(err, backend.ErrNoSuchUpload) {
		t.Errorf("Complete again: %v", err)
	}
	q := put(t, b, other, 1, fill(5))
	if _, err := b.Complete(t.Context(), other, []backend.Part{q}, backend.CompleteOptions{IfAbsent: true}); !errors.Is(err, backend.ErrExists) {
		t.Errorf("IfAbsent: %v", err)
	}
	if err := b.Abort(t.Context(), other); err != nil {
		t.Error(err)
	}
	if err := b.Abort(t.Context(), other); !errors.Is(err, backend.ErrNoSuchUpload) {
		t.Errorf("Abort again: %v", err)
	}
}

// The vector of the OSS SDKs' own tests: the MD5 is of the ETags as text.
func TestETagVector(t *testing.T) {
	got, ok := memory.New(nil).ETag([]backend.Part{{ETag: "4DE8075FB607DF4D13FBC480EA488EFA"}, {ETag: "AF947EC157726CEA88ED83B3C989063B"}})
	if want := "1C787C506EABFB9B45EAAA8DB039F4B2-2"; !ok || got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestListPartsPages(t *testing.T) {
	b := memory.New(nil)
	u := create(t, b, "k")
	for n := 1; n <= 2500; n++ {
		put(t, b, u, n, []byte{byte(n)})
	}
	var numbers []int
	pages := 0
	for after, more := 0, true; more; pages++ {
		var parts []backend.Part
		var err error
		if parts, more, err = b.ListParts(t.Context(), u, after); err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			numbers = append(numbers, p.Number)
		}
		after = parts[len(parts)-1].Number
	}
	if pages != 3 || len(numbers) != 2500 || numbers[2499] != 2500 {
		t.Errorf("%d pages, %d parts", pages, len(numbers))
	}
}

func TestLimits(t *testing.T) {
	b := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 10, MaxPartSize: 20, MaxParts: 3, MaxPutSize: 15}})
	u := create(t, b, "k")
	part := func(n int, size int64) error {
		_, err := b.UploadPart(t.Context(), u, n, bytes.NewReader(make([]byte, max(size, 0))), size)
		return err
	}
	for name, err := range map[string]error{
		"number 0":   part(0, 10),
		"number 4":   part(4, 10),
		"large part": part(1, 21),
		"negative":   part(1, -1),
		"large put": func() error {
			_, err := b.Put(t.Context(), "k", nil, 16, backend.Attributes{}, backend.CompleteOptions{})
			return err
		}(),
		"empty key": func() error { _, err := b.Create(t.Context(), "", backend.Attributes{}); return err }(),
		"long key": func() error {
			_, err := b.Create(t.Context(), strings.Repeat("k", 1024), backend.Attributes{})
			return err
		}(),
		"slash first": func() error { _, err := b.Stat(t.Context(), "/k"); return err }(),
		"not UTF-8":   func() error { _, err := b.Stat(t.Context(), "k\xff"); return err }(),
	} {
		if !errors.Is(err, backend.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	p1, p2 := put(t, b, u, 1, fill(9)), put(t, b, u, 2, fill(1))
	if _, err := b.Complete(t.Context(), u, []backend.Part{p1, p2}, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalid) {
		t.Errorf("a small part that is not the last: %v", err)
	}
}

func TestShortBodyIsNoPart(t *testing.T) {
	b := memory.New(nil)
	u := create(t, b, "k")
	if _, err := b.UploadPart(t.Context(), u, 1, strings.NewReader("abc"), 4); err == nil {
		t.Error("no error")
	}
	if _, err := b.Put(t.Context(), "k", strings.NewReader("abc"), 4, backend.Attributes{}, backend.CompleteOptions{}); err == nil {
		t.Error("no error")
	}
	if parts, _, err := b.ListParts(t.Context(), u, 0); err != nil || len(parts) > 0 {
		t.Errorf("%v, %v", parts, err)
	}
}

func TestUploads(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	b := memory.New(&memory.Options{Now: func() time.Time { return now }})
	var want []backend.Upload
	for _, key := range []string{"a/1", "a/2", "a/2", "b"} {
		u := create(t, b, key)
		if !u.Initiated.Equal(now.Truncate(time.Second)) {
			t.Errorf("initiated %v", u.Initiated)
		}
		if key != "b" {
			want = append(want, u)
		}
	}
	var got []backend.Upload
	for u, err := range b.Uploads(t.Context(), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, u)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConcurrentUse(t *testing.T) {
	b := memory.New(nil)
	u := create(t, b, "k")
	parts := make([]backend.Part, 50)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			var err error
			if parts[i], err = b.UploadPart(t.Context(), u, i+1, bytes.NewReader(make([]byte, 100<<10)), 100<<10); err != nil {
				t.Error(err)
			}
			if _, _, err := b.ListParts(t.Context(), u, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wins := make(chan bool, 8)
	for range cap(wins) {
		wg.Go(func() {
			_, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{})
			if err != nil && !errors.Is(err, backend.ErrNoSuchUpload) {
				t.Error(err)
			}
			wins <- err == nil
		})
	}
	wg.Wait()
	won := 0
	for range cap(wins) {
		if <-wins {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d Completes of one upload won", won)
	}
}

func TestCancelledContext(t *testing.T) {
	b := memory.New(nil)
	u := create(t, b, "k")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err1 := b.Create(ctx, "k", backend.Attributes{})
	_, err2 := b.UploadPart(ctx, u, 1, strings.NewReader("x"), 1)
	_, _, err3 := b.ListParts(ctx, u, 0)
	_, err4 := b.Complete(ctx, u, nil, backend.CompleteOptions{})
	_, err5 := b.Stat(ctx, "k")
	_, err6 := b.Put(ctx, "k", strings.NewReader("x"), 1, backend.Attributes{}, backend.CompleteOptions{})
	for i, err := range []error{err1, err2, err3, err4, err5, err6, b.Abort(ctx, u)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
}

// A part is copied once, when it is read; Complete copies nothing.
func TestCompleteCopiesNothing(t *testing.T) {
	b := memory.New(nil)
	u := create(t, b, "k")
	p := put(t, b, u, 1, make([]byte, 8<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := b.Complete(t.Context(), u, []backend.Part{p}, backend.CompleteOptions{})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != nil || n > 1<<20 {
		t.Errorf("%d bytes allocated, %v", n, err)
	}
}

func Example() {
	b := memory.New(nil)
	ctx := context.Background()
	u, err := b.Create(ctx, "greeting", backend.Attributes{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := b.UploadPart(ctx, u, 1, strings.NewReader("hello"), 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	o, err := b.Complete(ctx, u, []backend.Part{p}, backend.CompleteOptions{})
	fmt.Println(o.Size, o.ETag, err)
	// Output: 5 F872A18EB88181EB00816510E762FEE6-1 <nil>
}
