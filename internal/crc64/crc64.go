// Package crc64 computes CRC-64/XZ: the polynomial of [crc64.ECMA], reflected, inverted before and after. It is what OSS
// returns as x-oss-hash-crc64ecma.
package crc64

import (
	"hash/crc64"
	"math/bits"
)

var table = crc64.MakeTable(crc64.ECMA)

// Update returns the checksum of some data followed by p, where crc is the checksum of that data (0 for none).
func Update(crc uint64, p []byte) uint64 { return update(crc, p) }

func updateTables(crc uint64, p []byte) uint64 { return crc64.Update(crc, table, p) }

// Combine returns the checksum of two blocks in a row from the checksum a of the first and b of the second, which is
// lenB bytes long. It panics if lenB is negative.
//
// A checksum is the remainder of the data as a polynomial over GF(2). Data in front of lenB bytes is multiplied by
// x^(8·lenB), so the combined remainder is a·x^(8·lenB) + b modulo the polynomial; the inversions before and after cancel
// out. The power is made by squaring.
func Combine(a, b uint64, lenB int64) uint64 {
	if lenB < 0 {
		panic("crc64: negative length")
	}
	for n, i := uint64(lenB), 0; n != 0; n, i = n>>1, i+1 {
		if n&1 != 0 {
			a = multiply(a, powers[i])
		}
	}
	return a ^ b
}

// powers[i] is x^(8·2^i) modulo the polynomial.
var powers = func() (p [63]uint64) {
	p[0] = one >> 8
	for i := 1; i < len(p); i++ {
		p[i] = multiply(p[i-1], p[i-1])
	}
	return p
}()

// In the reflected form the highest bit is the coefficient of x^0.
const one = 1 << 63

// multiply returns a·b modulo the polynomial.
func multiply(a, b uint64) uint64 {
	var product uint64
	for a != 0 {
		// b is multiplied by x as often as the next term of a asks for.
		shift := bits.LeadingZeros64(a)
		for range shift {
			b = b>>1 ^ crc64.ECMA&-(b&1)
		}
		product ^= b
		a = a << shift &^ one
	}
	return product
}
