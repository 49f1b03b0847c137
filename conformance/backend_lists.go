package conformance

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/backend"
)

// pages lists what comes after a number, as the engine does, and notes what a page must not be. It returns the numbers.
func (s *subject) pages(u backend.Upload, after int) (numbers []int) {
	for {
		page, more, err := s.b.ListParts(s.ctx, u, after)
		s.must(fmt.Sprintf("ListParts after %d", after), err)
		if len(page) == 0 && more {
			s.Fatalf("ListParts after %d returned an empty page that says that more follow", after)
		}
		for _, p := range page {
			if p.Number <= after {
				s.Fatalf("ListParts has part %d after part %d", p.Number, after)
			}
			after = p.Number
			numbers = append(numbers, p.Number)
		}
		if !more {
			return numbers
		}
	}
}

func listInPages(s *subject) {
	// More than a page of any store that is known, with gaps in it.
	limit := s.info.MaxParts
	if limit == 0 {
		limit = 10000
	}
	var want []int
	for n := 1; n <= limit && len(want) < 1010; n++ {
		if n%100 != 50 || n > 1100 {
			want = append(want, n)
		}
	}
	if last := want[len(want)-1]; last < limit {
		want = append(want, limit)
	}
	u := s.create(s.key("a"))
	s.upload(u, want[0], []byte("1"))
	rest := want[1:]
	for i, err := range together(len(rest), 16, func(i int) error {
		_, err := s.b.UploadPart(s.ctx, u, rest[i], plainBody([]byte("1")), 1)
		return err
	}) {
		s.must(fmt.Sprintf("UploadPart of part %d", rest[i]), err)
	}
	if got := s.pages(u, 0); !slices.Equal(got, want) {
		s.Errorf("%s", missing(got, want))
	}
}

func listAfter(s *subject) {
	u := s.create(s.key("a"))
	numbers := s.within(1, 2, 5, 9, 10, 11)
	for _, n := range numbers {
		s.upload(u, n, []byte("1"))
	}
	for after := range 13 {
		first, _ := slices.BinarySearch(numbers, after+1)
		if got := s.pages(u, after); !slices.Equal(got, numbers[first:]) {
			s.Errorf("there are the parts %v; ListParts after %d returned %v", numbers, after, got)
		}
	}
}

// missing says how two lists of numbers differ.
func missing(got, want []int) string {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return fmt.Sprintf("%d of %d parts are listed; the first that is not is part %d", len(got), len(want), want[i])
		}
	}
	return fmt.Sprintf("%d parts are listed; there are %d", len(got), len(want))
}

func listAtOnce(s *subject) {
	u := s.create(s.key("a"))
	other := *s
	other.b = s.f.open()
	for i, n := range []int{1, 2, 3, 3} {
		s.upload(u, n, content(int64(i), s.size-int64(i)))
		// The next call must show it, on this handle and on another.
		for _, handle := range []*subject{s, &other} {
			if got := handle.list(u); len(got) != n {
				s.Errorf("UploadPart of the parts 1 to %d returned nil; ListParts then returned %s", n, parts(got))
			}
		}
	}
	if p := s.listed(u, 3); p != nil && p.Size != s.size-3 {
		s.Errorf("part 3 was uploaded again, with %d bytes; ListParts then returned it with %d", s.size-3, p.Size)
	}
}

// gone holds that every call names the upload as gone.
func (s *subject) gone(how string, u backend.Upload, p backend.Part) {
	wrong := func(call string, err error) {
		if !errors.Is(err, backend.ErrNoSuchUpload) {
			s.Errorf("%s of an upload that %s returned %v; want ErrNoSuchUpload", call, how, err)
		}
	}
	_, err := s.b.UploadPart(s.ctx, u, 1, plainBody(s.bytesOf(1)), s.size)
	wrong("UploadPart", err)
	_, _, err = s.b.ListParts(s.ctx, u, 0)
	wrong("ListParts", err)
	_, err = s.b.Complete(s.ctx, u, []backend.Part{p}, backend.CompleteOptions{})
	wrong("Complete", err)
	wrong("Abort", s.b.Abort(s.ctx, u))
}

func goneCompleted(s *subject) {
	u := s.create(s.key("a"))
	p := s.upload(u, 1, s.bytesOf(1))
	s.complete(u, p)
	s.gone("was completed", u, p)
}

func goneAborted(s *subject) {
	u := s.create(s.key("a"))
	p := s.upload(u, 1, s.bytesOf(1))
	s.must("Abort", s.b.Abort(s.ctx, u))
	s.gone("was aborted", u, p)
}

func goneMadeUp(s *subject) {
	u := s.create(s.key("a"))
	p := s.upload(u, 1, s.bytesOf(1))
	// Of the length and the characters of a real one.
	id := []byte(u.ID)
	slices.Reverse(id)
	made := backend.Upload{Key: u.Key, ID: string(id), Initiated: u.Initiated}
	if made.ID == u.ID {
		made.ID = u.ID[1:] + u.ID[:1]
	}
	if made.ID == u.ID {
		s.t.Logf("no ID can be made of %q", u.ID)
		return
	}
	s.gone("was never there", made, p)
}

func goneOtherKey(s *subject) {
	u := s.create(s.key("a"))
	p := s.upload(u, 1, s.bytesOf(1))
	s.gone("is of another key", backend.Upload{Key: s.key("b"), ID: u.ID, Initiated: u.Initiated}, p)
}
