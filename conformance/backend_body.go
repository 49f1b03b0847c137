package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

func bodyReadsOddly(s *subject) {
	data := s.bytesOf(1)
	for name, wrap := range map[string]func() io.ReadSeeker{
		"returns one byte at a time":        func() io.ReadSeeker { return shortReads(data, 1) },
		"returns 7 bytes at a time":         func() io.ReadSeeker { return shortReads(data, 7) },
		"returns all but a byte, then it":   func() io.ReadSeeker { return shortReads(data, len(data)-1) },
		"returns io.EOF with its last byte": func() io.ReadSeeker { return eofWithData(data) },
	} {
		for _, k := range s.sinks(nil) {
			if err := k.send(s.ctx, wrap(), s.size); err != nil {
				s.Errorf("%s of a body whose Read %s returned %v", k.name, name, err)
				continue
			}
			if got := k.stored(); !bytes.Equal(got, data) {
				s.Errorf("%s of a body whose Read %s stored other bytes: %s", k.name, name, differ(got, data))
			}
		}
	}
}

func bodyLeftAlone(s *subject) {
	data := s.bytesOf(1)
	var all []*watched
	var how []string
	watch := func(r io.ReadSeeker, what string, send func(io.ReadSeeker) error) {
		w := &watched{r: r}
		err := send(w)
		w.release()
		all, how = append(all, w), append(how, fmt.Sprintf("%s (it returned %v)", what, err))
	}
	gone := s.create(s.key("gone"))
	s.must("Abort", s.b.Abort(s.ctx, gone))
	for _, k := range s.sinks(nil) {
		plain := func(r io.ReadSeeker) error { return k.send(s.ctx, r, s.size) }
		watch(slow(data), k.name+" of a slow body", plain)
		watch(failing(data, len(data)/2), k.name+" of a body that fails", plain)
		watch(slow(data[:len(data)/2]), k.name+" of a body that ends early", plain)
		ctx, cancel := context.WithCancel(s.ctx)
		watch(slowUntil(data, cancel), k.name+" that was cancelled", func(r io.ReadSeeker) error { return k.send(ctx, r, s.size) })
		cancel()
	}
	watch(slow(data), "UploadPart to an upload that is gone", func(r io.ReadSeeker) error {
		_, err := s.b.UploadPart(s.ctx, gone, 1, r, s.size)
		return err
	})
	s.pause(20 * time.Millisecond)
	for i, w := range all {
		if use := w.used(); use != "" {
			s.Errorf("after %s, its body was still in use: %s", how[i], use)
		}
	}
}

func bodyEndsEarly(s *subject) {
	data := s.bytesOf(1)
	for name, short := range map[string][]byte{"after half": data[:len(data)/2], "at once": nil, "before its last byte": data[:len(data)-1]} {
		s.brokenBody("that ends early ("+name+")", func() io.ReadSeeker { return plainBody(short) })
	}
}

func bodyFails(s *subject) {
	data := s.bytesOf(1)
	for name, n := range map[string]int{"at once": 0, "in the middle": len(data) / 2, "before its last byte": len(data) - 1} {
		s.brokenBody("that fails ("+name+")", func() io.ReadSeeker { return failing(data, n) })
	}
}

// brokenBody sends a body that is not all there, where nothing is stored and where something is.
func (s *subject) brokenBody(how string, broken func() io.ReadSeeker) {
	old := s.bytesOf(9)
	for state, before := range map[string][]byte{"nothing": nil, "an older version": old} {
		for _, k := range s.sinks(before) {
			err := k.send(s.ctx, broken(), s.size)
			switch {
			case err == nil:
				s.Errorf("%s of a body %s returned nil; want an error", k.name, how)
			case sentinel(err) != nil:
				s.Errorf("%s of a body %s returned %v; want an error that is no sentinel, since the store has no part in it", k.name, how, err)
			}
			if got := k.stored(); !bytes.Equal(got, before) {
				s.Errorf("after %s of a body %s %d bytes are stored; before it %s was, and still should be", k.name, how, len(got), state)
			}
		}
	}
}

// contextDoneDuring cancels in the middle of a body. See also sentinelAfterCancel.
func contextDoneDuring(s *subject) {
	const soon = 5 * time.Second
	old, data := s.bytesOf(9), s.bytesOf(1)
	for _, k := range s.sinks(old) {
		ctx, cancel := context.WithCancel(s.ctx)
		giveUp := make(chan struct{})
		var at time.Time
		late := (*time.Timer)(nil)
		err := k.send(ctx, endless(data, func() {
			at = time.Now()
			late = time.AfterFunc(soon, func() { close(giveUp) })
			cancel()
		}, giveUp), s.size)
		cancel()
		if late == nil {
			if err == nil {
				s.Errorf("%s returned nil before it had read a tenth of the body", k.name)
			}
			continue // a failure without the cancellation is another rule's
		}
		if late.Stop() {
			close(giveUp) // for a reader that was left behind
		} else {
			s.Errorf("%s went on reading the body for %v after its context was done; want it to return soon", k.name, time.Since(at).Round(time.Second))
		}
		if err == nil {
			s.Errorf("%s, cancelled before it could read the whole body, returned nil", k.name)
		}
		if got := k.stored(); !bytes.Equal(got, old) && !bytes.Equal(got, data) {
			s.Errorf("after %s was cancelled, %d bytes are stored, neither the old %d nor the new %d; it had returned %v", k.name, len(got), len(old), len(data), err)
		}
	}
}

// sentinelAfterCancel cancels when the whole body was read, where an adapter is most tempted to call it refused.
func sentinelAfterCancel(s *subject) {
	data := s.bytesOf(1)
	for _, k := range s.sinks(nil) {
		ctx, cancel := context.WithCancel(s.ctx)
		err := k.send(ctx, &body{bytes.NewReader(data), func(r *bytes.Reader, p []byte) (int, error) {
			n, err := r.Read(p)
			if r.Len() == 0 {
				cancel()
			}
			return n, err
		}}, s.size)
		cancel()
		if sentinel(err) != nil && k.stored() != nil {
			s.Errorf("%s, cancelled at the end of its body, returned %v, and yet it had an effect: what it sent is stored", k.name, err)
		}
	}
}

// sentinelOfSmallParts completes parts that are smaller than the store says it takes. It may take them.
func sentinelOfSmallParts(s *subject) {
	if s.info.MinPartSize < 2 {
		s.t.Logf("MinPartSize is %d: no part is too small", s.info.MinPartSize)
		return
	}
	old := s.object(s.key("a"), 1)
	u := s.create(s.key("a"))
	one, two := s.upload(u, 1, []byte("1")), s.upload(u, 2, []byte("2"))
	_, err := s.b.Complete(s.ctx, u, []backend.Part{one, two}, backend.CompleteOptions{})
	if sentinel(err) == nil {
		return
	}
	when := fmt.Sprintf("after Complete of too small parts returned %v,", err)
	s.holds(when, u.Key, old)
	s.unchanged(when, u, []backend.Part{one, two})
}
