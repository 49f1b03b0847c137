package crc64

import (
	"golang.org/x/sys/cpu"
)

//go:noescape
func updatePCLMULQDQ(crc uint64, p []byte) uint64

var hasPCLMULQDQ = cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41

func update(crc uint64, p []byte) uint64 {
	if hasPCLMULQDQ && len(p) >= 16 {
		return updatePCLMULQDQ(crc, p)
	}
	return updateTables(crc, p)
}
