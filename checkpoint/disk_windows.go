package checkpoint

import (
	"os"
	"syscall"
)

// removeNeedsClose: a file that was opened with os.OpenFile cannot be removed while it is open, and none can be renamed over.
const removeNeedsClose = true

// openShared opens a log, for os.O_RDONLY or os.O_RDWR, so that others can rename and remove it meanwhile, as they can on other
// systems. os.Open does not share that.
func openShared(path string, flag int) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	access := uint32(syscall.GENERIC_READ)
	if flag == os.O_RDWR {
		access |= syscall.GENERIC_WRITE
	}
	const share = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE
	h, err := syscall.CreateFile(name, access, share, nil, syscall.OPEN_EXISTING, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// openToAppend does not share it that way: whoever sets a log aside waits until it is closed.
func openToAppend(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) }

// isForeign reports nothing: who owns a file says little where access lists decide.
func isForeign(string) bool { return false }

// syncDir does nothing: Windows flushes only a file that was opened for writing, and a directory cannot be. NTFS journals names.
func syncDir(string) error { return nil }
