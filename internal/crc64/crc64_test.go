package crc64

import (
	"bytes"
	"hash/crc64"
	"math"
	"strconv"
	"testing"
)

func TestCombine(t *testing.T) {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	want := crc64.Checksum(data, crc64.MakeTable(crc64.ECMA))
	for i := range data {
		if got := Combine(Update(0, data[:i]), Update(0, data[i:]), int64(len(data)-i)); got != want {
			t.Fatalf("split at %d: %#x, want %#x", i, got, want)
		}
	}
}

// A block of zeros of any length can be had by combining it with itself, so that lengths are tested which no test can read.
func TestCombineLong(t *testing.T) {
	zeros, n := Update(0, make([]byte, 1)), int64(1)
	for range 40 {
		zeros, n = Combine(zeros, zeros, n), n*2
	}
	a := Update(0, []byte("a"))
	whole := Combine(a, zeros, n)
	half := Update(0, make([]byte, 1))
	for m := int64(1); m < n/2; m *= 2 {
		half = Combine(half, half, m)
	}
	if got := Combine(Combine(a, half, n/2), half, n/2); got != whole {
		t.Errorf("in two steps %#x, in one %#x", got, whole)
	}
}

// slowMultiply is a·b modulo the polynomial, term by term.
func slowMultiply(a, b uint64) (product uint64) {
	for bit := 63; bit >= 0; bit-- {
		if a>>bit&1 != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc64.ECMA
		} else {
			b >>= 1
		}
	}
	return product
}

// Lengths of all magnitudes, against squaring and multiplying.
func TestCombineAnyLength(t *testing.T) {
	r := random(t)
	for range 2000 {
		a, b, n := r.Uint64(), r.Uint64(), r.Int64()>>r.IntN(63)
		want := a
		for power, rest := uint64(one>>8), n; rest != 0; power, rest = slowMultiply(power, power), rest>>1 {
			if rest&1 != 0 {
				want = slowMultiply(want, power)
			}
		}
		if got := Combine(a, b, n); got != want^b {
			t.Errorf("Combine(%#x, %#x, %d) = %#x, want %#x", a, b, n, got, want^b)
		}
	}
}

func TestCombineNegative(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Combine(1, 2, -1)
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte("a"), []byte("bc"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		want := crc64.Checksum(bytes.Join([][]byte{a, b}, nil), crc64.MakeTable(crc64.ECMA))
		if got := Combine(Update(0, a), Update(0, b), int64(len(b))); got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	})
}

func BenchmarkCombine(b *testing.B) {
	for _, length := range []int64{100 << 10, 8 << 20, math.MaxInt64} {
		b.Run(strconv.FormatInt(length, 10), func(b *testing.B) {
			crc := uint64(0x123456789abcdef)
			for b.Loop() {
				crc = Combine(crc, 0xfedcba987654321, length)
			}
		})
	}
}
