package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newMemory(t *testing.T, l limits) *Memory {
	t.Helper()
	m := NewMemory(clock{})
	m.limits = l
	if err := m.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if m.dir != "" {
			if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
				t.Errorf("%s after Close: %v", m.dir, err)
			}
		}
	})
	return m
}

// state is what a Memory holds: bytes in memory, and files.
type state struct {
	Held  int64
	Files int
}

func stateOf(t *testing.T, m *Memory) state {
	t.Helper()
	s := state{Held: m.held}
	if m.dir != "" {
		entries, err := os.ReadDir(m.dir)
		if err != nil {
			t.Fatal(err)
		}
		s.Files = len(entries)
	}
	return s
}

// A body goes to a file when it, or all of them, are more than their limit; nothing is left of what was discarded.
func TestMemoryLimits(t *testing.T) {
	m := newMemory(t, limits{body: 10, total: 25})
	var bodies []Body
	for _, c := range []struct {
		text string
		want state
	}{
		{"0123456789", state{10, 0}},
		{"01234567890", state{10, 1}},
		{"abcdefghij", state{20, 1}},
		{"ABCDEF", state{20, 2}},
		{"XYZ", state{23, 2}},
		{"", state{23, 2}},
	} {
		bodies = append(bodies, spool(t, m, c.text))
		if diff := cmp.Diff(c.want, stateOf(t, m)); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", c.text, diff)
		}
	}
	if err := m.SavePart("id", Part{Body: bodies[1]}); err != nil {
		t.Error(err)
	}
	if err := m.Link("b", "k", nil, "", bodies[:5]); err != nil {
		t.Fatal(err)
	}
	if got := read(t, m, "k", nil); got != "012345678901234567890abcdefghijABCDEFXYZ" {
		t.Errorf("object %q", got)
	}
	if _, err := m.DeleteObject("b", "k"); err != nil {
		t.Error(err)
	}
	if err := bodies[5].Discard(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(state{}, stateOf(t, m)); diff != "" {
		t.Errorf("after everything is gone (-want +got):\n%s", diff)
	}
}

// A body that grows beyond its limit while it is written is whole, however it is cut into writes.
func TestMemoryBody(t *testing.T) {
	const seed = 4
	rnd := rand.New(rand.NewPCG(seed, 0))
	m := newMemory(t, limits{body: 300 << 10, total: 500 << 10})
	for range 50 {
		want := make([]byte, rnd.IntN(600<<10))
		for i := range want {
			want[i] = byte(rnd.Uint32())
		}
		b, err := m.Spool()
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(150<<10))
			if _, err := b.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := m.Link("b", "k", nil, "", []Body{b}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, m, "k", nil); got != string(want) {
			t.Fatalf("seed %d: a body of %d bytes differs", seed, len(want))
		}
	}
}

// A reader goes on with the object that it opened, also when that is replaced or removed; then its bytes go.
func TestMemoryReadWhileReplaced(t *testing.T) {
	for name, l := range map[string]limits{"memory": {body: 100, total: 100}, "files": {}} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, l)
			put := func(text string) {
				if _, err := m.PutObject("b", "k", nil, strings.NewReader(text), int64(len(text)), nil); err != nil {
					t.Fatal(err)
				}
			}
			put("old text")
			o, err := m.GetObject("b", "k", nil)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := io.CopyN(&got, o.Contents, 3); err != nil {
				t.Fatal(err)
			}
			put("new")
			if _, err := m.DeleteObject("b", "k"); err != nil {
				t.Fatal(err)
			}
			if s := stateOf(t, m); s == (state{}) {
				t.Error("the bytes that are being read are gone")
			}
			if _, err := io.Copy(&got, o.Contents); err != nil || got.String() != "old text" {
				t.Errorf("%q, %v", &got, err)
			}
			if err := o.Contents.Close(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(state{}, stateOf(t, m)); diff != "" {
				t.Errorf("after the reader (-want +got):\n%s", diff)
			}
		})
	}
}

// What the disk refuses is an error of the call, and of nothing else.
func TestMemoryDiskFails(t *testing.T) {
	m := newMemory(t, limits{})
	m.dir = "no-such-directory/x"
	b, err := m.Spool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("write: %v, want that there is no such directory", err)
	}
	if err := b.Discard(); err != nil {
		t.Errorf("discard: %v", err)
	}
	if err := m.Link("b", "k", nil, "", []Body{b, &fileBody{}}); err == nil {
		t.Error("a body of another store was linked")
	}
	if m.held != 0 {
		t.Errorf("%d bytes are held", m.held)
	}
	m.dir = ""
}

func FuzzDecodeRecord(f *testing.F) {
	whole, err := encodeRecord(&objectRecord{Bucket: "b", Key: "k", Meta: map[string]string{"oss": "{}"}, Segments: []segment{{"x", 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("{}\n0000000000000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{&objectRecord{}, &bucketRecord{}, &uploadRecord{}} {
			if err := decodeRecord(b, v); err != nil && !errors.Is(err, errDamaged) {
				t.Errorf("%v, want errDamaged", err)
			}
		}
		// The checksum is right: now the JSON is all that is between the bytes and the record.
		line, _, _ := bytes.Cut(b, []byte("\n"))
		if summed, err := encodeRecord(rawLine(line)); err == nil {
			if err := decodeRecord(summed, &objectRecord{}); err != nil && !errors.Is(err, errDamaged) {
				t.Errorf("%v, want errDamaged", err)
			}
		}
	})
}

// rawLine is JSON as it stands.
type rawLine []byte

func (r rawLine) MarshalJSON() ([]byte, error) { return r, nil }

// An object that shares the bytes of another keeps them when that goes, and a body that is read stays until it was read.
func TestMemoryShare(t *testing.T) {
	for name, l := range map[string]limits{"memory": {body: 100, total: 100}, "files": {}} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, l)
			if err := m.Link("b", "k", nil, "", []Body{spool(t, m, "one "), spool(t, m, "two ")}); err != nil {
				t.Fatal(err)
			}
			bodies, err := m.Share("b", "k")
			if err != nil {
				t.Fatal(err)
			}
			// The same object with more at its end, and then nothing but a reader of its first body.
			if err := m.Link("b", "k", nil, "", append(bodies, spool(t, m, "three"))); err != nil {
				t.Fatal(err)
			}
			if got := read(t, m, "k", nil); got != "one two three" {
				t.Errorf("appended: %q", got)
			}
			r, err := bodies[0].(*spoolBody).Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.DeleteObject("b", "k"); err != nil {
				t.Error(err)
			}
			text, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err != nil || string(text) != "one " {
				t.Errorf("opened: %q, %v", text, err)
			}
			if diff := cmp.Diff(state{}, stateOf(t, m)); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
		})
	}
}
