package crc64

import "golang.org/x/sys/cpu"

// updatePMULL is update for 16 bytes or more.
//
//go:noescape
func updatePMULL(crc uint64, p []byte) uint64

var hasPMULL = cpu.ARM64.HasPMULL

func update(crc uint64, p []byte) uint64 {
	if hasPMULL && len(p) >= 16 {
		return updatePMULL(crc, p)
	}
	return updateTables(crc, p)
}
