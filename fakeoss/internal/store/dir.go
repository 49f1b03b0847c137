package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/johannesboyne/gofakes3"
)

// Dir is a Store over a directory. What a method has acknowledged is on the disk: it survives SIGKILL, and a power cut where
// the file system honours sync. What was being written is seen whole or not at all.
//
//	lock            held by the operating system as long as the directory is open
//	holder          who that is, for the message that another one gets
//	format          the version of this layout
//	buckets/NAME    a record for each bucket
//	objects/HASH    a record for each object: its names, its metadata, and the files of data/ that it is made of
//	uploads/ID      a record for each unfinished upload
//	data/           the bytes. A part's file name says everything about the part; see [partName].
//
// An object's record names its data files, so Complete makes an object of any size out of its parts by writing one small
// file. A record is replaced by renaming; a data file is never changed once it is named, and is removed when nothing needs
// it. A file of data/ that no record names is what a crash has left; Open removes it.
//
// Keys never become file names: a record is stored under the SHA-256 of bucket and key. So "a" and "a/b", "..", "A" on a
// file system that ignores case, and keys of 1023 bytes need no care.
type Dir struct {
	root    string
	lock    *flock.Flock
	now     gofakes3.TimeSource
	uploads []Upload // found by Open

	mu      sync.Mutex // guards what follows; never held while the disk is waited for
	buckets map[string]*dirBucket
	refs    map[string]int // how many objects, parts, bodies and readers need a file of data/
}

type dirBucket struct {
	record  bucketRecord
	objects map[string]*objectRecord
	keys    []string // those of objects, sorted
}

var _ Store = (*Dir)(nil)

// The directories below the root.
const (
	bucketsDir = "buckets"
	objectsDir = "objects"
	uploadsDir = "uploads"
	dataDir    = "data"
)

const format = "tidemark fakeoss 1\n"

// Open opens a directory, and makes it if it is not there. The error is [ErrInUse] if another Dir has it open.
func Open(root string, now gofakes3.TimeSource) (_ *Dir, err error) {
	if err := claimDir(root); err != nil {
		return nil, err
	}
	for _, d := range []string{"", bucketsDir, objectsDir, uploadsDir, dataDir} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
			return nil, err
		}
	}
	d := &Dir{root: root, now: now, lock: flock.New(filepath.Join(root, "lock"), flock.SetPermissions(0o600)),
		buckets: map[string]*dirBucket{}, refs: map[string]int{}}
	locked, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", root, err)
	}
	if !locked {
		return nil, fmt.Errorf("%s: %w, held by %s", root, ErrInUse, d.holder())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.lock.Close())
		}
	}()
	if err := d.sign(); err != nil {
		return nil, err
	}
	if err := d.recover(); err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	return d, nil
}

// sign leaves a note of who holds the lock. The lock file itself cannot be read by others on Windows.
func (d *Dir) sign() error {
	note := fmt.Sprintf("process %d since %s", os.Getpid(), time.Now().Format(time.RFC3339))
	return os.WriteFile(filepath.Join(d.root, "holder"), []byte(note), 0o600)
}

func (d *Dir) holder() string {
	b, err := os.ReadFile(filepath.Join(d.root, "holder"))
	if err != nil || len(b) == 0 {
		return "an unknown process"
	}
	return strings.TrimSpace(string(b))
}

// claimDir makes the directory if it is not there and marks an empty one as ours. Any other directory is somebody's: Open would
// spread its files in it, and remove some that are not its own.
func claimDir(root string) error {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	name := filepath.Join(root, "format")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(root)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return fmt.Errorf("%s is not empty and was not made by a fake server; name a new or an empty directory", root)
		}
		return writeFile(name, []byte(format))
	}
	if err != nil {
		return err
	}
	if string(b) != format {
		return fmt.Errorf("%s: %w: %q", name, ErrVersion, b)
	}
	return nil
}

// Close implements [Store].
func (d *Dir) Close() error { return d.lock.Close() }

func (d *Dir) path(elem ...string) string { return filepath.Join(append([]string{d.root}, elem...)...) }

// bucket returns a bucket. d.mu is held.
func (d *Dir) bucket(name string) (*dirBucket, error) {
	b := d.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	return b, nil
}
