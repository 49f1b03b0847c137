package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/backend"
)

func completeSubset(s *subject) {
	u := s.create(s.key("a"))
	stored, _ := s.uploads(u, 1, 2, 3)
	if _, err := s.b.Complete(s.ctx, u, []backend.Part{stored[0], stored[2]}, backend.CompleteOptions{}); err != nil {
		s.Fatalf("Complete with parts 1 and 3 of three returned %v", err)
	}
	s.holds("after Complete with parts 1 and 3 of three", u.Key, slices.Concat(s.bytesOf(1), s.bytesOf(3)))
}

func completeGaps(s *subject) {
	u := s.create(s.key("a"))
	numbers := s.within(2, 5, 9)
	if n := s.info.MaxParts; n > 9 {
		numbers = append(numbers, n)
	}
	stored, all := s.uploads(u, numbers...)
	if _, err := s.b.Complete(s.ctx, u, stored, backend.CompleteOptions{}); err != nil {
		s.Fatalf("Complete of an upload with the parts %v returned %v", numbers, err)
	}
	s.holds(fmt.Sprintf("after Complete of the parts %v", numbers), u.Key, all)
}

func completeLeavesSlice(s *subject) {
	u := s.create(s.key("a"))
	stored, _ := s.uploads(u, 1, 2)
	// With room behind them, so that an append is seen as well; and once in an order that is refused.
	reversed := []backend.Part{stored[1], stored[0]}
	for _, list := range [][]backend.Part{reversed, stored} {
		room := append(slices.Clone(list), backend.Part{}, backend.Part{})
		before := slices.Clone(room)
		_, err := s.b.Complete(s.ctx, u, room[:2], backend.CompleteOptions{})
		if !slices.Equal(room, before) {
			s.Errorf("Complete, which returned %v, changed the slice of parts from %+v to %+v", err, before, room)
		}
	}
}

func completeRefuses(s *subject) {
	key := s.key("a")
	old := s.object(key, 77)
	u := s.create(key)
	stored, all := s.uploads(u, 1, 2, 3)
	one, two, three := stored[0], stored[1], stored[2]
	forged := two
	forged.ETag = three.ETag
	absent := backend.Part{Number: 4, Size: s.size, ETag: three.ETag, CRC64: three.CRC64}
	for _, refused := range []struct {
		what  string
		parts []backend.Part
	}{
		{"part 2 with the ETag of another", []backend.Part{one, forged, three}},
		{"part 4, which is not there", []backend.Part{one, two, three, absent}},
		{"the numbers 2, 1, 3", []backend.Part{two, one, three}},
		{"the numbers 1, 2, 2", []backend.Part{one, two, two}},
	} {
		when := "after Complete with " + refused.what
		if _, err := s.b.Complete(s.ctx, u, refused.parts, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalidPart) {
			s.Errorf("Complete with %s returned %v; want ErrInvalidPart", refused.what, err)
		}
		if !s.unchanged(when, u, stored) || !s.holds(when, key, old) {
			return
		}
	}
	if _, err := s.b.Complete(s.ctx, u, stored, backend.CompleteOptions{}); err != nil {
		s.Fatalf("after Completes that were refused, the right one returned %v", err)
	}
	s.holds("after the right Complete", key, all)
}

func completeRefusesOldETag(s *subject) {
	u := s.create(s.key("a"))
	old := s.upload(u, 1, s.bytesOf(1))
	now := s.upload(u, 1, s.bytesOf(2))
	if now.ETag == old.ETag {
		s.t.Log("the ETag did not change with the bytes, which another rule sees")
		return
	}
	if _, err := s.b.Complete(s.ctx, u, []backend.Part{old}, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalidPart) {
		s.Fatalf("Complete with the ETag that part 1 had before it was replaced returned %v; want ErrInvalidPart", err)
	}
	s.unchanged("after Complete with an old ETag", u, []backend.Part{now})
}

func completeOfNothing(s *subject) {
	u := s.create(s.key("a"))
	stored, all := s.uploads(u, 1)
	if _, err := s.b.Complete(s.ctx, u, nil, backend.CompleteOptions{}); err == nil {
		s.Fatalf("Complete without any part returned nil; want an error, since nobody means that")
	}
	if s.unchanged("after Complete without any part", u, stored) {
		s.complete(u, stored...)
		s.holds("after the right Complete", u.Key, all)
	}
}

func completeAtOnce(s *subject) {
	const n = 6
	for round := range 5 {
		u := s.create(s.key(fmt.Sprint(round)))
		stored, all := s.uploads(u, 1, 2)
		errs := together(n, n, func(int) error {
			_, err := s.b.Complete(s.ctx, u, stored, backend.CompleteOptions{})
			return err
		})
		known := true // each answer says that its call had no effect
		for _, err := range errs {
			if sentinel(err) == nil {
				known = false
			}
			if err != nil && sentinel(err) != nil && !errors.Is(err, backend.ErrNoSuchUpload) {
				s.Errorf("one of %d Completes of an upload at the same time returned %v", n, err)
			}
		}
		got := s.read(u.Key)
		if !slices.Contains(errs, nil) && got == nil && !known {
			continue // all unknown, and it did not happen (yet)
		}
		if !bytes.Equal(got, all) {
			s.Errorf("after %d Completes at the same time, which returned %v, the object is wrong: %s", n, errs, differ(got, all))
		}
		if known {
			s.Errorf("%d Completes at the same time all said that they had no effect: %v", n, errs)
		}
	}
}
