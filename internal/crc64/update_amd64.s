#include "textflag.h"
#include "constants.h"

// The words of a message are loaded as they are (little-endian) and stand for polynomials backwards; gen explains the
// constants, folding and the reduction. A block is 16 bytes, and in the registers blocks are in the order of the message.
//
// Registers of all functions:
//	SI	the next byte to be read
//	CX	how many bytes there are from SI
//	X15	the constants of the distance folded by at the moment: the low half goes with the low half of a block
//	X7	at the end, everything before SI folded into one block

// FOLD moves acc by the distance of X15 onto next: acc = low(acc)·low(X15) + high(acc)·high(X15) + next. It spoils t.
#define FOLD(acc, next, t) \
	MOVOA acc, t \
	PCLMULQDQ $0x00, X15, t \
	PCLMULQDQ $0x11, X15, acc \
	PXOR next, t \
	PXOR t, acc

// FOLDMEM does the same with a block in memory. PXOR would want it aligned.
#define FOLDMEM(acc, off, t, u) \
	MOVOU off(SI), u \
	FOLD(acc, u, t)

// func updatePCLMULQDQ(crc uint64, p []byte) uint64
// p has 16 bytes or more.
TEXT ·updatePCLMULQDQ(SB), NOSPLIT, $0-40
	MOVQ crc+0(FP), AX
	MOVQ p_base+8(FP), SI
	MOVQ p_len+16(FP), CX

	// What was before p stands in front of its first 64 bits like a message of 64 bits at the same place, in the low half.
	NOTQ AX
	MOVQ AX, X14

	CMPQ CX, $128
	JAE  eight
	CMPQ CX, $64
	JAE  four

	MOVOU (SI), X7
	PXOR X14, X7
	ADDQ $16, SI
	SUBQ $16, CX
	JMP  finish

eight:
	// Eight blocks at a time, since a multiplication takes several cycles until it is done, and one or two can begin in each.
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	PXOR X14, X0
	ADDQ $128, SI
	SUBQ $128, CX
	CMPQ CX, $128
	JB   eightToFour
	MOVOU FOLD1024, X15

eightLoop:
	FOLDMEM(X0, 0, X8, X9)
	FOLDMEM(X1, 16, X10, X11)
	FOLDMEM(X2, 32, X12, X13)
	FOLDMEM(X3, 48, X8, X9)
	FOLDMEM(X4, 64, X10, X11)
	FOLDMEM(X5, 80, X12, X13)
	FOLDMEM(X6, 96, X8, X9)
	FOLDMEM(X7, 112, X10, X11)
	ADDQ $128, SI
	SUBQ $128, CX
	CMPQ CX, $128
	JAE  eightLoop

eightToFour:
	// The first four onto the last four, which they are 512 bits in front of.
	MOVOU FOLD512, X15
	FOLD(X0, X4, X8)
	FOLD(X1, X5, X9)
	FOLD(X2, X6, X10)
	FOLD(X3, X7, X11)
	CMPQ CX, $64
	JB   fourToOne
	FOLDMEM(X0, 0, X8, X9)
	FOLDMEM(X1, 16, X10, X11)
	FOLDMEM(X2, 32, X12, X13)
	FOLDMEM(X3, 48, X8, X9)
	ADDQ $64, SI
	SUBQ $64, CX
	JMP  fourToOne

four:
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	PXOR X14, X0
	ADDQ $64, SI
	SUBQ $64, CX

fourToOne:
	// The first three onto the fourth, each from its distance.
	MOVOU FOLD128, X15
	FOLD(X2, X3, X8)
	MOVOU FOLD256, X15
	FOLD(X1, X2, X9)
	MOVOU FOLD384, X15
	FOLD(X0, X1, X10)
	MOVOA X0, X7

finish:
	JMP  ·finish<>(SB)

// FOLDZMM does what FOLD does with the four blocks of a register of 512 bits at once, with the constants in Z15. $0x96 is the
// sum of three bits. next may be in memory; nothing wants it aligned.
#define FOLDZMM(acc, next, t) \
	VPCLMULQDQ $0x00, Z15, acc, t \
	VPCLMULQDQ $0x11, Z15, acc, acc \
	VPTERNLOGQ $0x96, next, t, acc

// func updateVPCLMULQDQ(crc uint64, p []byte) uint64
// p has 256 bytes or more.
TEXT ·updateVPCLMULQDQ(SB), NOSPLIT, $0-40
	MOVQ crc+0(FP), AX
	MOVQ p_base+8(FP), SI
	MOVQ p_len+16(FP), CX
	NOTQ AX
	VMOVQ AX, X14 // the rest of Z14 becomes zero

	VPXORQ (SI), Z14, Z4
	VMOVDQU64 64(SI), Z5
	VMOVDQU64 128(SI), Z6
	VMOVDQU64 192(SI), Z7
	ADDQ $256, SI
	SUBQ $256, CX
	CMPQ CX, $256
	JB   fourToOne
	VBROADCASTI32X4 FOLD2048, Z15

