// Package crc64 computes CRC-64/XZ: the polynomial of [crc64.ECMA], reflected, inverted before and after. It is what OSS
// returns as x-oss-hash-crc64ecma.
package crc64

import "hash/crc64"

//go:generate go run ./gen

var table = crc64.MakeTable(crc64.ECMA)

// Update returns the checksum of some data followed by p, where crc is the checksum of that data (0 for none). It reads p once
// and keeps nothing of it. Processors that multiply without carries (PCLMULQDQ, VPCLMULQDQ with AVX-512, PMULL) take some
// nanoseconds per kilobyte, others the tables of the standard library.
func Update(crc uint64, p []byte) uint64 {
	reads(p)
	return update(crc, p)
}

func updateTables(crc uint64, p []byte) uint64 { return crc64.Update(crc, table, p) }

// Combine returns the checksum of two blocks in a row from the checksum a of the first and b of the second, which is
// lenB bytes long. It panics if lenB is negative.
//
// A checksum is the remainder of the data as a polynomial over GF(2). Data in front of lenB bytes is multiplied by
// x^(8·lenB), so the combined remainder is a·x^(8·lenB) + b modulo the polynomial; the inversions before and after cancel
// out. The power is the product of one power for each hexadecimal digit of lenB.
func Combine(a, b uint64, lenB int64) uint64 {
	if lenB < 0 {
		panic("crc64: negative length")
	}
	for n, i := uint64(lenB), 0; n != 0; n, i = n>>4, i+1 {
		if digit := n & 15; digit != 0 {
			a = multiply(a, powers[i][digit])
		}
	}
	return a ^ b
}

// powers[i][digit] is x^(8·digit·16^i) modulo the polynomial.
var powers = func() (p [16][16]uint64) {
	unit := uint64(one >> 8)
	for i := range p {
		p[i][0] = one
		for digit := 1; digit < 16; digit++ {
			p[i][digit] = multiply(p[i][digit-1], unit)
		}
		unit = multiply(p[i][15], unit)
	}
	return p
}()

// In the reflected form the highest bit is the coefficient of x^0.
const one = 1 << 63

// multiply returns a·b modulo the polynomial.
func multiply(a, b uint64) uint64 {
	// multiples[i] is b times four terms, whose coefficients are the bits of i: the highest bit that of x^0.
	var multiples [16]uint64
	for i := 8; i > 0; i >>= 1 {
		multiples[i] = b
		b = b>>1 ^ crc64.ECMA&-(b&1)
	}
	for i := range multiples {
		multiples[i] = multiples[i&(i-1)] ^ multiples[i&-i]
	}
	// Four terms of a at a time, the highest first. What has been summed up is multiplied by x^4: its four highest terms leave
	// the word, and the table, made for eight terms, has what they are worth.
	var product uint64
	for i := 0; i < 64; i += 4 {
		product = product>>4 ^ table[product&15<<4] ^ multiples[a>>i&15]
	}
	return product
}
