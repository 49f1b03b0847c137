package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
)

type clock struct{}

func (clock) Now() time.Time                  { return time.Unix(1700000000, 0) }
func (clock) Since(t time.Time) time.Duration { return clock{}.Now().Sub(t) }

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open(dir, clock{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func spool(t *testing.T, s Store, text string) Body {
	t.Helper()
	b, err := s.Spool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(b, text); err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, s Store, key string, r *gofakes3.ObjectRangeRequest) string {
	t.Helper()
	o, err := s.GetObject("b", key, r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(o.Contents)
	if err = errors.Join(err, o.Contents.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, dataDir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestLinkRanges(t *testing.T) {
	for name, s := range map[string]Store{"memory": NewMemory(clock{}), "directory": open(t, t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			if err := s.CreateBucket("b"); err != nil {
				t.Fatal(err)
			}
			var bodies []Body
			for _, text := range []string{"abc", "", "defg", "h"} {
				bodies = append(bodies, spool(t, s, text))
			}
			if err := s.Link("b", "k", map[string]string{"m": "v"}, "", bodies); err != nil {
				t.Fatal(err)
			}
			const whole = "abcdefgh"
			for start := range whole {
				for end := start; end < len(whole); end++ {
					got := read(t, s, "k", &gofakes3.ObjectRangeRequest{Start: int64(start), End: int64(end)})
					if got != whole[start:end+1] {
						t.Errorf("%d-%d: %q, want %q", start, end, got, whole[start:end+1])
					}
				}
			}
			if err := s.SetMeta("b", "k", map[string]string{"m": "w"}); err != nil {
				t.Fatal(err)
			}
			o, err := s.HeadObject("b", "k")
			if err != nil || o.Metadata["m"] != "w" || o.Size != 8 || read(t, s, "k", nil) != whole {
				t.Errorf("after SetMeta: %+v, %v", o, err)
			}
		})
	}
}

// A reader goes on with the object that it opened, also when that is replaced; then its data goes.
func TestReadWhileReplaced(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	if err := d.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		if _, err := d.PutObject("b", "k", nil, strings.NewReader(text), int64(len(text)), nil); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	o, err := d.GetObject("b", "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	put("new")
	if n := len(files(t, dir)); n != 2 {
		t.Errorf("%d data files while the old object is being read, want 2", n)
	}
	text, err := io.ReadAll(o.Contents)
	if err != nil || string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
	if err := o.Contents.Close(); err != nil {
		t.Error(err)
	}
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d data files, want 1", n)
	}
	if _, err := d.PutObject("b", "short", nil, strings.NewReader("x"), 2, nil); err == nil || len(files(t, dir)) != 1 {
		t.Errorf("a short body: %v, %v", err, files(t, dir))
	}
}

// TestRecover opens directories in each state that a crash between two steps of the disk can leave.
func TestRecover(t *testing.T) {
	const id = "0123456789ABCDEF0123456789ABCDEF"
	part := func(t *testing.T, d *Dir, number int, sequence uint64, text string) Part {
		p := Part{Number: number, Sequence: sequence, Modified: clock{}.Now().UTC(), CRC64: 7, Body: spool(t, d, text)}
		if err := d.SavePart(id, p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, c := range map[string]struct {
		crash func(t *testing.T, d *Dir, dir string)
		want  []string // parts afterwards; nil: no upload
		files int
	}{
		"before any part": {func(t *testing.T, d *Dir, dir string) {}, []string{}, 0},
		"body half written": {func(t *testing.T, d *Dir, dir string) {
			spool(t, d, "half")
		}, []string{}, 0},
		"part saved": {func(t *testing.T, d *Dir, dir string) {
			part(t, d, 3, 1, "three")
		}, []string{"3 1 5"}, 1},
		"old part not removed": {func(t *testing.T, d *Dir, dir string) {
			part(t, d, 3, 2, "newer")
			part(t, d, 3, 1, "old")
			part(t, d, 4, 10, "x")
			part(t, d, 4, 9, "y")
		}, []string{"3 2 5", "4 10 1"}, 2},
		"part torn by a power cut": {func(t *testing.T, d *Dir, dir string) {
			p := part(t, d, 3, 1, "three")
			if err := os.Truncate(filepath.Join(dir, dataDir, p.Body.(*fileBody).name), 2); err != nil {
				t.Fatal(err)
			}
		}, []string{}, 0},
		"record half written": {func(t *testing.T, d *Dir, dir string) {
			for _, sub := range []string{objectsDir, uploadsDir, bucketsDir} {
				if err := os.WriteFile(filepath.Join(dir, sub, tempPrefix+"x"), []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{}, 0},
		"completed, upload's record not removed": {func(t *testing.T, d *Dir, dir string) {
			p := part(t, d, 1, 1, "one")
			part(t, d, 2, 2, "not listed")
			record, err := os.ReadFile(filepath.Join(dir, uploadsDir, id))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Link("b", "k", nil, id, []Body{p.Body}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, uploadsDir, id), record, 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, 1},
		"completed, then replaced": {func(t *testing.T, d *Dir, dir string) {
			// The object that remembers which upload it ended is gone: the upload's record must have gone before.
			if err := d.Link("b", "k", nil, id, []Body{part(t, d, 1, 1, "one").Body}); err != nil {
				t.Fatal(err)
			}
			if err := d.Link("b", "k", nil, "", nil); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
		"aborted, parts not removed": {func(t *testing.T, d *Dir, dir string) {
			part(t, d, 1, 1, "one")
			if err := d.DropUpload(id); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			if err := d.CreateBucket("b"); err != nil {
				t.Fatal(err)
			}
			if err := d.SaveUpload(Upload{ID: id, Bucket: "b", Key: "k", Meta: "meta", Initiated: clock{}.Now().UTC()}); err != nil {
				t.Fatal(err)
			}
			c.crash(t, d, dir)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = open(t, dir)
			var got []string
			for _, u := range d.Uploads() {
				got = []string{}
				if u.ID != id || u.Bucket != "b" || u.Key != "k" || u.Meta != "meta" || !u.Initiated.Equal(clock{}.Now()) {
					t.Errorf("upload %+v", u)
				}
				for _, p := range u.Parts {
					got = append(got, fmt.Sprint(p.Number, p.Sequence, p.Body.Size()))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("parts: number, sequence, size (-want +got):\n%s", diff)
			}
			if n := files(t, dir); len(n) != c.files {
				t.Errorf("data files %v, want %d", n, c.files)
			}
		})
	}
}

// TestDamage: what cannot come from a crash is refused, naming the file, rather than served.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"record": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, objectsDir, objectFile("b", "k")), []byte("{}\n0\n"), 0o600)
		},
		"data": func(dir string) error {
			entries, err := os.ReadDir(filepath.Join(dir, dataDir))
			if err != nil {
				return err
			}
			return os.Truncate(filepath.Join(dir, dataDir, entries[0].Name()), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			if err := d.CreateBucket("b"); err != nil {
				t.Fatal(err)
			}
			if err := d.Link("b", "k", nil, "", []Body{spool(t, d, "text")}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(d.Close(), damage(dir)); err != nil {
				t.Fatal(err)
			}
			if d, err := Open(dir, clock{}); err == nil {
				t.Errorf("opened; closing: %v", d.Close())
			} else {
				t.Log(err)
			}
		})
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	if _, err := Open(dir, clock{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("%v, want ErrInUse with the process", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestListBucket(t *testing.T) {
	for name, s := range map[string]Store{"memory": NewMemory(clock{}), "directory": open(t, t.TempDir())} {
		t.Run(name, func(t *testing.T) { testListBucket(t, s) })
	}
}

func testListBucket(t *testing.T, d Store) {
	if err := d.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	keys := []string{"a", "a/b", "b", "b/", "ba", "c"}
	for _, key := range keys {
		if err := d.Link("b", key, nil, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"", "a", "b", "d"} {
		for _, marker := range []string{"", "a", "aa", "b", "z"} {
			var wanted, got []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) && key > marker {
					wanted = append(wanted, key)
				}
			}
			page := gofakes3.ListBucketPage{Marker: marker, MaxKeys: 2}
			for {
				l, err := d.ListBucket("b", &gofakes3.Prefix{HasPrefix: true, Prefix: prefix}, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range l.Contents {
					got = append(got, o.Key)
				}
				if !l.IsTruncated {
					break
				}
				page.Marker = l.NextMarker
			}
			if !slices.Equal(wanted, got) {
				t.Errorf("prefix %q after %q: %v, want %v", prefix, marker, got, wanted)
			}
		}
	}
}

func FuzzParsePartName(f *testing.F) {
	f.Add("0123456789ABCDEF0123456789ABCDEF.1.2.3.d41d8cd98f00b204e9800998ecf8427e.0000000000000007.1700000000")
	f.Add("body.0123")
	f.Fuzz(func(t *testing.T, name string) {
		id, p, ok := parsePartName(name)
		if !ok {
			return
		}
		again, q, ok := parsePartName(partName(id, p))
		if !ok || again != id || q.Number != p.Number || q.Sequence != p.Sequence || q.MD5 != p.MD5 || q.CRC64 != p.CRC64 ||
			!q.Modified.Equal(p.Modified) || q.Body.Size() != p.Body.Size() {
			t.Errorf("%q: %+v, again %+v, %v", name, p, q, ok)
		}
	})
}

// A directory of somebody else's is not touched.
func TestOpenForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(dir, "data", "thesis.tex")
	if err := os.WriteFile(precious, []byte("ten years"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(dir, gofakes3.DefaultTimeSource()); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v, %v", d, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
