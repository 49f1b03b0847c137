package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

func objectAsStat(s *subject) {
	for _, w := range s.ways() {
		key := s.key(w.name)
		o, err := w.publish(key, s.bytesOf(1), backend.Attributes{}, backend.CompleteOptions{})
		s.must(w.name, err)
		stat, err := s.b.Stat(s.ctx, key)
		s.must("Stat", err)
		// Complete and Put may come without an ETag, where the store does not give one in its answer.
		if o.Key != stat.Key || o.Size != stat.Size || o.ETag != stat.ETag && o.ETag != "" {
			s.Errorf("%s returned key %q, size %d, ETag %q; Stat says key %q, size %d, ETag %q", w.name, o.Key, o.Size, o.ETag, stat.Key, stat.Size, stat.ETag)
		}
		if o.Size != s.size {
			s.Errorf("%s of %d bytes returned the size %d", w.name, s.size, o.Size)
		}
	}
}

func statAbsent(s *subject) {
	s.object(s.key("a/b"), 1)
	for _, name := range []string{"never", "a", "a/", "a/b/c"} {
		o, err := s.b.Stat(s.ctx, s.key(name))
		if name != "never" && errors.Is(err, backend.ErrInvalid) {
			continue // a key that the store does not take
		}
		if !errors.Is(err, backend.ErrNotFound) {
			s.Errorf("Stat of %q, where there is no object, returned %+v and %v; want ErrNotFound", s.key(name), o, err)
		}
	}
}

func statPresent(s *subject) {
	other := s.f.open()
	for _, w := range s.ways() {
		key := s.key(w.name)
		// Asked before, as one does, so that an answer that is kept somewhere would be seen.
		if _, err := other.Stat(s.ctx, key); err == nil {
			s.Errorf("before %s, Stat found an object", w.name)
		}
		for i := range int64(3) {
			data := content(i, s.size-i)
			_, err := w.publish(key, data, backend.Attributes{}, backend.CompleteOptions{})
			s.must(w.name, err)
			for _, b := range []backend.MultipartBackend{s.b, other} {
				if o, err := b.Stat(s.ctx, key); err != nil || o.Size != int64(len(data)) {
					s.Errorf("%s of %d bytes returned nil; Stat then returned %d bytes and %v", w.name, len(data), o.Size, err)
				}
			}
		}
	}
}

func timesAreOrdered(s *subject) {
	const tolerance = 2 * time.Second // seconds are cut off, and not by all calls of a store alike
	key := s.key("a")
	var last time.Time
	var what string
	next := func(now string, t time.Time) {
		if t.IsZero() {
			return
		}
		if t.Before(last.Add(-tolerance)) {
			s.Errorf("%s is %v, before %s at %v", now, t.UTC(), what, last.UTC())
		}
		last, what = t, now
	}
	for i := range int64(3) {
		u := s.create(key)
		next("Initiated of an upload", u.Initiated)
		s.complete(u, s.upload(u, 1, content(i, s.size)))
		o, err := s.b.Stat(s.ctx, key)
		s.must("Stat", err)
		next("Modified of the object completed from it", o.Modified)
	}
}

// refusesIfAbsent says that the store refuses IfAbsent, as it may.
func (s *subject) refusesIfAbsent() bool {
	u := s.create(s.key("probe"))
	_, err := s.b.Complete(s.ctx, u, []backend.Part{s.upload(u, 1, s.bytesOf(1))}, backend.CompleteOptions{IfAbsent: true})
	if !errors.Is(err, backend.ErrInvalid) {
		return false
	}
	s.t.Log("the store refuses IfAbsent")
	return true
}

func ifAbsentRefuses(s *subject) {
	if s.refusesIfAbsent() {
		return
	}
	for _, w := range s.ways() {
		key := s.key(w.name)
		old := s.object(key, 70)
		when := "after " + w.name + " with IfAbsent, where an object is,"
		if _, err := w.publish(key, s.bytesOf(1), backend.Attributes{}, backend.CompleteOptions{IfAbsent: true}); !errors.Is(err, backend.ErrExists) {
			s.Errorf("%s with IfAbsent, where an object is, returned %v; want ErrExists", w.name, err)
		}
		s.holds(when, key, old)
	}
	key := s.key("kept")
	old := s.object(key, 71)
	u := s.create(key)
	stored, all := s.uploads(u, 1, 2)
	_, err := s.b.Complete(s.ctx, u, stored, backend.CompleteOptions{IfAbsent: true})
	if !errors.Is(err, backend.ErrExists) {
		s.Fatalf("Complete with IfAbsent, where an object is, returned %v; want ErrExists", err)
	}
	s.holds("after Complete returned ErrExists", key, old)
	if s.unchanged("after Complete returned ErrExists", u, stored) {
		if _, err := s.b.Complete(s.ctx, u, stored, backend.CompleteOptions{}); err != nil {
			s.Fatalf("after Complete returned ErrExists, one without IfAbsent returned %v", err)
		}
		s.holds("after Complete without IfAbsent", key, all)
	}
}

func ifAbsentPublishes(s *subject) {
	if s.refusesIfAbsent() {
		return
	}
	for _, w := range s.ways() {
		for i, opts := range []backend.CompleteOptions{{IfAbsent: true}, {}} {
			data := s.bytesOf(i)
			if _, err := w.publish(s.key(w.name), data, backend.Attributes{}, opts); err != nil {
				s.Errorf("%s with IfAbsent: %t, where %d objects are, returned %v", w.name, opts.IfAbsent, i, err)
				continue
			}
			s.holds(fmt.Sprintf("after %s with IfAbsent: %t", w.name, opts.IfAbsent), s.key(w.name), data)
		}
	}
}

func ifAbsentRace(s *subject) {
	const n = 6
	if s.refusesIfAbsent() {
		return
	}
	p, putter := s.putter()
	for round := range 20 {
		key := s.key(fmt.Sprint(round))
		// All uploads are begun before the first part, and all parts are there before the first Complete.
		var us [n]backend.Upload
		var ps [n]backend.Part
		for i := range us {
			us[i] = s.create(key)
		}
		for i := range us {
			ps[i] = s.upload(us[i], 1, s.bytesOf(i))
		}
		errs := together(n, n, func(i int) (err error) {
			opts := backend.CompleteOptions{IfAbsent: true}
			if putter && round%2 == 1 && i%3 == 2 {
				_, err = p.Put(s.ctx, key, plainBody(s.bytesOf(i)), s.size, backend.Attributes{}, opts)
			} else {
				_, err = s.b.Complete(s.ctx, us[i], ps[i:i+1], opts)
			}
			return err
		})
		winner, winners, refused := -1, 0, 0
		for i, err := range errs {
			if err == nil {
				winner, winners = i, winners+1
			} else if sentinel(err) != nil {
				refused++
			}
		}
		got := s.read(key)
		switch {
		case winners > 1:
			s.Errorf("%d of %d that publish with IfAbsent at the same time were told that they did: %v", winners, n, errs)
		case winners == 1 && !bytes.Equal(got, s.bytesOf(winner)):
			s.Errorf("of %d that publish with IfAbsent at the same time one was told that it did, and the object is not its: %v", n, errs)
		case refused == n:
			s.Errorf("%d that publish with IfAbsent at the same time were all refused: %v", n, errs)
		}
	}
}
