//go:build linux || darwin

package crc64

import (
	"hash/crc64"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
)

// No byte in front of p and none behind it is read: there is no memory.
func TestGuardPages(t *testing.T) {
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	readable := memory[page : 2*page]
	fill(random(t), readable)
	for _, guard := range [][]byte{memory[:page], memory[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for _, impl := range all() {
		t.Run(impl.name, func(t *testing.T) {
			debug.SetPanicOnFault(true) // a subtest is a goroutine of its own
			for length := impl.least; length <= 1100; length++ {
				for place, p := range map[string][]byte{"start": readable[:length], "end": readable[page-length:]} {
					func() {
						defer func() {
							if fault := recover(); fault != nil {
								t.Fatalf("%d bytes at the %s of the page: %v", length, place, fault)
							}
						}()
						if got, want := impl.update(1, p), crc64.Update(1, reference, p); got != want {
							t.Fatalf("%d bytes at the %s of the page: %#x, want %#x", length, place, got, want)
						}
					}()
				}
			}
		})
	}
}
