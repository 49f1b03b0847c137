package conformance

import (
	"bytes"
	"fmt"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

func partsBackwards(s *subject) {
	u := s.create(s.key("a"))
	var parts [3]backend.Part
	for _, n := range []int{2, 3, 1} {
		p, err := s.b.UploadPart(s.ctx, u, n, plainBody(s.bytesOf(n)), s.size)
		if err != nil {
			s.Fatalf("the parts came in the order 2, 3, 1: UploadPart of part %d returned %v", n, err)
		}
		parts[n-1] = p
	}
	if _, err := s.b.Complete(s.ctx, u, parts[:], backend.CompleteOptions{}); err != nil {
		s.Fatalf("the parts came in the order 2, 3, 1: Complete returned %v", err)
	}
	s.holds("after its parts came in the order 2, 3, 1,", u.Key, bytes.Join([][]byte{s.bytesOf(1), s.bytesOf(2), s.bytesOf(3)}, nil))
}

func partsAtOnce(s *subject) {
	const n = 4
	u := s.create(s.key("a"))
	var parts [n]backend.Part
	var all []byte
	m := newMeeting(n)
	for i, err := range together(n, n, func(i int) (err error) {
		parts[i], err = s.b.UploadPart(s.ctx, u, i+1, m.body(s.bytesOf(i+1)), s.size)
		return err
	}) {
		if err != nil {
			s.Fatalf("of %d parts that came at the same time, UploadPart of part %d returned %v", n, i+1, err)
		}
		all = append(all, s.bytesOf(i+1)...)
	}
	if _, err := s.b.Complete(s.ctx, u, parts[:], backend.CompleteOptions{}); err != nil {
		s.Fatalf("after %d parts came at the same time, Complete returned %v", n, err)
	}
	s.holds(fmt.Sprintf("after its %d parts came at the same time,", n), u.Key, all)
}

func partAgain(s *subject) {
	u := s.create(s.key("a"))
	old := s.upload(u, 1, content(7, s.size))
	// One byte differs, and then the size.
	changed := content(7, s.size)
	changed[s.size/2] ^= 1
	for _, data := range [][]byte{changed, content(7, s.size-1)} {
		p, err := s.b.UploadPart(s.ctx, u, 1, plainBody(data), int64(len(data)))
		if err != nil {
			s.Fatalf("UploadPart of a part that is there already, with other bytes, returned %v", err)
		}
		if p.ETag == old.ETag {
			s.Errorf("the ETag of the part is %q before and after its bytes changed", p.ETag)
		}
		old = p
	}
	if _, err := s.b.Complete(s.ctx, u, []backend.Part{old}, backend.CompleteOptions{}); err != nil {
		s.Fatalf("Complete with the ETag of the part that was sent last returned %v", err)
	}
	s.holds("after part 1 was uploaded three times,", u.Key, content(7, s.size-1))
}

func partAgainAtOnce(s *subject) {
	const n = 4
	u := s.create(s.key("a"))
	var answers [n]backend.Part
	m := newMeeting(n)
	errs := together(n, n, func(i int) (err error) {
		answers[i], err = s.b.UploadPart(s.ctx, u, 1, m.body(s.bytesOf(i)), s.size)
		return err
	})
	p := s.listed(u, 1)
	if p == nil {
		s.Fatalf("after %d uploads of part 1 at the same time (%v) it is not listed", n, errs)
	}
	s.complete(u, *p)
	got := s.read(u.Key)
	for i, a := range answers {
		if bytes.Equal(got, s.bytesOf(i)) {
			if errs[i] == nil && a.ETag != p.ETag {
				s.Errorf("part 1 was uploaded %d times at once; the bytes kept are those of the answer with ETag %q, the ETag listed is %q", n, a.ETag, p.ETag)
			}
			return
		}
	}
	s.Errorf("part 1 was uploaded %d times at once; what is stored, %d bytes, is none of these versions", n, len(got))
}

func partAsListed(s *subject) {
	u := s.create(s.key("a"))
	answers, _ := s.uploads(u, 1, 2)
	for i, a := range answers {
		if a.Number != i+1 || a.Size != s.size {
			s.Errorf("UploadPart of part %d, %d bytes, returned number %d, size %d", i+1, s.size, a.Number, a.Size)
		}
		if a.ETag == "" {
			s.Errorf("UploadPart of part %d returned no ETag", i+1)
		}
		if l := s.listed(u, i+1); l != nil && (l.Size != s.size || l.ETag != a.ETag) {
			s.Errorf("UploadPart of part %d returned size %d, ETag %q; ListParts says size %d, ETag %q", i+1, a.Size, a.ETag, l.Size, l.ETag)
		}
	}
}

func checksumsAreRight(s *subject) {
	verify := func(what string, got *uint64, data []byte) {
		if want := crc64.Update(0, data); got != nil && *got != want {
			s.Errorf("%s has CRC64 %d; its %d bytes have %d", what, *got, len(data), want)
		}
	}
	u := s.create(s.key("a"))
	answers, all := s.uploads(u, 1, 2)
	for _, p := range answers {
		verify(fmt.Sprintf("part %d as UploadPart returned it", p.Number), p.CRC64, s.bytesOf(p.Number))
	}
	for _, p := range s.list(u) {
		verify(fmt.Sprintf("part %d as ListParts returned it", p.Number), p.CRC64, s.bytesOf(p.Number))
	}
	verify("the object as Complete returned it", s.complete(u, answers...).CRC64, all)
	o, err := s.b.Stat(s.ctx, u.Key)
	s.must("Stat", err)
	verify("the object of two parts as Stat returned it", o.CRC64, all)

	for _, w := range s.ways() {
		one := s.bytesOf(1)
		o, err := w.publish(s.key(w.name), one, backend.Attributes{}, backend.CompleteOptions{})
		s.must(w.name, err)
		verify("an object as "+w.name+" returned it", o.CRC64, one)
		o, err = s.b.Stat(s.ctx, s.key(w.name))
		s.must("Stat", err)
		verify("the object of "+w.name+" as Stat returned it", o.CRC64, one)
	}
}
