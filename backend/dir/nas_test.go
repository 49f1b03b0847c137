package dir

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// A NAS whose answer is lost is asked again, and may answer with an error since it did the first time what it was asked.
func TestAskedTwice(t *testing.T) {
	// Before it is done here, it is done by the first request.
	first := func(t *testing.T, prefix string, do func(b *Backend, file string) error) *Backend {
		b := handle(t, t.TempDir())
		flush := b.flush
		b.flush = func(f *os.File) error {
			if strings.HasPrefix(filepath.Base(f.Name()), prefix) {
				if err := do(b, filepath.Base(f.Name())); err != nil {
					t.Error(err)
				}
			}
			return flush(f)
		}
		return b
	}
	t.Run("decide", func(t *testing.T) {
		var u backend.Upload
		b := first(t, object, func(b *Backend, file string) error {
			folder := path.Join(uploads, u.ID)
			return b.root.Rename(path.Join(folder, open), path.Join(folder, replace+strings.TrimPrefix(file, object)))
		})
		var parts []backend.Part
		u, parts = begin(t, b)
		o, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{})
		if err != nil || o.Size != 6 || content(t, b) != "onetwo" {
			t.Errorf("%+v, %v; the object is %q", o, err, content(t, b))
		}
	})
	t.Run("link", func(t *testing.T) {
		b := first(t, "object", func(b *Backend, file string) error {
			folders, err := os.ReadDir(filepath.Join(b.root.Name(), filepath.FromSlash(uploads)))
			if err != nil {
				return err
			}
			return b.root.Link(path.Join(uploads, folders[0].Name(), file), "key")
		})
		_, err := b.Put(t.Context(), "key", bytes.NewReader([]byte("text")), 4, backend.Attributes{}, backend.CompleteOptions{IfAbsent: true})
		if err != nil || content(t, b) != "text" {
			t.Errorf("%v; the object is %q", err, content(t, b))
		}
	})
}

// What New removes is old by the clock of the file system, whatever ours says: in the bubble it is the year 2000, and then far from now.
func TestClockOfAnother(t *testing.T) {
	for name, ours := range map[string]time.Duration{"behind": 0, "ahead": 100 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			now := time.Now()
			b := handle(t, root)
			for folder, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
				folder = path.Join(uploads, folder)
				if err := errors.Join(b.root.Mkdir(folder, 0o700), b.root.Chtimes(folder, now, now.Add(-age))); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				<-time.After(ours)
				handle(t, root)
			})
			left, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(uploads)))
			if err != nil || len(left) != 1 || left[0].Name() != "young" {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
}

// A folder that is a disk of its own: nothing can be moved into it, nor ever will be.
func TestOtherDisk(t *testing.T) {
	if err := sorted(&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}); !errors.Is(err, backend.ErrInvalid) {
		t.Error(err)
	}
}
