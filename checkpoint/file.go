package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// File is the Store of one machine: a directory with one text file per upload, which a person can read. It is a Locker and a
// Syncer as well, and safe for use by any number of goroutines and processes at once.
//
// Files get mode 0600 and directories that File makes 0700. A directory that exists keeps its mode, since it may be shared with
// other things on purpose: the logs in it are closed to others all the same. File does not write through a symbolic link in a
// log's place.
//
// The directory should be on a local disk. Where the file system has no locks, Append, Delete and Lock say so in their error.
//
// A log that cannot be read whole never stops an upload and needs nobody to delete it: Load sets it aside, as
// NAME.log.damaged-TIME beside the log, and goes on with all records in it that are whole. Set-aside logs are not removed.
//
// When a call fails because the disk is full or the directory is read-only, what was appended before is still there, and the
// error names the file and what to do.
type File struct {
	dir  string
	turn chan struct{} // capacity 1: holds a value while a goroutine is inside the guard

	guard *guard          // touched only by who has the turn
	tails map[string]tail // by ID. Touched only inside the guard

	unsynced sync.Map // the IDs of logs whose last sync failed

	// The two ways to make bytes durable, and the look at the guard after it was locked. Replaced in tests.
	syncFile  func(*os.File) error
	syncDir   func(dir string) error
	isCurrent func(*guard) (bool, error)
}

var (
	_ Store  = (*File)(nil)
	_ Locker = (*File)(nil)
	_ Syncer = (*File)(nil)
)

// tail remembers how a log ended after an append of ours, so that the next append need not read the log again. It holds as long
// as the file has that size and ends in those bytes, the checksum of the last record: a checksum covers the position, so that a
// log that was deleted and written anew, even by another process and at the same size, is not taken for the old one.
type tail struct {
	path    string // of the log
	size    int64
	records int
	bytes   [lineOverhead]byte
}

const (
	logSuffix     = ".log"
	damagedSuffix = logSuffix + ".damaged-"
	tempSuffix    = logSuffix + ".new"
	lockSuffix    = ".lock"
	guardName     = "guard.lock"
)

// NewFile returns the store in dir, or in [DefaultDir] if dir is empty. A relative dir is relative to the working directory of
// now. Nothing is read or written yet: the directory is made by the first Append or Lock, so that a store that is only read may
// be in a place that cannot be written.
func NewFile(dir string) (*File, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultDir(); err != nil {
			return nil, err
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: directory %s: %w", dir, err)
	}
	return &File{
		dir:       abs,
		turn:      make(chan struct{}, 1),
		guard:     &guard{path: filepath.Join(abs, guardName)},
		tails:     make(map[string]tail),
		syncFile:  (*os.File).Sync,
		syncDir:   syncDir,
		isCurrent: (*guard).isCurrent,
	}, nil
}

// Dir is the absolute path of the directory.
func (f *File) Dir() string { return f.dir }

// base is the path of an ID's files without the suffix. The name is the SHA-256 of the ID and not the ID escaped: it has the same
// length for every ID, so that no limit of a file system is met; it has lower-case letters and digits only, so that no two IDs
// collide where case is ignored and none is a reserved name; and there is no escape to get wrong. The header says which ID it is.
func (f *File) base(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:]))
}

func (f *File) logPath(id string) string { return f.base(id) + logSuffix }

// Load returns the records of id. It writes only if the log is damaged; an error that is then not ErrDamaged says why the log could
// not be set aside, and it is as it was. If the answer is lost, Load again: a damaged log is set aside once.
func (f *File) Load(ctx context.Context, id string) ([][]byte, error) {
	if err := begin(ctx, id); err != nil {
		return nil, err
	}
	path := f.logPath(id)
	s, err := f.scan(ctx, path, id)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: load %s: %w", path, f.advise(err))
	}
	if s.damage == "" {
		return s.records, nil
	}

	// Outside the guard, an append that is just cutting off a torn tail can look like damage. What counts is what is there inside.
	leave, err := f.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: load %s: damaged: %s; cannot set it aside: %w", path, s.damage, err)
	}
	recs, err := f.repair(ctx, path, id)
	return recs, also(err, leave())
}

// repair is Load inside the guard.
func (f *File) repair(ctx context.Context, path, id string) ([][]byte, error) {
	s, err := f.scan(ctx, path, id)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: load %s: %w", path, f.advise(err))
	}
	if s.damage == "" {
		return s.records, nil
	}
	aside, err := f.setAside(path, id, s.records)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: load %s: damaged: %s; cannot set it aside: %w; %s", path, s.damage, err, f.remedy(err))
	}
	return s.records, fmt.Errorf("%w: %s: %s; now in %s; %d records kept", ErrDamaged, path, s.damage, aside, len(s.records))
}

