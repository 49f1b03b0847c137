//go:build !windows

package checkpoint

import (
	"errors"
	"os"
	"syscall"
)

const removeNeedsClose = false

func openShared(path string, flag int) (*os.File, error) { return openFile(path, flag, 0) }

func openToAppend(path string) (*os.File, error) { return openFile(path, os.O_RDWR, 0) }

// openFile is os.OpenFile for a regular file. It spares four system calls with which os finds out that one cannot be polled, a fifth
// of what an append costs.
func openFile(path string, flag int, perm uint32) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, perm)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// isForeign reports whether the file at path belongs to another user.
func isForeign(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}

// syncDir makes the names in dir durable. Some file systems, mostly in user space or on a network, cannot sync a directory; they
// answer EINVAL or that it is not supported, and there is nothing better to be had from them.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = also(err, d.Close()) }()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOTTY) {
		return nil
	}
	return err
}
