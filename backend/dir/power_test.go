//go:build !windows

// On Windows no folder is synced, so there is nothing to see here.

package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// disk knows what a power cut would leave of a directory: of each folder the names that it had when it was last synced, of each file the
// bytes and the time. Nothing else, in no order: a file that was moved from one folder into another can be in both, or in none.
type disk struct {
	root string

	mu      sync.Mutex
	folders map[string]map[string]*platter // by path and name; nil is a folder
	files   []*platter
	left    int // the syncs until the power is cut
}

// platter is a synced file.
type platter struct {
	open *os.File // so that its inode becomes no other file's
	info fs.FileInfo
	data []byte
}

var errPowerCut = errors.New("power cut")

// newDisk returns a handle on an empty directory, whose power fails at the given sync (from 0).
func newDisk(t *testing.T, cut int) (*disk, *Backend) {
	d := &disk{root: t.TempDir(), folders: map[string]map[string]*platter{}, left: cut}
	t.Cleanup(func() {
		for _, p := range d.files {
			p.open.Close()
		}
	})
	b := &Backend{flush: d.flush}
	var err error
	if b.root, err = os.OpenRoot(d.root); err == nil {
		t.Cleanup(func() { b.Close() })
		err = b.prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, b
}

const never = 1 << 30

func (d *disk) flush(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return errPowerCut
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return d.keep(f, info)
	}
	entries, err := os.ReadDir(f.Name())
	if err != nil {
		return err
	}
	names := map[string]*platter{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		names[e.Name()] = d.file(info)
		if !info.IsDir() && names[e.Name()] == nil {
			names[e.Name()] = &platter{info: info} // its bytes were never synced
		}
	}
	name, err := filepath.Rel(d.root, f.Name())
	d.folders[filepath.ToSlash(name)] = names
	return err
}

func (d *disk) file(info fs.FileInfo) *platter {
	for _, p := range d.files {
		if os.SameFile(p.info, info) {
			return p
		}
	}
	return nil
}

func (d *disk) keep(f *os.File, info fs.FileInfo) (err error) {
	p := d.file(info)
	if p == nil {
		p = &platter{}
		if p.open, err = os.Open(f.Name()); err != nil {
			return err
		}
		d.files = append(d.files, p)
	}
	p.info = info
	p.data, err = os.ReadFile(f.Name())
	return err
}