loop:
	FOLDZMM(Z4, 0(SI), Z8)
	FOLDZMM(Z5, 64(SI), Z9)
	FOLDZMM(Z6, 128(SI), Z10)
	FOLDZMM(Z7, 192(SI), Z11)
	ADDQ $256, SI
	SUBQ $256, CX
	CMPQ CX, $256
	JAE  loop

fourToOne:
	VBROADCASTI32X4 FOLD1536, Z15
	FOLDZMM(Z4, Z7, Z8)
	VBROADCASTI32X4 FOLD1024, Z15
	FOLDZMM(Z5, Z4, Z9)
	VBROADCASTI32X4 FOLD512, Z15
	FOLDZMM(Z6, Z5, Z10)
	VMOVDQA64 Z6, Z7
	CMPQ CX, $64
	JB   lanes

one:
	FOLDZMM(Z7, 0(SI), Z8)
	ADDQ $64, SI
	SUBQ $64, CX
	CMPQ CX, $64
	JAE  one

lanes:
	// The four blocks of Z7 onto its last one, each by its own distance. The constants of the last are zero, so it is added
	// apart, in the place of the first, that has been used by then.
	VMOVDQU64 FOLD384, Z15
	VEXTRACTI32X4 $3, Z7, X12
	FOLDZMM(Z7, Z12, Z8)
	VEXTRACTI64X4 $1, Z7, Y8
	VPXOR Y8, Y7, Y7
	VEXTRACTI128 $1, Y7, X8
	VPXOR X8, X7, X7
	// The instructions of finish are slow as long as the upper parts of the registers are in use.
	VZEROUPPER
	JMP ·finish<>(SB)

// finish folds what is left, reduces and returns from the function that jumped to it, which had the same arguments. On entry
// X7 and SI are as above, CX is below 64, and the 16 bytes before SI belong to p.
TEXT ·finish<>(SB), NOSPLIT, $0-40
	MOVOU FOLD128, X15
	CMPQ CX, $16
	JB   tail

blocks:
	FOLDMEM(X7, 0, X1, X2)
	ADDQ $16, SI
	SUBQ $16, CX
	CMPQ CX, $16
	JAE  blocks

tail:
	TESTQ CX, CX
	JEQ  reduce

	// The n bytes that are left, 1 to 15, come behind X7: of these 16+n bytes, the first n are one block with zeros in front
	// (X7), the others one (X3). X1 is loaded from n-16 bytes behind SI, so its last n bytes are new, and nothing outside of
	// p is read.
	MOVOU -16(SI)(CX*1), X1
	LEAQ slide<>(SB), DX
	MOVOU (DX)(CX*1), X2   // 16-n times none, then 0 to n-1
	MOVOU 16(DX)(CX*1), X0 // n to 15, then n times none: PBLENDVB takes the bytes of X1 there
	MOVOA X7, X3
	PSHUFB X2, X7
	PSHUFB X0, X3
	PBLENDVB X0, X1, X3
	FOLD(X7, X3, X2)

reduce:
	// T = X2 = low·x^127·x + high·x^64.
	MOVOA X7, X2
	PCLMULQDQ $0x10, X15, X2
	PSRLDQ $8, X7
	PXOR X7, X2
	// q = low half of X3 = A·floor(mu/x)·x / x^64.
	MOVOU BARRETT, X1
	MOVOA X2, X3
	PCLMULQDQ $0x00, X1, X3
	// High half of X4 = q·P - q, below x^64.
	MOVOA X3, X4
	PCLMULQDQ $0x10, X1, X4
	PXOR X2, X4
	PEXTRQ $1, X4, AX
	MOVQ X3, DX
	XORQ DX, AX
	NOTQ AX
	MOVQ AX, ret+32(FP)
	RET

// Indices of bytes for PSHUFB, which makes a zero where the highest bit is set. Read from n, they move 16 bytes to the end
// so that the first n remain; from 16+n, to the beginning so that the first n go.
DATA slide<>+0x00(SB)/8, $0x8080808080808080
DATA slide<>+0x08(SB)/8, $0x8080808080808080
DATA slide<>+0x10(SB)/8, $0x0706050403020100
DATA slide<>+0x18(SB)/8, $0x0f0e0d0c0b0a0908
DATA slide<>+0x20(SB)/8, $0x8080808080808080
DATA slide<>+0x28(SB)/8, $0x8080808080808080
GLOBL slide<>(SB), RODATA|NOPTR, $48
