//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// guard is the lock of a directory. Its file stays open from one use to the next: to open it costs twice what locking it does, and
// both are done for every record.
type guard struct {
	path string
	file *os.File // nil if it is not open
	info fs.FileInfo
}

// tryLock reports whether it has the lock.
func (g *guard) tryLock() (bool, error) {
	if g.file == nil {
		if err := g.open(); err != nil {
			return false, err
		}
	}
	for {
		switch err := unix.Flock(int(g.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

func (g *guard) open() error {
	if err := checkLockFile(g.path); err != nil {
		return err
	}
	fd, err := openFile(g.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if g.info, err = fd.Stat(); err != nil {
		return also(err, fd.Close())
	}
	g.file = fd
	return nil
}

// isCurrent reports whether the file that is locked is the one that has the name. If somebody removed it meanwhile, the lock keeps
// nobody out.
func (g *guard) isCurrent() (bool, error) {
	named, err := os.Lstat(g.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(g.info, named), err
}

func (g *guard) unlock() error { return unix.Flock(int(g.file.Fd()), unix.LOCK_UN) }

// forget closes the file, and with it gives up the lock.
func (g *guard) forget() error {
	file := g.file
	if g.file = nil; file == nil {
		return nil
	}
	return file.Close()
}
