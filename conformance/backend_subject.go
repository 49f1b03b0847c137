package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// subject is the store under test in one probe.
type subject struct {
	*check
	f      Backend
	b      backend.MultipartBackend
	info   backend.Info
	prefix string // of the probe's keys
	size   int64  // of an ordinary part; the same for all, as stores with EqualParts need
}

// on makes a probe of a function of a subject.
func on(run func(s *subject)) func(*check, Backend) {
	return func(c *check, f Backend) {
		info := f.Backend.Info()
		size := max(info.MinPartSize, 1000)
		if info.MaxPartSize > 0 {
			size = min(size, info.MaxPartSize)
		}
		run(&subject{check: c, f: f, b: f.Backend, info: info, prefix: "conformance/" + rand.Text() + "/", size: size})
	}
}

func (s *subject) key(name string) string { return s.prefix + name }

// content returns n bytes that are others for another seed.
func content(seed, n int64) []byte {
	p := make([]byte, n)
	r := mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(p) // never fails
	return p
}

// bytesOf returns the ordinary content of a part of that number.
func (s *subject) bytesOf(number int) []byte { return content(int64(number), s.size) }

// begin is Create. The upload is aborted at the end of the test, in case that the probe leaves it.
func (s *subject) begin(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	u, err := s.b.Create(ctx, key, attrs)
	if err == nil {
		s.abortAtEnd(u)
	}
	return u, err
}

func (s *subject) abortAtEnd(u backend.Upload) {
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 30*time.Second)
		defer cancel()
		// A second time, since a part may have been in flight. Any error is the end: there is nothing else to be done.
		for range 2 {
			if s.b.Abort(ctx, u) != nil {
				return
			}
		}
	})
}

func (s *subject) create(key string) backend.Upload {
	u, err := s.begin(s.ctx, key, backend.Attributes{})
	s.must("Create", err)
	return u
}

func (s *subject) upload(u backend.Upload, number int, data []byte) backend.Part {
	p, err := s.b.UploadPart(s.ctx, u, number, bytes.NewReader(data), int64(len(data)))
	s.must(fmt.Sprintf("UploadPart of part %d, %d bytes", number, len(data)), err)
	return p
}

// uploads uploads ordinary parts, and returns them and their bytes in a row.
func (s *subject) uploads(u backend.Upload, numbers ...int) ([]backend.Part, []byte) {
	var parts []backend.Part
	var all []byte
	for _, n := range numbers {
		parts = append(parts, s.upload(u, n, s.bytesOf(n)))
		all = append(all, s.bytesOf(n)...)
	}
	return parts, all
}

func (s *subject) complete(u backend.Upload, parts ...backend.Part) backend.Object {
	o, err := s.b.Complete(s.ctx, u, parts, backend.CompleteOptions{})
	s.must("Complete", err)
	return o
}

// list returns all parts of an upload, whatever the pages.
func (s *subject) list(u backend.Upload) []backend.Part {
	parts, err := s.tryList(u)
	s.must("ListParts", err)
	return parts
}

func (s *subject) tryList(u backend.Upload) ([]backend.Part, error) {
	var all []backend.Part
	for after := 0; ; {
		parts, more, err := s.b.ListParts(s.ctx, u, after)
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
		if !more || len(parts) == 0 || parts[len(parts)-1].Number <= after {
			return all, nil
		}
		after = parts[len(parts)-1].Number
	}
}

// listed returns the part of that number, nil if it is not listed.
func (s *subject) listed(u backend.Upload, number int) *backend.Part {
	for _, p := range s.list(u) {
		if p.Number == number {
			return &p
		}
	}
	return nil
}

// object makes an object of one part, and returns its content.
func (s *subject) object(key string, seed int64) []byte {
	data := content(seed, s.size)
	u := s.create(key)
	s.complete(u, s.upload(u, 1, data))
	return data
}

