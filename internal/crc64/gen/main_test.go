package main

import (
	"bytes"
	"hash/crc64"
	"math/big"
	"math/bits"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUpToDate(t *testing.T) {
	got, err := os.ReadFile("../" + output)
	if err != nil {
		t.Fatal(err)
	}
	// A checkout on Windows may have other ends of lines.
	if diff := cmp.Diff(string(header()), string(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")))); diff != "" {
		t.Errorf("%s is not what go generate makes (-want +got):\n%s", output, diff)
	}
}

// polynomial has, unlike the words of the checksum, the coefficient of x^i in bit i.
type polynomial = *big.Int

func power2(k int) polynomial { return new(big.Int).Lsh(big.NewInt(1), uint(k)) }

// divide returns quotient and remainder by long division of whole polynomials.
func divide(a, b polynomial) (quotient, remainder polynomial) {
	quotient, remainder = new(big.Int), new(big.Int).Set(a)
	for remainder.BitLen() >= b.BitLen() {
		shift := uint(remainder.BitLen() - b.BitLen())
		quotient.SetBit(quotient, int(shift), 1)
		remainder.Xor(remainder, new(big.Int).Lsh(b, shift))
	}
	return quotient, remainder
}

// The numbers in the file are taken at their word: each is what its comment says, by another way of computing it.
func TestDefinitions(t *testing.T) {
	p := new(big.Int).Add(power2(64), new(big.Int).SetUint64(bits.Reverse64(crc64.ECMA)))
	mu, _ := divide(power2(128), p)
	want := map[string]polynomial{
		"0":           new(big.Int),
		"floor(mu/x)": new(big.Int).Rsh(mu, 1),
		"floor(P/x)":  new(big.Int).Rsh(p, 1),
	}
	for _, d := range distances {
		if d != 0 {
			for _, k := range []int{d + 63, d - 1} {
				_, want["x^"+strconv.Itoa(k)] = divide(power2(k), p)
			}
		}
	}
	if p.Bit(0) != 1 || p.BitLen() != 65 || mu.BitLen() != 65 {
		t.Fatal("P or mu does not have the form that the reduction wants")
	}
	text, err := os.ReadFile("../" + output)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`DATA .*\$0x([0-9a-f]{16}) // (\S+)`).FindAllSubmatch(text, -1)
	if len(found) != 2*len(distances)+2 {
		t.Errorf("%d numbers, want %d", len(found), 2*len(distances)+2)
	}
	for _, f := range found {
		value, err := strconv.ParseUint(string(f[1]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := want[string(f[2])]
		if got := new(big.Int).SetUint64(bits.Reverse64(value)); !ok || got.Cmp(w) != 0 {
			t.Errorf("%s = %#x, want %#x", f[2], got, w)
		}
	}
}
