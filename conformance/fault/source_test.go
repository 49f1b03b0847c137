package fault_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// stamped is a source with a Stamper.
type stamped struct {
	upload.Source
	at time.Time
}

func (s stamped) Stamp() time.Time { return s.at }

func TestStamper(t *testing.T) {
	p := fault.New(nil, nil).Process()
	inner := fault.NewSource("id", 10, 1)
	if _, ok := p.Source(inner).(upload.Stamper); ok {
		t.Error("a wrapper is a Stamper, and what it wraps is not")
	}
	at := time.Unix(1, 0)
	stamper, ok := p.Source(stamped{inner, at}).(upload.Stamper)
	if !ok || !stamper.Stamp().Equal(at) {
		t.Error("the Stamper is lost")
	}
	if w := p.Source(inner); w.ID() != "id" || w.Size() != 10 {
		t.Errorf("%q, %d bytes", w.ID(), w.Size())
	}
}

// TestTornRead: half comes, and nothing is said of the rest.
func TestTornRead(t *testing.T) {
	r := newRig(t)
	faults, p := one("ReadAt", fault.Torn)
	got := make([]byte, 6)
	n, err := p.Source(r.source).ReadAt(got, 2)
	if n != 3 || !bytes.Equal(got, append(content[2:5:5], 0, 0, 0)) || !errors.Is(err, fault.ErrInjected) || errors.Is(err, io.EOF) {
		t.Errorf("%d, %q, %v", n, got, err)
	}
	if c := faults.Calls()[0]; c.Number != 2 || c.Size != 6 || c.Effect {
		t.Errorf("%+v", c)
	}
}

// TestOwnEnd: the end of a source is no fault.
func TestOwnEnd(t *testing.T) {
	p := fault.New(nil, nil).Process()
	n, err := p.Source(newRig(t).source).ReadAt(make([]byte, 20), 4)
	if n != 6 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// TestCrashAfterRead: the dead learn nothing.
func TestCrashAfterRead(t *testing.T) {
	r := newRig(t)
	_, p := one("ReadAt", fault.CrashAfter)
	if n, err := p.Source(r.source).ReadAt(make([]byte, 10), 0); n != 0 || !errors.Is(err, fault.ErrInjected) || r.of("ReadAt") != 1 {
		t.Errorf("%d, %v, %d readings", n, err, r.of("ReadAt"))
	}
}

func TestSource(t *testing.T) {
	const size = 100
	s := fault.NewSource("an ID", size, 7)
	first := s.Bytes()
	if s.ID() != "an ID" || s.Size() != size || len(first) != size || !s.Had(first) || s.Had(first[1:]) || s.Had(nil) {
		t.Fatalf("%q, %d, %d bytes", s.ID(), s.Size(), len(first))
	}
	if !bytes.Equal(first, fault.NewSource("", size, 7).Bytes()) || bytes.Equal(first, fault.NewSource("", size, 7<<40).Bytes()) {
		t.Error("the bytes do not depend on the seed alone")
	}
	versions := map[string]bool{}
	note := func() {
		v, err := s.Version()
		if err != nil || v == "" || versions[v] {
			t.Errorf("version %q, %v", v, err)
		}
		versions[v] = true
	}
	note()
	for _, c := range []struct {
		kind    fault.Kind
		size    int
		differs func(before, after []byte) bool
	}{
		{fault.Touched, size, bytes.Equal},
		{fault.Edited, size, func(b, a []byte) bool {
			n := 0
			for i := range b {
				if b[i] != a[i] {
					n++
				}
			}
			return n == 1
		}},
		{fault.Edited, size, func(_, a []byte) bool { return bytes.Equal(a, first) }}, // it is its own undoing; the version is another
		{fault.Replaced, size, func(b, a []byte) bool { return !bytes.Equal(b, a) }},
		{fault.Grown, size + size/3 + 1, func(b, a []byte) bool { return bytes.HasPrefix(a, b) }},
		{fault.Truncated, (size + size/3 + 1) * 5 / 8, func(b, a []byte) bool { return bytes.HasPrefix(b, a) }},
	} {
		before := s.Bytes()
		s.Change(c.kind)
		note()
		after := s.Bytes()
		if int(s.Size()) != c.size || len(after) != c.size || !c.differs(before, after) || !s.Had(before) || !s.Had(after) {
			t.Errorf("%s: %d bytes after %d", c.kind, len(after), len(before))
		}
		got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
		if err != nil || !bytes.Equal(got, after) {
			t.Errorf("%s: read %d bytes, %v", c.kind, len(got), err)
		}
	}
	s.Bytes()[0] ^= 1
	if !s.Had(s.Bytes()) {
		t.Error("Bytes is no copy")
	}

	empty := fault.NewSource("", 0, 1)
	for _, kind := range []fault.Kind{fault.Edited, fault.Truncated, fault.Replaced, fault.Touched} {
		empty.Change(kind)
		if empty.Size() != 0 {
			t.Errorf("%s: an empty source has %d bytes", kind, empty.Size())
		}
	}
	empty.Change(fault.Grown)
	if empty.Size() != 1 {
		t.Errorf("grown from nothing to %d bytes", empty.Size())
	}
	defer func() {
		if recover() == nil {
			t.Error("Expired changes a source")
		}
	}()
	s.Change(fault.Expired)
}
