#include "textflag.h"
#include "constants.h"

// The words of a message are loaded as they are (little-endian) and stand for polynomials backwards; gen explains the
// constants, folding and the reduction. A block is 16 bytes, and in the registers blocks are in the order of the message.
//
// Registers:
//	R1	the next byte to be read
//	R2	how many bytes there are from R1
//	V31	the constants of the distance folded by at the moment: the low half goes with the low half of a block
//	V7	at the end, everything before R1 folded into one block

// FOLD moves acc by the distance of V31 onto next: acc = low(acc)·low(V31) + high(acc)·high(V31) + next. It spoils t.
#define FOLD(acc, next, t) \
	VPMULL  acc.D1, V31.D1, t.Q1 \
	VPMULL2 acc.D2, V31.D2, acc.Q1 \
	VEOR    next.B16, t.B16, t.B16 \
	VEOR    t.B16, acc.B16, acc.B16

// LOAD loads constants; it spoils R3.
#define LOAD(constants, v) \
	MOVD $constants, R3 \
	VLD1 (R3), [v.D2]

// func updatePMULL(crc uint64, p []byte) uint64
// p has 16 bytes or more.
TEXT ·updatePMULL(SB), NOSPLIT, $0-40
	MOVD crc+0(FP), R0
	MOVD p_base+8(FP), R1
	MOVD p_len+16(FP), R2

	// What was before p stands in front of its first 64 bits like a message of 64 bits at the same place, in the low half.
	MVN  R0, R0
	VEOR V30.B16, V30.B16, V30.B16
	VMOV R0, V30.D[0]

	CMP $128, R2
	BHS eight
	CMP $64, R2
	BHS four

	VLD1.P 16(R1), [V7.B16]
	VEOR   V30.B16, V7.B16, V7.B16
	SUB    $16, R2
	B      finish

eight:
	// Eight blocks at a time, since a multiplication takes several cycles until it is done, and one or more can begin in each.
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R1), [V4.B16, V5.B16, V6.B16, V7.B16]
	VEOR   V30.B16, V0.B16, V0.B16
	SUB    $128, R2
	CMP    $128, R2
	BLO    eightToFour
	LOAD(FOLD1024, V31)

eightLoop:
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]
	VLD1.P 64(R1), [V12.B16, V13.B16, V14.B16, V15.B16]
	FOLD(V0, V8, V16)
	FOLD(V1, V9, V17)
	FOLD(V2, V10, V18)
	FOLD(V3, V11, V19)
	FOLD(V4, V12, V20)
	FOLD(V5, V13, V21)
	FOLD(V6, V14, V22)
	FOLD(V7, V15, V23)
	SUB $128, R2
	CMP $128, R2
	BHS eightLoop

eightToFour:
	// The first four onto the last four, which they are 512 bits in front of.
	LOAD(FOLD512, V31)
	FOLD(V0, V4, V16)
	FOLD(V1, V5, V17)
	FOLD(V2, V6, V18)
	FOLD(V3, V7, V19)
	CMP $64, R2
	BLO fourToOne
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]
	FOLD(V0, V8, V16)
	FOLD(V1, V9, V17)
	FOLD(V2, V10, V18)
	FOLD(V3, V11, V19)
	SUB $64, R2
	B   fourToOne

four:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VEOR   V30.B16, V0.B16, V0.B16
	SUB    $64, R2

fourToOne:
	// The first three onto the fourth, each from its distance.
	LOAD(FOLD128, V31)
	FOLD(V2, V3, V16)
	LOAD(FOLD256, V31)
	FOLD(V1, V2, V17)
	LOAD(FOLD384, V31)
	FOLD(V0, V1, V18)
	VMOV V0.B16, V7.B16

finish:
	// Less than 64 bytes are left.
	LOAD(FOLD128, V31)
	CMP $16, R2
	BLO tail

blocks:
	VLD1.P 16(R1), [V1.B16]
	FOLD(V7, V1, V2)
	SUB $16, R2
	CMP $16, R2
	BHS blocks

tail:
	CBZ R2, reduce

	// The n bytes that are left, 1 to 15, come behind V7: of these 16+n bytes, the first n are one block with zeros in front
	// (V4), the others one (V1). V1 is loaded from n-16 bytes behind R1, so its last n bytes are new, and nothing outside of p
	// is read.
	ADD  R2, R1, R3
	SUB  $16, R3
	VLD1 (R3), [V1.B16]
	MOVD $slide<>(SB), R4
	ADD  R2, R4
	VLD1 (R4), [V2.B16, V3.B16]
	VTBL V2.B16, [V7.B16], V4.B16 // 16-n times none, then 0 to n-1
	VTBX V3.B16, [V7.B16], V1.B16 // n to 15, then n times none: VTBX leaves what V1 has there
	FOLD(V4, V1, V2)
	VMOV V4.B16, V7.B16

reduce:
	// T = V2 = low·x^127·x + high·x^64. The constant stands in the high half, which VPMULL does not take.
	VEOR   V0.B16, V0.B16, V0.B16
	VEXT   $8, V31.B16, V31.B16, V3.B16
	VPMULL V7.D1, V3.D1, V2.Q1
	VEXT   $8, V0.B16, V7.B16, V7.B16
	VEOR   V7.B16, V2.B16, V2.B16
	// q = low half of V3 = A·floor(mu/x)·x / x^64.
	LOAD(BARRETT, V1)
	VPMULL V2.D1, V1.D1, V3.Q1
	// High half of V4 = q·P - q, below x^64.
	VEXT   $8, V1.B16, V1.B16, V1.B16
	VPMULL V3.D1, V1.D1, V4.Q1
	VEOR   V2.B16, V4.B16, V4.B16
	VMOV   V4.D[1], R0
	VMOV   V3.D[0], R3
	EOR    R3, R0
	MVN    R0, R0
	MOVD   R0, ret+32(FP)
	RET

// Indices of bytes for VTBL, which makes a zero where one is beyond the block, and VTBX, which leaves what is there. Read from
// n, they move 16 bytes to the end so that the first n remain; from 16+n, to the beginning so that the first n go.
DATA slide<>+0x00(SB)/8, $0x8080808080808080
DATA slide<>+0x08(SB)/8, $0x8080808080808080
DATA slide<>+0x10(SB)/8, $0x0706050403020100
DATA slide<>+0x18(SB)/8, $0x0f0e0d0c0b0a0908
DATA slide<>+0x20(SB)/8, $0x8080808080808080
DATA slide<>+0x28(SB)/8, $0x8080808080808080
GLOBL slide<>(SB), RODATA|NOPTR, $48