// holds notes a violation unless the object's content is want; nil stands for no object.
func (s *subject) holds(when, key string, want []byte) bool {
	got, _, err := s.f.Read(s.ctx, key)
	switch {
	case errors.Is(err, backend.ErrNotFound) && want == nil:
		return true
	case errors.Is(err, backend.ErrNotFound):
		s.Errorf("%s there is no object %q; want one of %d bytes", when, key, len(want))
	case err != nil:
		s.Errorf("%s the fixture cannot read %q: %v", when, key, err)
	case want == nil:
		s.Errorf("%s there is an object %q, of %d bytes; want none", when, key, len(got))
	case !bytes.Equal(got, want):
		s.Errorf("%s the object %q has other bytes than it should: %s", when, key, differ(got, want))
	default:
		return true
	}
	return false
}

// differ says how two contents differ.
func differ(got, want []byte) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	return fmt.Sprintf("%d bytes, want %d, equal up to offset %d", len(got), len(want), n)
}

// unchanged notes a violation unless the upload has just these parts.
func (s *subject) unchanged(when string, u backend.Upload, want []backend.Part) bool {
	got, err := s.tryList(u)
	if err != nil {
		s.Errorf("%s ListParts returned %v; the upload should be there", when, err)
		return false
	}
	// Their order is another rule's.
	slices.SortFunc(got, func(x, y backend.Part) int { return x.Number - y.Number })
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i].Number == want[i].Number && got[i].Size == want[i].Size
	}
	if !same {
		s.Errorf("%s the upload has the parts %s; want %s", when, parts(got), parts(want))
	}
	return same
}

// parts prints the numbers and sizes of parts, since that is what tells them apart for a reader.
func parts(list []backend.Part) string {
	var b bytes.Buffer
	b.WriteString("[")
	for i, p := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 20 {
			fmt.Fprintf(&b, "… (%d in all)", len(list))
			break
		}
		fmt.Fprintf(&b, "%d: %d bytes", p.Number, p.Size)
	}
	return b.String() + "]"
}

// sentinels are all that there are.
var sentinels = []error{
	backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart,
	backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled, backend.ErrUnreachable,
}

// sentinel returns the sentinel that err is, nil if it is none.
func sentinel(err error) error {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return s
		}
	}
	return nil
}

// together calls do(0) to do(n-1), at most limit at a time, waits for all, and returns the error of each.
func together(n, limit int, do func(i int) error) []error {
	errs := make([]error, n)
	tokens := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i := range n {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			errs[i] = do(i)
		})
	}
	wg.Wait()
	return errs
}

// pause lets d pass, for effects that should not come.
func (s *subject) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}

// within returns those of the numbers that a part of the store may have.
func (s *subject) within(numbers ...int) []int {
	return slices.DeleteFunc(numbers, func(n int) bool { return s.info.MaxParts > 0 && n > s.info.MaxParts })
}

// putter returns the store's Putter, if it takes what the suite sends to it: objects of one part, or two.
func (s *subject) putter() (backend.Putter, bool) {
	p, ok := backend.As[backend.Putter](s.b)
	return p, ok && (s.info.MaxPutSize == 0 || s.info.MaxPutSize >= 2*s.size)
}

// without logs that the store has no such optional interface, so that the rule holds trivially.
func (s *subject) without(name string) {
	s.t.Logf("the store is no %s, so that there is nothing to hold", name)
}

// way is one way to publish an object.
type way struct {
	name    string
	publish func(key string, data []byte, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error)
}

// ways are Complete and, where the store has it, Put.
func (s *subject) ways() []way {
	ways := []way{{"Complete", s.multipart}}
	if p, ok := s.putter(); ok {
		ways = append(ways, way{"Put", func(key string, data []byte, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
			opts.Attributes = attrs
			return p.Put(s.ctx, key, bytes.NewReader(data), int64(len(data)), attrs, opts)
		}})
	}
	return ways
}

// multipart publishes an object of one part.
func (s *subject) multipart(key string, data []byte, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	opts.Attributes = attrs
	u, err := s.begin(s.ctx, key, attrs)
	if err != nil {
		return backend.Object{}, err
	}
	p, err := s.b.UploadPart(s.ctx, u, 1, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return backend.Object{}, err
	}
	return s.b.Complete(s.ctx, u, []backend.Part{p}, opts)
}
