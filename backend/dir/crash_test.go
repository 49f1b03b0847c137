package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

func handle(t *testing.T, root string) *Backend {
	t.Helper()
	b, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// begin returns an upload of "key" with the parts "one" and "two".
func begin(t *testing.T, b *Backend) (backend.Upload, []backend.Part) {
	t.Helper()
	u, err := b.Create(t.Context(), "key", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []backend.Part
	for i, text := range []string{"one", "two"} {
		p, err := b.UploadPart(t.Context(), u, i+1, bytes.NewReader([]byte(text)), 3)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	return u, parts
}

// decide does what Complete does until it is decided, as a process that dies then.
func decide(t *testing.T, b *Backend, u backend.Upload, parts []backend.Part, token string) (folder string) {
	t.Helper()
	folder = path.Join(uploads, u.ID)
	var crc uint64
	err := b.create(path.Join(folder, object+"X"), func(f *os.File) (err error) {
		crc, err = b.assemble(t.Context(), f, folder, parts)
		return err
	})
	if err == nil {
		_, _, err = b.remember(u.Key, path.Join(folder, object+"X"), crc)
	}
	if err == nil && token != "" {
		err = b.root.Rename(path.Join(folder, open), path.Join(folder, token+"X"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func content(t *testing.T, b *Backend) string {
	data, err := b.root.ReadFile("key")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// After a process died within Complete, whatever call comes next finds the upload either open or gone, and the object accordingly.
func TestDeadInComplete(t *testing.T) {
	calls := map[string]func(b *Backend, u backend.Upload, parts []backend.Part) error{
		"Complete": func(b *Backend, u backend.Upload, parts []backend.Part) error {
			_, err := b.Complete(context.Background(), u, parts, backend.CompleteOptions{IfAbsent: true})
			return err
		},
		"ListParts": func(b *Backend, u backend.Upload, _ []backend.Part) error {
			_, _, err := b.ListParts(context.Background(), u, 0)
			return err
		},
		"Abort": func(b *Backend, u backend.Upload, _ []backend.Part) error { return b.Abort(context.Background(), u) },
	}
	newer := func(t *testing.T, b *Backend) {
		if _, err := b.Put(t.Context(), "key", bytes.NewReader([]byte("newer")), 5, backend.Attributes{}, backend.CompleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		died  string
		token string
		after func(t *testing.T, b *Backend, folder string)
		open  bool   // the upload is still there
		want  string // the object, before anything else
	}{
		{"before it was decided", "", nil, true, ""},
		{"decided", replace, nil, false, "onetwo"},
		{"decided, over another", replace, func(t *testing.T, b *Backend, _ string) { newer(t, b) }, false, "onetwo"},
		{"published, then replaced", replace, func(t *testing.T, b *Backend, folder string) {
			if err := b.root.Rename(path.Join(folder, object+"X"), "key"); err != nil {
				t.Fatal(err)
			}
			newer(t, b)
		}, false, "newer"},
		{"if absent: decided", ifAbsent, nil, false, "onetwo"},
		{"if absent: published", ifAbsent, func(t *testing.T, b *Backend, folder string) {
			if err := b.root.Link(path.Join(folder, object+"X"), "key"); err != nil {
				t.Fatal(err)
			}
		}, false, "onetwo"},
		{"decided, but refused", replace, func(t *testing.T, b *Backend, folder string) {
			if err := b.root.Rename(path.Join(folder, object+"X"), path.Join(folder, "refused.X")); err != nil {
				t.Fatal(err)
			}
		}, true, ""},
		{"if absent: another came first", ifAbsent, func(t *testing.T, b *Backend, _ string) { newer(t, b) }, true, "newer"},
	} {
		for name, call := range calls {
			t.Run(c.died+"/"+name, func(t *testing.T) {
				root := t.TempDir()
				dead := handle(t, root)
				u, parts := begin(t, dead)
				folder := decide(t, dead, u, parts, c.token)
				if c.after != nil {
					c.after(t, dead, folder)
				}

				b := handle(t, root)
				err := call(b, u, parts)
				if c.open != !errors.Is(err, backend.ErrNoSuchUpload) {
					t.Errorf("%s returned %v", name, err)
				}
				want := c.want
				if name == "Complete" && want == "" {
					want = "onetwo"
				}
				if got := content(t, b); got != want {
					t.Errorf("the object is %q, want %q", got, want)
				}
				if want == "onetwo" {
					if o, err := b.Stat(t.Context(), "key"); err != nil || o.CRC64 == nil || o.Size != 6 {
						t.Errorf("Stat: %+v, %v", o, err)
					}
				}
				if left, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "refused.*")); len(left) > 0 || err != nil {
					t.Errorf("the object that was refused is still there: %v, %v", left, err)
				}
				if _, err := b.root.Lstat(folder); !c.open && !os.IsNotExist(err) {
					t.Errorf("the upload's folder is still there: %v", err)
				}
			})
		}
	}
}

// Several handles, as processes have, end one upload at once. One of them publishes it, once, unless it is aborted first.
func TestEndedByMany(t *testing.T) {
	root := t.TempDir()
	handles := make([]*Backend, 4)
	for i := range handles {
		handles[i] = handle(t, root)
	}
	for round := range 60 {
		u, parts := begin(t, handles[0])
		abort := round%2 == 0
		opts := backend.CompleteOptions{IfAbsent: round%3 == 0}
		os.Remove(filepath.Join(root, "key"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers, done := map[string]int{}, 0
		note := func(call string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if errors.Is(err, backend.ErrNoSuchUpload) {
				err = backend.ErrNoSuchUpload
			}
			answers[fmt.Sprint(call, ": ", err)]++
		}
		for _, b := range handles {
			wg.Go(func() {
				_, err := b.Complete(context.Background(), u, parts, opts)
				note("Complete", err)
			})
			wg.Go(func() { b.ListParts(context.Background(), u, 0) })
		}
		if abort {
			wg.Go(func() { note("Abort", handles[1].Abort(context.Background(), u)) })
		}
		wg.Wait()
		want := "onetwo"
		if answers["Abort: <nil>"] == 1 {
			want = ""
		}
		if got := content(t, handles[0]); got != want || done != 1 {
			t.Fatalf("round %d: object %q, want %q; %v", round, got, want, answers)
		}
		if left, err := os.ReadDir(filepath.Join(root, uploads)); len(left) > 0 || err != nil {
			t.Fatalf("round %d: left %v, %v", round, left, err)
		}
	}
}

// Two objects of one key and size that were written within a tick of the clock are not taken for each other.
func TestOneTick(t *testing.T) {
	b := handle(t, t.TempDir())
	tick := time.Now().Truncate(time.Second)
	seen := map[string]bool{}
	for i := range 3 {
		name := fmt.Sprint("file", i)
		if err := b.root.WriteFile(name, []byte{byte(i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.root.Chtimes(name, tick, tick); err != nil {
			t.Fatal(err)
		}
		_, sum, err := b.remember("key", name, uint64(i))
		if err != nil || seen[sum] {
			t.Errorf("%d: %s again, %v", i, sum, err)
		}
		seen[sum] = true
	}
}

// Where names are folded, a key is taken in the spelling that is there. (That another one is refused can be seen on such a file system only;
// there the conformance test sees it.)
func TestFolds(t *testing.T) {
	b := handle(t, t.TempDir())
	b.folds = true
	for range 2 {
		if _, err := b.Put(t.Context(), "A/b/c", bytes.NewReader(nil), 0, backend.Attributes{}, backend.CompleteOptions{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Stat(t.Context(), "A/b/c"); err != nil {
		t.Error(err)
	}
}
