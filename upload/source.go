package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// Source is the bytes to send.
type Source interface {
	// ReadAt is called from several goroutines.
	io.ReaderAt

	// Size in bytes. It may change when Version does; the engine asks after it asked for the version.
	Size() int64

	// ID names the source in the checkpoint: an absolute path, a URL. It is what a later process must give again to
	// resume, and holds no secret. [Request].SourceID overrides it.
	ID() string

	// Version differs whenever the bytes may differ. It is a short text of any form; an empty one says nothing, so that
	// the bytes are compared wherever a version would have been trusted.
	Version() (string, error)
}

// Stamper is the optional interface of a Source whose Version rests on time stamps, as that of a file does.
type Stamper interface {
	// Stamp returns the youngest time stamp in the Version that was returned last. A write within the same tick of a
	// file system's clock leaves the stamps as they are, so a version is trusted only when it is 2 s old (the rule that
	// git calls racy).
	Stamp() time.Time
}

// NewSource returns a Source that reads r. The size is in bytes; the version must differ whenever the bytes may differ, and
// may be empty.
func NewSource(r io.ReaderAt, size int64, id, version string) Source {
	return &readerSource{r, size, id, version}
}

type readerSource struct {
	io.ReaderAt
	size        int64
	id, version string
}

func (s *readerSource) Size() int64              { return s.size }
func (s *readerSource) ID() string               { return s.id }
func (s *readerSource) Version() (string, error) { return s.version, nil }

// File is the Source of a regular file. Its version comes from the open file, not from its name: size, modification time in
// nanoseconds and, where the platform has them, change time, device and inode.
type File struct {
	f     *os.File
	path  string
	size  atomic.Int64
	stamp atomic.Int64 // nanoseconds since 1970
}

var _ interface {
	Source
	Stamper
} = (*File)(nil)

// OpenFile opens a regular file as a Source; path is its ID and should be absolute. Anything else is refused with
// [backend.ErrInvalid].
func OpenFile(path string) (*File, error) {
	// Opening a pipe would wait for its writer, so look first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(path, info.Mode()); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &File{f: f, path: path}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(path, info.Mode())
	}
	if err == nil {
		_, err = s.Version()
	}
	if err != nil {
		f.Close() // it was only read
		return nil, err
	}
	return s, nil
}

func checkRegular(path string, mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s is a directory, name a file in it: %w", path, backend.ErrInvalid)
	case mode&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%s is a pipe, which cannot be read twice; write it to a file first: %w", path, backend.ErrInvalid)
	case mode&fs.ModeSocket != 0:
		return fmt.Errorf("%s is a socket, not a file: %w", path, backend.ErrInvalid)
	default:
		return fmt.Errorf("%s is a device, not a file: %w", path, backend.ErrInvalid)
	}
}

// ReadAt implements io.ReaderAt.
func (s *File) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

// Size implements Source; it is the size at the last Version.
func (s *File) Size() int64 { return s.size.Load() }

// ID implements Source.
func (s *File) ID() string { return s.path }

// Stamp implements Stamper.
func (s *File) Stamp() time.Time { return time.Unix(0, s.stamp.Load()) }

// Version implements Source.
func (s *File) Version() (string, error) {
	info, err := s.f.Stat()
	if err != nil {
		return "", err
	}
	id, err := identify(s.f, info)
	if err != nil {
		return "", fmt.Errorf("stat %s: %w", s.path, err)
	}
	stamp := info.ModTime()
	version := fmt.Sprintf("size=%d mtime=%d", info.Size(), info.ModTime().UnixNano())
	if !id.changed.IsZero() {
		version += fmt.Sprintf(" ctime=%d", id.changed.UnixNano())
		if id.changed.After(stamp) {
			stamp = id.changed
		}
	}
	if id.known {
		version += fmt.Sprintf(" dev=%d inode=%d", id.device, id.inode)
	}
	s.size.Store(info.Size())
	s.stamp.Store(stamp.UnixNano())
	return version, nil
}

// Close closes the file.
func (s *File) Close() error { return s.f.Close() }

