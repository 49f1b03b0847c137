// Package dir is a store in a local directory: a mounted disk, a NAS, a folder for tests. It is complete, safe against crashes and
// power cuts, and short: the example of how a backend is written (docs/custom-backend.md).
//
// The object of key "a/b" is the file a/b below the root, so that any program can read it. Beside the objects there is one folder,
// .tidemark:
//
//	.tidemark/uploads/ID/key        an unfinished upload: a folder with the text of its key,
//	.tidemark/uploads/ID/00001      its parts, each followed by 8 bytes: its CRC-64
//	.tidemark/crc64/…               the CRC-64 of each object that this package wrote
//
// Every file is written under another name, synced and renamed, so it is there whole or not at all. There are no locks: any number of
// processes and machines may use the directory at once, and none is hindered by one that died; commit.go says how.
//
// # Limits
//
// A key that no plain file can have is refused with [backend.ErrInvalid], and so are all attributes, which a directory cannot keep, and
// IfAbsent where the file system has no hard links. A file that other programs put there or changed is an object without a CRC-64; a
// change that keeps size and modification time is not seen. On a file system that takes names like "A" and "a" for one, a key
// is refused while its other spelling is there; two that are written at the same moment may still become one.
package dir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

const (
	own     = ".tidemark"
	uploads = own + "/uploads"
	sums    = own + "/crc64"
)

const maxParts = 10000 // as elsewhere; with parts of any size, it limits no object

// staleAfter is the age at which a folder that belongs to no upload is taken for one that a dead process left.
const staleAfter = 24 * time.Hour

// Backend is a store in a directory. Use [New]. It is safe for concurrent use, by processes too.
type Backend struct {
	root     *os.Root // nothing outside of it is reached, whatever keys and symbolic links say
	location string
	folds    bool                 // the file system takes different names for one
	flush    func(*os.File) error // (*os.File).Sync; tests see here what a power cut leaves
}

var (
	_ backend.MultipartBackend = (*Backend)(nil)
	_ backend.Putter           = (*Backend)(nil)
	_ backend.UploadLister     = (*Backend)(nil)
)

// New returns a store in the directory root, which must exist: an absent one may be a disk that is not mounted. Objects and their
// folders get the permissions that the umask leaves, as other files do; .tidemark is for the user only who was first.
//
// New removes what processes that died more than a day ago left, except uploads, which can be resumed.
func New(root string) (*Backend, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, err
	}
	location := url.URL{Scheme: "dir", OmitHost: true, Path: "/" + strings.TrimPrefix(filepath.ToSlash(abs), "/")}
	b := &Backend{location: location.String(), flush: (*os.File).Sync}
	if b.root, err = os.OpenRoot(abs); err != nil {
		return nil, err
	}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", abs, err), b.Close())
	}
	return b, nil
}

// Close releases the directory. Calls that are under way, and later ones, fail.
func (b *Backend) Close() error { return b.root.Close() }

// Info implements [backend.MultipartBackend]. Location is the absolute path as a URL: a directory that is mounted elsewhere is another
// location.
func (b *Backend) Info() backend.Info { return backend.Info{Location: b.location, MaxParts: maxParts} }

func (b *Backend) prepare() error {
	for _, dir := range []string{own, uploads, sums} {
		if err := b.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := b.sync(".", own); err != nil {
		return err
	}
	now, err := b.probe()
	if err != nil {
		return err
	}
	folders, err := fs.ReadDir(b.root.FS(), uploads)
	if err != nil {
		return err
	}
	for _, f := range folders {
		info, err := f.Info()
		if err != nil || now.Sub(info.ModTime()) < staleAfter {
			continue // or it is gone
		}
		if _, err := b.token(f.Name()); errors.Is(err, fs.ErrNotExist) || !f.IsDir() {
			if err := b.root.RemoveAll(path.Join(uploads, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// probe finds out whether the file system looks at upper and lower case, and at how a letter with an accent is composed. It returns
// the time by the file system's clock, which on a NAS is not ours.
func (b *Backend) probe() (now time.Time, err error) {
	name := path.Join(uploads, "probe-\u00e9-"+rand.Text())
	if err := b.root.WriteFile(name, nil, 0o600); err != nil {
		return now, err
	}
	defer func() { err = errors.Join(err, b.root.Remove(name)) }()
	for _, other := range []string{strings.ToLower(name), strings.ReplaceAll(name, "\u00e9", "e\u0301")} {
		if _, err := b.root.Lstat(other); err == nil {
			b.folds = true
		}
	}
	info, err := b.root.Lstat(name)
	if err != nil {
		return now, err
	}
	return info.ModTime(), nil
}
