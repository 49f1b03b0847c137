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

	// Version differs whenever the bytes may differ, and never returns to an earlier value: a counter or a time stamp, not a
	// checksum. It is a short text of any form. An empty one says nothing: the bytes are then read a second time before
	// they are published, and must be the same, which does not see one that changes back and forth in step with the reading.
	Version() (string, error)
}

// Stamper is the optional interface of a Source whose Version rests on time stamps, as that of a file does.
type Stamper interface {
	// Stamp returns the youngest time stamp in the Version that was returned last. A write within the same tick of a
	// file system's clock leaves the stamps as they are, so a version is trusted only when it is 2 s old (the rule that
	// git calls racy), by this machine's clock: a file server's must not be more than that behind.
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
		return snapshot{}, unreadable("its version", err)
	}
	s := snapshot{digest: digest(version), size: r.src.Size()}
	if with, ok := r.src.(Stamper); ok {
		s.trusted = with.Stamp().Add(racy)
	}
	return s, nil
}

// proves says whether what is read from now on is of this version, if it is the same afterwards.
func (s snapshot) proves(now time.Time) bool { return s.digest != "" && !now.Before(s.trusted) }

// errMoved: the source is not what it was a moment ago. The pass ends and another begins.
var errMoved = errors.New("the source changed while it was read")

// unreadable is an error of reading the source.
func unreadable(what string, err error) error {
	return &localError{fmt.Errorf("%w: %s: %w", ErrSource, what, err)}
}

// sum reads a stretch of the source and returns its CRC-64; errMoved if the source ends before.
func (r *run) sum(ctx context.Context, offset, size int64) (crc uint64, err error) {
	buf := make([]byte, min(size, 64<<10))
	for end := offset + size; offset < end; {
		if ctx.Err() != nil {
			return 0, ended(ctx)
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

// readWhole describes the source as one whole, size and CRC-64. errMoved if it changed meanwhile.
func (r *run) readWhole(ctx context.Context) (*record, error) {
	version, err := r.snapshot()
	if err != nil {
		return nil, err
	}
	slots := evenly(DefaultPartSize).plan(version.size)
	sums := make([]uint64, len(slots))
	err = r.each(ctx, r.readers(), slots, func(ctx context.Context, s slot) (err error) {
		sums[s.number-1], err = r.sum(ctx, s.offset, s.size)
		return err
	})
	if err == nil {
		err = r.still(version)
	}
	if err != nil {
		return nil, err
	}
	var crc uint64
	for i, s := range slots {
		crc = crc64.Combine(crc, sums[i], s.size)
	}
	return &record{Size: version.size, CRC64: sumOf(crc)}, nil
}

// still is errMoved if the source has another version or size by now.
func (r *run) still(version snapshot) error {
	now, err := r.snapshot()
	if err == nil && (now.digest != version.digest || now.size != version.size) {
		err = errMoved
	}
	return err
}

// sourceIs says whether the source is still what whole describes, by its version or else by its content.
func (r *run) sourceIs(ctx context.Context, whole record) (bool, error) {
	for range maxPasses {
		now, err := r.snapshot()
		if err != nil || now.size != whole.Size {
			return false, err
		}
		if whole.Version != "" && whole.Version == now.digest {
			return true, nil
		}
		seen, err := r.readWhole(ctx)
		if errors.Is(err, errMoved) {
			continue // it may only have been touched
		}
		return err == nil && differs(backend.Object{Size: seen.Size, CRC64: seen.CRC64.uint64}, whole) == "", err
	}
	return false, nil
}

// readAt fills p, or fails: with errMoved if the source ended, else with ErrSource.
func readAt(src io.ReaderAt, p []byte, offset int64) (int, error) {
	n, err := src.ReadAt(p, offset)
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF), err == nil:
		return n, errMoved
	default:
		return n, unreadable(fmt.Sprintf("byte %d", offset+int64(n)), err)
	}
}