// scan reads a log. A log that is not there is empty. What is not a regular file is damage, and is not opened.
func (f *File) scan(ctx context.Context, path, id string) (s scan, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return scan{}, nil
	case err != nil:
		return scan{}, err
	case !info.Mode().IsRegular():
		return scan{damage: "it is not a regular file"}, nil
	}
	file, err := openShared(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return scan{}, nil
	}
	if err != nil {
		return scan{}, err
	}
	defer func() { err = also(err, file.Close()) }()
	return decode(contextReader{ctx, file}, id)
}

// contextReader stops a read of a huge file when the context is over.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Delete removes the log of id if it has exactly at records and ends in last, and what a lock of a dead process left. A log that is
// damaged is ErrConflict: Load repairs it. After a power cut the log may be back.
func (f *File) Delete(ctx context.Context, id string, at int, last []byte) error {
	if err := begin(ctx, id); err != nil {
		return err
	}
	path := f.logPath(id)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	leave, err := f.enter(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint: delete %s: %w", path, err)
	}
	return also(f.remove(ctx, path, id, at, last), leave())
}

// remove is Delete inside the guard.
func (f *File) remove(ctx context.Context, path, id string, at int, last []byte) error {
	s, err := f.scan(ctx, path, id)
	if err != nil {
		return fmt.Errorf("checkpoint: delete %s: %w", path, f.advise(err))
	}
	n := len(s.records)
	// A log without a record, which a crash in its first append leaves, is no log: it goes, whatever the caller believes.
	if s.damage != "" || n > 0 && (n != at || !bytes.Equal(s.records[n-1], last)) {
		return ErrConflict
	}
	delete(f.tails, id)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoint: delete: %w; %s", err, f.remedy(nil)) // it is the directory that says no
	}
	return also(removeIfThere(f.base(id)+tempSuffix), f.removeDeadLock(id)) // a repair that died may have left the first
}

// IDs lists the logs in the directory, and passes over every other file. A directory that does not exist has none. A log whose first
// line is damaged beyond the ID is not listed; it is found when its upload is started again. A log that cannot be read does not hide
// the others: its error comes last.
func (f *File) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := os.ReadDir(f.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield("", fmt.Errorf("checkpoint: list: %w", f.advise(err)))
			return
		}
		var unread error
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !isLogName(e.Name()) || !e.Type().IsRegular() {
				continue
			}
			id, ok, err := f.identify(filepath.Join(f.dir, e.Name()))
			if err != nil {
				unread = also(unread, fmt.Errorf("checkpoint: list: %w", f.advise(err)))
			}
			if ok && !yield(id, nil) {
				return
			}
		}
		if unread != nil {
			yield("", unread)
		}
	}
}

// isLogName reports whether name is one that base makes. Nothing else in the directory is opened: it is not ours, and may be a file
// that another program does not want to be opened.
func isLogName(name string) bool {
	sum, ok := strings.CutSuffix(name, logSuffix)
	return ok && len(sum) == hex.EncodedLen(sha256.Size) && strings.Trim(sum, "0123456789abcdef") == ""
}

// identify reads the ID of the log at path, which must be the one that its name is made of. A log that has not one whole line
// after the header has no record.
func (f *File) identify(path string) (id string, ok bool, err error) {
	file, err := openShared(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil // deleted since the directory was read
	}
	if err != nil {
		return "", false, err
	}
	defer func() { err = also(err, file.Close()) }()
	start := make([]byte, len(header(""))+4*maxIDSize+maxLine) // quoting makes at most four bytes of one
	n, err := io.ReadFull(file, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, err
	}
	first, rest, _ := bytes.Cut(start[:n], []byte("\n"))
	id, ok = headerID(first)
	return id, ok && f.logPath(id) == path && bytes.IndexByte(rest, '\n') >= 0, nil
}

// remedy is what a person can do about err.
func (f *File) remedy(err error) string {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && errors.Is(at, fs.ErrPermission) && isForeign(at.Path) {
		return fmt.Sprintf("nothing recorded before was lost: %s belongs to another user: chown or remove it, or choose another checkpoint directory", at.Path)
	}
	return fmt.Sprintf("nothing recorded before was lost: make %s writable and free some space, or choose another checkpoint directory", f.dir)
}

// advise adds the remedy to the error of something that was only read, where it is one of permissions: the disk may be full then.
func (f *File) advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; %s", err, f.remedy(err))
	}
	return err
}
