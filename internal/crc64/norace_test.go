//go:build !race

package crc64

import "testing"

// A buffer on the stack of the caller stays there.
func TestNoAllocation(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() {
		var p [1024]byte
		Update(0, p[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
