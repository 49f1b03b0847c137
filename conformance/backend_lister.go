package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// lister returns the store's UploadLister, or logs that there is none.
func (s *subject) lister() (backend.UploadLister, bool) {
	l, ok := backend.As[backend.UploadLister](s.b)
	if !ok {
		s.without("UploadLister")
	}
	return l, ok
}

// under lists the uploads of a prefix.
func (s *subject) under(l backend.UploadLister, prefix string) (found []backend.Upload) {
	for u, err := range l.Uploads(s.ctx, prefix) {
		s.must("Uploads", err)
		found = append(found, u)
	}
	return found
}

func has(list []backend.Upload, u backend.Upload) bool {
	for _, v := range list {
		if v.Key == u.Key && v.ID == u.ID {
			return true
		}
	}
	return false
}

// soon lists until the list is as it should be, since a listing of a store may lag behind.
func (s *subject) soon(when string, l backend.UploadLister, right func(found []backend.Upload) bool, wrong string) []backend.Upload {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		found := s.under(l, s.prefix)
		if right(found) {
			return found
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			s.Fatalf("%s: %s, for %v: %d uploads, first %+v", when, wrong, patience, len(found), found[:min(len(found), 5)])
		}
	}
}

func listerPrefix(s *subject) {
	l, ok := s.lister()
	if !ok {
		return
	}
	var all []backend.Upload
	for _, name := range []string{"p/1", "p/1", "p/2", "p/\u00e9 &+%", "p", "p1", "q/1"} {
		u, err := s.begin(s.ctx, s.key(name), backend.Attributes{})
		if err == nil { // some keys may be refused
			all = append(all, u)
		}
	}
	s.soon(fmt.Sprintf("after Create of %d uploads", len(all)), l, func(found []backend.Upload) bool {
		for _, u := range all {
			if !has(found, u) {
				return false
			}
		}
		return true
	}, "not all of them are listed")

	for _, prefix := range []string{s.prefix, s.key("p"), s.key("p/"), s.key("p/1"), s.key("nothing")} {
		found := s.under(l, prefix)
		for i, u := range found {
			if !strings.HasPrefix(u.Key, prefix) {
				s.Errorf("Uploads with the prefix %q lists one of %q", prefix, u.Key)
			}
			if has(found[:i], u) {
				s.Errorf("Uploads with the prefix %q lists %q twice", prefix, u.Key)
			}
		}
		for _, u := range all {
			if strings.HasPrefix(u.Key, prefix) && !has(found, u) {
				s.Errorf("Uploads with the prefix %q does not list the one of %q", prefix, u.Key)
			}
		}
	}

	for _, u := range s.under(l, s.key("p/")) {
		for _, c := range all {
			if d := u.Initiated.Sub(c.Initiated).Abs(); c.ID == u.ID && !u.Initiated.IsZero() && !c.Initiated.IsZero() && d > 2*time.Second {
				s.Errorf("Create said that the upload was initiated at %v, Uploads says at %v", c.Initiated, u.Initiated)
			}
		}
		if err := s.b.Abort(s.ctx, u); err != nil {
			s.Errorf("Abort of an upload as Uploads listed it, %+v, returned %v", u, err)
		}
	}
}

// listerKeys begins uploads of odd keys, as far as they are taken.
func listerKeys(s *subject) {
	l, ok := s.lister()
	if !ok {
		return
	}
	var all []backend.Upload
	for _, name := range s.oddKeys() {
		if u, err := s.begin(s.ctx, s.key(name), backend.Attributes{}); err == nil {
			all = append(all, u)
		}
	}
	s.soon("after Create with odd keys", l, func(found []backend.Upload) bool { return len(found) >= len(all) }, "fewer uploads are listed than were begun")
	found := s.under(l, s.prefix)
	for _, u := range all {
		if !has(found, u) {
			s.Errorf("Uploads does not list the upload %q of the key %.80q", u.ID, u.Key)
		}
	}
}

// listerPages begins more uploads than any store that is known puts into one page, most of them of one key.
func listerPages(s *subject) {
	const n = 1010
	l, ok := s.lister()
	if !ok {
		return
	}
	begun := make([]backend.Upload, n)
	for _, err := range together(n, 16, func(i int) (err error) {
		begun[i], err = s.b.Create(s.ctx, s.key(fmt.Sprint(max(i-n+20, 0))), backend.Attributes{})
		return err
	}) {
		s.must("Create", err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
		defer cancel()
		// An error leaves an upload behind, and nothing can be done about it.
		together(n, 16, func(i int) error { return s.b.Abort(ctx, begun[i]) })
	})
	s.soon(fmt.Sprintf("after Create of %d uploads", n), l, func(found []backend.Upload) bool { return len(found) >= n }, "fewer are listed")
	times := map[string]int{}
	for _, u := range s.under(l, s.prefix) {
		times[u.Key+"\x00"+u.ID]++
	}
	for _, u := range begun {
		if c := times[u.Key+"\x00"+u.ID]; c != 1 {
			s.Fatalf("of %d uploads, that of %q with the ID %q is listed %d times", n, u.Key, u.ID, c)
		}
	}
}

func listerDrops(s *subject) {
	l, ok := s.lister()
	if !ok {
		return
	}
	completed, aborted, open := s.create(s.key("a")), s.create(s.key("a")), s.create(s.key("a"))
	s.soon("after Create of three uploads", l, func(found []backend.Upload) bool {
		return has(found, completed) && has(found, aborted) && has(found, open)
	}, "not all of them are listed")
	s.complete(completed, s.upload(completed, 1, s.bytesOf(1)))
	s.must("Abort", s.b.Abort(s.ctx, aborted))
	found := s.soon("after Complete of one and Abort of another", l, func(found []backend.Upload) bool {
		return !has(found, completed) && !has(found, aborted)
	}, "they are still listed")
	if !has(found, open) {
		s.Errorf("after other uploads of its key were completed and aborted, an unfinished one is not listed any more")
	}
}

func listerBreak(s *subject) {
	l, ok := s.lister()
	if !ok {
		return
	}
	for _, name := range []string{"a", "b", "c"} {
		s.create(s.key(name))
	}
	s.soon("after Create of three uploads", l, func(found []backend.Upload) bool { return len(found) == 3 }, "other than three are listed")
	for stop := 1; stop <= 3; stop++ {
		n, beyond := 0, 0
		l.Uploads(s.ctx, s.prefix)(func(backend.Upload, error) bool {
			if n++; n > stop {
				beyond++
			}
			return n < stop
		})
		if beyond > 0 {
			s.Errorf("the loop over Uploads was left after %d of three uploads; %d more were yielded", stop, beyond)
		}
	}
	// The sequence may be ranged over again.
	seq, n := l.Uploads(s.ctx, s.prefix), 0
	for range 2 {
		for range seq {
			n++
		}
	}
	if n != 6 {
		s.Errorf("ranging twice over Uploads of three yielded %d in all; want six", n)
	}
}

func listerCancelled(s *subject) {
	l, ok := s.lister()
	if !ok {
		return
	}
	s.create(s.key("a"))
	s.soon("after Create", l, func(found []backend.Upload) bool { return len(found) == 1 }, "the upload is not listed")
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	failed := false
	for u, err := range l.Uploads(done, s.prefix) {
		if failed {
			s.Fatalf("after an error, Uploads yielded %+v and %v", u, err)
		}
		failed = err != nil
	}
	if !failed {
		s.Errorf("Uploads with a context that was done ended without an error")
	}
}