// cut returns a handle on what the power cut left.
func (d *disk) cut(t *testing.T) *Backend {
	root := t.TempDir()
	links := map[*platter]string{}
	var write func(folder string) error
	write = func(folder string) error {
		for name, p := range d.folders[folder] {
			name = path.Join(folder, name)
			full := filepath.Join(root, filepath.FromSlash(name))
			var err error
			switch {
			case p == nil:
				if err = os.Mkdir(full, 0o700); err == nil {
					err = write(name)
				}
			case links[p] != "":
				err = os.Link(links[p], full)
			default:
				if err = os.WriteFile(full, p.data, 0o600); err == nil {
					err = os.Chtimes(full, time.Time{}, p.info.ModTime())
				}
				links[p] = full
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := write("."); err != nil {
		t.Fatal(err)
	}
	return handle(t, root)
}

// beginSynced is begin, with names of the parts that no power cut takes.
func beginSynced(t *testing.T, b *Backend) (backend.Upload, []backend.Part) {
	u, parts := begin(t, b)
	if err := b.sync(path.Join(uploads, u.ID)); err != nil {
		t.Fatal(err)
	}
	return u, parts
}

func mustPut(t *testing.T, b *Backend, text string) {
	t.Helper()
	if _, err := b.Put(t.Context(), "key", bytes.NewReader([]byte(text)), int64(len(text)), backend.Attributes{}, backend.CompleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// isGone holds that each call answers so, and that the object is as wanted before and after.
func isGone(t *testing.T, b *Backend, u backend.Upload, want string) {
	t.Helper()
	_, _, listed := b.ListParts(t.Context(), u, 0)
	aborted := b.Abort(t.Context(), u)
	for _, err := range []error{listed, aborted} {
		if !errors.Is(err, backend.ErrNoSuchUpload) {
			t.Errorf("the upload that was gone: %v", err)
		}
	}
	if got := content(t, b); got != want {
		t.Errorf("the object is %q, want %q", got, want)
	}
}

// What was answered is so after a power cut.
func TestPowerCutAfterAnswer(t *testing.T) {
	t.Run("Create", func(t *testing.T) {
		d, b := newDisk(t, never)
		u, err := b.Create(t.Context(), "key", backend.Attributes{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.cut(t).ListParts(t.Context(), u, 0); err != nil {
			t.Error(err)
		}
	})
	for _, absent := range []bool{false, true} {
		t.Run(fmt.Sprint("Complete, then replaced; if absent: ", absent), func(t *testing.T) {
			d, b := newDisk(t, never)
			u, parts := beginSynced(t, b)
			if _, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{IfAbsent: absent}); err != nil {
				t.Fatal(err)
			}
			isGone(t, d.cut(t), u, "onetwo")
			mustPut(t, b, "newer")
			isGone(t, d.cut(t), u, "newer")
		})
	}
	t.Run("Complete, refused", func(t *testing.T) {
		d, b := newDisk(t, never)
		u, parts := beginSynced(t, b)
		b.flush = func(f *os.File) error { // when the object is assembled, another comes first
			if err := d.flush(f); err != nil || !strings.HasPrefix(path.Base(f.Name()), object) || content(t, b) != "" {
				return err
			}
			return b.root.WriteFile("key", []byte("first"), 0o600)
		}
		if _, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{IfAbsent: true}); !errors.Is(err, backend.ErrExists) {
			t.Fatal(err)
		}
		b = d.cut(t) // nobody synced that other object, so the key is free again
		if _, _, err := b.ListParts(t.Context(), u, 0); err != nil || content(t, b) != "" {
			t.Errorf("%v, and the object %q", err, content(t, b))
		}
	})
	t.Run("of a call that found an upload published by a process that died", func(t *testing.T) {
		d, b := newDisk(t, never)
		u, parts := beginSynced(t, b)
		folder := decide(t, b, u, parts, replace)
		if err := b.root.Rename(path.Join(folder, object+"X"), "key"); err != nil {
			t.Fatal(err)
		}
		isGone(t, b, u, "onetwo")
		isGone(t, d.cut(t), u, "onetwo")
	})
	t.Run("Abort", func(t *testing.T) {
		d, b := newDisk(t, never)
		u, _ := beginSynced(t, b)
		if err := b.Abort(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		isGone(t, d.cut(t), u, "")
	})
}

// Wherever the power is cut within Complete, the upload is open and can be completed, or is gone and the object is there.
func TestPowerCutInComplete(t *testing.T) {
	for _, absent := range []bool{false, true} {
		opts := backend.CompleteOptions{IfAbsent: absent}
		open, gone := 0, 0
		for n, done := 0, false; !done; n++ {
			d, b := newDisk(t, never)
			u, parts := beginSynced(t, b)
			d.left = n
			_, err := b.Complete(t.Context(), u, parts, opts)
			done = err == nil
			b = d.cut(t)
			_, err = b.Complete(context.Background(), u, parts, opts)
			switch {
			case err == nil:
				open++
			case errors.Is(err, backend.ErrNoSuchUpload):
				gone++
			default:
				t.Errorf("cut at sync %d: %v", n, err)
			}
			if got := content(t, b); got != "onetwo" {
				t.Errorf("cut at sync %d: Complete returned %v, and the object is %q", n, err, got)
			}
		}
		if open < 2 || gone < 2 {
			t.Errorf("of the cuts, %d left the upload open, and %d not", open, gone)
		}
	}
}

// An object whose time was moved, since another one has it, keeps the new time, by which its CRC-64 is found.
func TestPowerCutKeepsTime(t *testing.T) {
	d, b := newDisk(t, never)
	tick := time.Now().Truncate(time.Second)
	for i := range 2 {
		name := fmt.Sprint("file", i)
		err := b.create(name, func(f *os.File) error {
			_, err := f.WriteString(fmt.Sprint(i))
			return errors.Join(err, b.root.Chtimes(name, tick, tick))
		})
		info, _, err2 := b.remember("key", name, uint64(i))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if kept := d.file(info); !kept.info.ModTime().Equal(info.ModTime()) {
			t.Errorf("%s was found by the time %v; a power cut leaves %v", name, info.ModTime(), kept.info.ModTime())
		}
	}
}

// Others refuse an upload just after it was decided, and the object that is under its key then has got the inode of the one that was not
// published.
func TestInodeOfAnother(t *testing.T) {
	b := handle(t, t.TempDir())
	u, parts := begin(t, b)
	folder := path.Join(uploads, u.ID)
	flush := b.flush
	b.flush = func(f *os.File) error {
		token, err := b.token(u.ID)
		if err != nil || token.name == open || path.Base(f.Name()) != u.ID {
			return errors.Join(err, flush(f))
		}
		return errors.Join(
			b.root.Rename(path.Join(folder, object+token.name[len(replace):]), "key"),
			b.root.WriteFile("key", []byte("another"), 0o600),
			b.root.Rename(path.Join(folder, token.name), path.Join(folder, open)))
	}
	if o, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{}); err == nil {
		t.Errorf("Complete returned %+v; the object is %q", o, content(t, b))
	}
}