// identity is what a platform tells of an open file beyond fs.FileInfo.
type identity struct {
	changed       time.Time // zero if there is none
	known         bool      // device and inode
	device, inode uint64
}

// racy is how old a time stamp must be before a version is trusted. The coarsest clock of a file system in use is FAT's, 2 s.
const racy = 2 * time.Second

// snapshot is a version of the source, as it was when it was asked for.
type snapshot struct {
	digest  string // of the version; empty if the source has none
	size    int64
	trusted time.Time // what is read from then on is of this version, if it is the same afterwards
}

func (r *run) snapshot() (snapshot, error) {
	version, err := r.src.Version()
	if err != nil {
		return snapshot{}, &sourceError{fmt.Errorf("read the version of %s: %w", r.sourceID, err)}
	}
	s := snapshot{digest: digest(version), size: r.src.Size()}
	if with, ok := r.src.(Stamper); ok {
		s.trusted = with.Stamp().Add(racy)
	}
	return s, nil
}

// same says that two snapshots are of one version, as far as the source can tell.
func (s snapshot) same(t snapshot) bool { return s.digest == t.digest && s.size == t.size }

// proves says whether what is read from now on is of this version, if it is the same afterwards.
func (s snapshot) proves(now time.Time) bool { return s.digest != "" && !now.Before(s.trusted) }

// errMoved: the source is not what it was a moment ago. The pass ends and another begins.
var errMoved = errors.New("the source changed while it was read")

// sourceError is an error of reading the source; asking the store again does not help.
type sourceError struct{ error }

func (e *sourceError) Unwrap() error { return e.error }

// sum reads a stretch of the source and returns its CRC-64; errMoved if the source ends before.
func (r *run) sum(ctx context.Context, offset, size int64) (crc uint64, err error) {
	buf := make([]byte, min(size, 64<<10))
	for end := offset + size; offset < end; {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		n, err := readAt(r.src, buf[:min(int64(len(buf)), end-offset)], offset)
		if err != nil {
			return 0, err
		}
		crc = crc64.Update(crc, buf[:n])
		offset += int64(n)
	}
	return crc, nil
}

// readWhole describes the source as one whole: size and CRC-64. ErrSourceChanged if it ends before its size.
func (r *run) readWhole(ctx context.Context) (*record, error) {
	now, err := r.snapshot()
	if err != nil {
		return nil, err
	}
	slots := plan(now.size, DefaultPartSize)
	sums := make([]uint64, len(slots))
	err = r.each(ctx, slots, func(ctx context.Context, s slot) (err error) {
		sums[s.number-1], err = r.sum(ctx, s.offset, s.size)
		return err
	})
	if errors.Is(err, errMoved) {
		return nil, &Error{Op: "read the source", Key: r.key, Err: ErrSourceChanged}
	}
	if err != nil {
		return nil, err
	}
	var crc uint64
	for i, s := range slots {
		crc = crc64.Combine(crc, sums[i], s.size)
	}
	return &record{Size: now.size, CRC64: sumOf(crc)}, nil
}

// sourceIs says whether the source is still what whole describes, by its version or else by its content.
func (r *run) sourceIs(ctx context.Context, whole record) (bool, error) {
	now, err := r.snapshot()
	if err != nil || now.size != whole.Size {
		return false, err
	}
	if whole.Version != "" && whole.Version == now.digest {
		return true, nil
	}
	seen, err := r.readWhole(ctx)
	if errors.Is(err, ErrSourceChanged) {
		return false, nil
	}
	return err == nil && seen.Size == whole.Size && *seen.CRC64.uint64 == *whole.CRC64.uint64, err
}

// readAt fills p, or fails: with errMoved if the source ended, else with a sourceError.
func readAt(src io.ReaderAt, p []byte, offset int64) (int, error) {
	n, err := src.ReadAt(p, offset)
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF), err == nil:
		return n, errMoved
	default:
		return n, &sourceError{fmt.Errorf("read the source at byte %d: %w", offset+int64(n), err)}
	}
}
