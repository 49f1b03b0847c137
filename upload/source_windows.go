package upload

import (
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"
)

var getFileInformationByHandleEx = syscall.NewLazyDLL("kernel32.dll").NewProc("GetFileInformationByHandleEx")

// fileBasicInfo is FILE_BASIC_INFO; its class is 0. Times are in 100 ns since 1601.
type fileBasicInfo struct {
	created, accessed, written, changed int64
	attributes                          uint32
	_                                   uint32
}

func identify(f *os.File, _ fs.FileInfo) (identity, error) {
	handle := syscall.Handle(f.Fd())
	var info syscall.ByHandleFileInformation
	if err := syscall.GetFileInformationByHandle(handle, &info); err != nil {
		return identity{}, err
	}
	id := identity{
		known:  true,
		device: uint64(info.VolumeSerialNumber),
		inode:  uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
	}
	// File systems without a change time (FAT) answer 0 or fail; the rest serves without it.
	var basic fileBasicInfo
	ok, _, _ := getFileInformationByHandleEx.Call(uintptr(handle), 0, uintptr(unsafe.Pointer(&basic)), unsafe.Sizeof(basic))
	if ok != 0 && basic.changed > 0 {
		t := syscall.Filetime{LowDateTime: uint32(basic.changed), HighDateTime: uint32(basic.changed >> 32)}
		id.changed = time.Unix(0, t.Nanoseconds())
	}
	return id, nil
}
