package crc64

import "golang.org/x/sys/cpu"

//go:noescape
func updatePCLMULQDQ(crc uint64, p []byte) uint64

//go:noescape
func updateVPCLMULQDQ(crc uint64, p []byte) uint64

// What the processor has and, for the registers of AVX-512, the operating system saves. They are variables of their own and
// no pointer to a function, through which the compiler would not see that p does not escape.
var (
	hasPCLMULQDQ  = cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41
	hasVPCLMULQDQ = hasPCLMULQDQ && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VPCLMULQDQ
)

func update(crc uint64, p []byte) uint64 {
	switch {
	case hasVPCLMULQDQ && len(p) >= 256:
		return updateVPCLMULQDQ(crc, p)
	case hasPCLMULQDQ && len(p) >= 16:
		return updatePCLMULQDQ(crc, p)
	default:
		return updateTables(crc, p)
	}
}
