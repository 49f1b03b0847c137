package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"syscall"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// create makes the file name with what write writes, synced, or makes none. Sorted are the errors of the file system only: write does
// it for its own.
func (b *Backend) create(name string, write func(*os.File) error) (err error) {
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return sorted(err)
	}
	defer func() {
		if err != nil {
			b.root.Remove(name) // else it is removed with its folder
		}
	}()
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := b.flush(f); err != nil {
		f.Close()
		return err
	}
	return f.Close() // before it is renamed: Windows wants it so
}

// receive writes size bytes of body into f and returns their CRC-64: that of the bytes that were given to the operating system. What
// the disk makes of them later is not read again.
func receive(ctx context.Context, f *os.File, body io.Reader, size int64) (uint64, error) {
	r := &reader{ctx: ctx, body: body}
	_, err := io.CopyN(f, r, size)
	switch {
	case err == io.EOF:
		return 0, fmt.Errorf("the body ended before %d bytes: %w", size, io.ErrUnexpectedEOF)
	case err != nil && r.err != nil:
		return 0, err // the body's: it says nothing of the store, so it is not sorted
	}
	return r.crc, sorted(err)
}

// reader reads body until the context is done, and sums.
type reader struct {
	ctx  context.Context
	body io.Reader
	crc  uint64
	err  error
}

func (r *reader) Read(p []byte) (n int, err error) {
	if r.err = r.ctx.Err(); r.err != nil {
		return 0, r.err
	}
	n, r.err = r.body.Read(p)
	r.crc = crc64.Update(r.crc, p[:n])
	return n, r.err
}

// sync makes the names in folders durable, and the time of a file.
func (b *Backend) sync(names ...string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be opened for that; NTFS journals names
	}
	for _, name := range names {
		d, err := b.root.Open(name)
		if err != nil {
			return err
		}
		err = b.flush(d)
		d.Close() // it was only read
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTTY) && !errors.Is(err, errors.ErrUnsupported) {
			return err // those say that this file system cannot: there is nothing better to be had
		}
	}
	return nil
}

// above returns the folders that a key is in, to the root.
func above(key string) (folders []string) {
	for key != "." {
		key = path.Dir(key)
		folders = append(folders, key)
	}
	return folders
}

// sorted gives an error of the file system the sentinel that it amounts to. The errors sorted here are those of one step which,
// when it fails so, did nothing. All others stay as they are, and mean that the outcome is not known.
func sorted(err error) error {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(fs.ErrPermission, syscall.EROFS):
		return fmt.Errorf("%w: %w", backend.ErrDenied, err)
	case is(syscall.ENAMETOOLONG, syscall.ENOTDIR, syscall.EISDIR, syscall.EILSEQ, syscall.EXDEV):
		return fmt.Errorf("%w: %w", backend.ErrInvalid, err)
	}
	return err
}
