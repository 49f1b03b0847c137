package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// pairs prints a map in the order of its keys.
func pairs(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%q=%q ", k, m[k])
	}
	return b.String()
}

func contextDoneBefore(s *subject) {
	const promptly = 5 * time.Second
	key := s.key("a")
	old := s.object(key, 90)
	u := s.create(key)
	stored, all := s.uploads(u, 1, 2)
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	calls := []struct {
		name string
		do   func() error
	}{
		{"Create", func() error {
			_, err := s.begin(done, s.key("new"), backend.Attributes{})
			return err
		}},
		{"UploadPart", func() error {
			_, err := s.b.UploadPart(done, u, 1, plainBody(s.bytesOf(3)), s.size)
			return err
		}},
		{"UploadPart", func() error {
			_, err := s.b.UploadPart(done, u, 3, plainBody(s.bytesOf(3)), s.size)
			return err
		}},
		{"ListParts", func() error {
			_, _, err := s.b.ListParts(done, u, 0)
			return err
		}},
		{"Complete", func() error {
			_, err := s.b.Complete(done, u, stored, backend.CompleteOptions{})
			return err
		}},
		{"Abort", func() error { return s.b.Abort(done, u) }},
		{"Stat", func() error {
			_, err := s.b.Stat(done, key)
			return err
		}},
	}
	if p, ok := s.putter(); ok {
		calls = append(calls, struct {
			name string
			do   func() error
		}{"Put", func() error {
			_, err := p.Put(done, key, plainBody(s.bytesOf(3)), s.size, backend.Attributes{}, backend.CompleteOptions{})
			return err
		}})
	}
	for _, c := range calls {
		start := time.Now()
		if err := c.do(); err == nil {
			s.Errorf("%s with a context that was done returned nil", c.name)
		}
		if d := time.Since(start); d > promptly {
			s.Errorf("%s with a context that was done took %v", c.name, d)
		}
		when := fmt.Sprintf("after %s with a context that was done", c.name)
		if !s.unchanged(when, u, stored) || !s.holds(when, key, old) {
			return
		}
	}
	if l, ok := backend.As[backend.UploadLister](s.b); ok {
		for _, found := range s.under(l, s.key("new")) {
			if found.Key == s.key("new") {
				s.Errorf("Create with a context that was done left the upload %q", found.ID)
				s.abortAtEnd(found)
			}
		}
	}
	// That the parts have their old bytes shows only now.
	s.complete(u, stored...)
	s.holds("after calls with a context that was done, and Complete with another,", key, all)
}

func contextDoneAfter(s *subject) {
	key := s.key("a")
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	// As an upload of its own context each, which is how many programs do it.
	one, err := s.begin(ctx, key, backend.Attributes{})
	s.must("Create", err)
	p, err := s.b.UploadPart(ctx, one, 1, plainBody(s.bytesOf(1)), s.size)
	s.must("UploadPart", err)
	two, err := s.begin(ctx, s.key("b"), backend.Attributes{})
	s.must("Create", err)
	q, err := s.b.UploadPart(ctx, two, 1, plainBody(s.bytesOf(2)), s.size)
	s.must("UploadPart", err)
	_, err = s.b.Complete(ctx, two, []backend.Part{q}, backend.CompleteOptions{})
	s.must("Complete", err)
	want := map[string][]byte{two.Key: s.bytesOf(2)}
	if put, ok := s.putter(); ok {
		_, err := put.Put(ctx, s.key("put"), plainBody(s.bytesOf(3)), s.size, backend.Attributes{}, backend.CompleteOptions{})
		s.must("Put", err)
		want[s.key("put")] = s.bytesOf(3)
	}

	cancel()
	s.pause(20 * time.Millisecond)
	const when = "after the context of calls that had returned was done,"
	for key, data := range want {
		s.holds(when, key, data)
	}
	if s.unchanged(when, one, []backend.Part{p}) {
		s.complete(one, p)
		s.holds(when, key, s.bytesOf(1))
	}
}
