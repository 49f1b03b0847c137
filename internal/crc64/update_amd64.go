package crc64

import "golang.org/x/sys/cpu"

// updatePCLMULQDQ is update for 16 bytes or more.
//
//go:noescape
func updatePCLMULQDQ(crc uint64, p []byte) uint64

// updateVPCLMULQDQ is update for 256 bytes or more.
//
//go:noescape
func updateVPCLMULQDQ(crc uint64, p []byte) uint64

// What the processor has and, for the registers of AVX-512, the operating system saves. No pointer to a function is chosen,
// because through one the compiler would not see that p does not escape.
var (
	hasPCLMULQDQ  = cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41
	hasVPCLMULQDQ = hasPCLMULQDQ && cpu.X86.HasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VPCLMULQDQ
)

func update(crc uint64, p []byte) uint64 {
	switch {
	case hasVPCLMULQDQ && len(p) >= 512: // below, bringing the wide registers together costs more than they save
		return updateVPCLMULQDQ(crc, p)
	case hasPCLMULQDQ && len(p) >= 16:
		return updatePCLMULQDQ(crc, p)
	default:
		return updateTables(crc, p)
	}
}
