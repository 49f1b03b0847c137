package dir_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/dir"
)

func put(t *testing.T, b *dir.Backend, key, text string) error {
	_, err := b.Put(t.Context(), key, bytes.NewReader([]byte(text)), int64(len(text)), backend.Attributes{}, backend.CompleteOptions{})
	return err
}

func TestKeysRefused(t *testing.T) {
	b := newBackend(t, t.TempDir())
	if err := put(t, b, "file", "x"); err != nil {
		t.Fatal(err)
	}
	if err := put(t, b, "folder/file", "x"); err != nil {
		t.Fatal(err)
	}
	for key, why := range map[string]string{
		"":                              "bytes long",
		strings.Repeat("k/", 600):       "bytes long",
		"a/" + strings.Repeat("k", 256): "255 bytes",
		"nul\x00":                       "NUL",
		"\xff":                          "UTF-8",
		"/a":                            "element",
		"a/":                            "element",
		"a//b":                          "element",
		".":                             "element",
		"a/../b":                        "element",
		".tidemark":                     "keeps for itself",
		".Tidemark/uploads/x":           "keeps for itself",
		"file/x":                        `"file" is a file`,
		"folder":                        "is a folder",
	} {
		_, created := b.Create(t.Context(), key, backend.Attributes{})
		for call, err := range map[string]error{"Create": created, "Put": put(t, b, key, "y")} {
			if !errors.Is(err, backend.ErrInvalid) || !strings.Contains(err.Error(), why) {
				t.Errorf("%s of %.20q returned %v; want ErrInvalid and %q", call, key, err, why)
			}
		}
		if _, err := b.Stat(t.Context(), key); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("Stat of %.20q returned %v", key, err)
		}
	}
}

func symlink(t *testing.T, to, name string) {
	err := os.Symlink(to, name)
	if err != nil && runtime.GOOS == "windows" {
		t.Skipf("this user may not make symbolic links: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// No symbolic link leads out of the directory, nor to another key.
func TestLinks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	b := newBackend(t, root)
	u, err := b.Create(t.Context(), "later/x", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.UploadPart(t.Context(), u, 1, bytes.NewReader(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "later"} {
		symlink(t, outside, filepath.Join(root, name))
	}
	if _, err := b.Complete(t.Context(), u, []backend.Part{p}, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalid) {
		t.Errorf("Complete below a link returned %v", err)
	}
	for _, key := range []string{"link", "link/x"} {
		if err := put(t, b, key, "x"); !errors.Is(err, backend.ErrInvalid) || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("Put of %q returned %v", key, err)
		}
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("outside there is now %v, %v", left, err)
	}
	if _, _, err := b.ListParts(t.Context(), backend.Upload{Key: "later/x", ID: "../uploads/" + u.ID[:15]}, 0); !errors.Is(err, backend.ErrNoSuchUpload) {
		t.Errorf("an upload ID that is a path: %v", err)
	}
}

// A file that other programs wrote is an object whose checksum is not known.
func TestFilesOfOthers(t *testing.T) {
	root := t.TempDir()
	b := newBackend(t, root)
	if err := put(t, b, "a", "ours"); err != nil {
		t.Fatal(err)
	}
	before, err := b.Stat(t.Context(), "a")
	if err != nil || before.CRC64 == nil {
		t.Fatalf("%+v, %v", before, err)
	}
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("edit"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(root, "a"), time.Time{}, before.Modified.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	after, err := b.Stat(t.Context(), "a")
	if err != nil || after.CRC64 != nil || after.ETag == before.ETag || after.Size != 4 {
		t.Errorf("after an edit: %+v, %v", after, err)
	}
}

// A part that is damaged is not listed, so that it is sent again. A file that does not belong here is no upload.
func TestDamage(t *testing.T) {
	root := t.TempDir()
	b, u := begun(t, root)
	var parts []backend.Part
	for n := range 3 {
		p, err := b.UploadPart(t.Context(), u, n+1, bytes.NewReader([]byte("part")), 4)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	uploads := filepath.Join(root, ".tidemark", "uploads")
	for _, name := range []string{filepath.Join(uploads, u.ID, "00002"), filepath.Join(uploads, ".DS_Store")} {
		if err := os.WriteFile(name, []byte("short"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listed, more, err := b.ListParts(t.Context(), u, 0)
	if err != nil || more || len(listed) != 2 || listed[1].Number != 3 {
		t.Errorf("%+v, %t, %v", listed, more, err)
	}
	if _, err := b.Complete(t.Context(), u, parts, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalidPart) {
		t.Errorf("Complete: %v", err)
	}
	found := 0
	for v, err := range b.Uploads(t.Context(), "") {
		if found++; err != nil || v.ID != u.ID {
			t.Errorf("%+v, %v", v, err)
		}
	}
	if found != 1 {
		t.Errorf("%d uploads", found)
	}

	// What cannot be read at all is an error, and not the end of the list.
	part := filepath.Join(uploads, u.ID, "00001")
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		t.Fatal(err)
	}
	if listed, _, err := b.ListParts(t.Context(), u, 0); err == nil {
		t.Errorf("%+v", listed)
	}

	// Nor can it be replaced; what was sent then does not stay.
	if p, err := b.UploadPart(t.Context(), u, 1, bytes.NewReader([]byte("part")), 4); err == nil {
		t.Errorf("%+v", p)
	}
	if left, err := filepath.Glob(filepath.Join(uploads, u.ID, "part.*")); len(left) > 0 || err != nil {
		t.Errorf("left is %v, %v", left, err)
	}
}

// An ID of another length may be of a process whose Go makes longer ones.
func TestLengthOfID(t *testing.T) {
	root := t.TempDir()
	b, u := begun(t, root)
	uploads := filepath.Join(root, ".tidemark", "uploads")
	longer := u.ID + "LONGER"
	if err := os.Rename(filepath.Join(uploads, u.ID), filepath.Join(uploads, longer)); err != nil {
		t.Fatal(err)
	}
	u.ID = longer
	if _, _, err := b.ListParts(t.Context(), u, 0); err != nil {
		t.Error(err)
	}
}

// New removes what dead processes left, once it is old, and no upload.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	_, u := begun(t, root)
	uploads := filepath.Join(root, ".tidemark", "uploads")
	for _, name := range []string{"old", "young", u.ID} {
		if err := os.MkdirAll(filepath.Join(uploads, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(uploads, name, "object"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "young" {
			if err := os.Chtimes(filepath.Join(uploads, name), time.Time{}, time.Now().Add(-25*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := newBackend(t, root)
	if _, err := os.Stat(filepath.Join(uploads, "old")); !os.IsNotExist(err) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(uploads, "young")); err != nil {
		t.Error(err)
	}
	if _, _, err := b.ListParts(t.Context(), u, 0); err != nil {
		t.Error(err)
	}
}

// A directory that is not there may be a disk that is not mounted.
func TestNotThere(t *testing.T) {
	if _, err := dir.New(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestLocation(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "a link")
	symlink(t, root, link)
	want := "dir:/" + strings.TrimPrefix(filepath.ToSlash(root), "/")
	if got := newBackend(t, link).Info().Location; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// begun is a backend in root with an upload of key "a".
func begun(t *testing.T, root string) (*dir.Backend, backend.Upload) {
	t.Helper()
	b := newBackend(t, root)
	u, err := b.Create(t.Context(), "a", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	return b, u
}
