//go:build race

package crc64

import (
	"runtime"
	"unsafe"
)

// reads tells the race detector, which does not see into assembly, that p is read.
func reads(p []byte) {
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}
