package crc64

import (
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// An implementation is one of the ways in which Update can be done.
type implementation struct {
	name   string
	update func(crc uint64, p []byte) uint64
	least  int // how many bytes it needs
}

// all returns the ones of this machine; each test is run with all of them, whichever Update would choose.
func all() []implementation {
	return append([]implementation{{"Update", Update, 0}, {"tables", updateTables, 0}}, accelerated()...)
}

// reference has a table of its own.
var reference = crc64.MakeTable(crc64.ECMA)

// random returns a source whose seed is printed, and can be given as CRC64_SEED.
func random(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CRC64_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CRC64_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func fill(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// The first is the check value of CRC-64/XZ in the catalogue of parametrised CRC algorithms. The others have been computed by
// xz, whose blocks end in this checksum.
func TestVectors(t *testing.T) {
	var numbers, everyByte []byte
	for i := range 1000 {
		numbers = fmt.Appendln(numbers, i+1)
	}
	for i := range 1024 {
		everyByte = append(everyByte, byte(i))
	}
	for _, v := range []struct {
		data []byte
		want uint64
	}{
		{nil, 0},
		{[]byte("123456789"), 0x995dc9bbdf1939fa},
		{[]byte("a"), 0x330284772e652b05},
		{numbers, 0x72bb9d4dbfd06137},
		{everyByte, 0xd51fb58dc789c400},
	} {
		for _, impl := range all() {
			if len(v.data) < impl.least {
				continue
			}
			if got := impl.update(0, v.data); got != v.want {
				t.Errorf("%s of %.20q: %#016x, want %#016x", impl.name, v.data, got, v.want)
			}
		}
	}
}

func TestImplementations(t *testing.T) {
	for _, impl := range all() {
		t.Run(impl.name, func(t *testing.T) {
			r := random(t)
			buffer := make([]byte, 64+2048)
			fill(r, buffer)
			for offset := range 64 {
				crc := r.Uint64()
				want := crc64.Update(crc, reference, buffer[offset:offset+impl.least])
				for length := impl.least; length <= 2048; length++ {
					end := offset + length
					if got := impl.update(crc, buffer[offset:end:end]); got != want {
						t.Fatalf("%d bytes at %d after %#x: %#x, want %#x", length, offset, crc, got, want)
					}
					if length < 2048 {
						want = crc64.Update(want, reference, buffer[end:end+1])
					}
				}
			}
		})
	}
}

// Long inputs, and that a checksum can be continued anywhere.
func TestSplit(t *testing.T) {
	r := random(t)
	data := make([]byte, 1<<20+4711)
	fill(r, data)
	crc := r.Uint64()
	want := crc64.Update(crc, reference, data)
	for _, impl := range all() {
		t.Run(impl.name, func(t *testing.T) {
			if got := impl.update(crc, data); got != want {
				t.Fatalf("%d bytes: %#x, want %#x", len(data), got, want)
			}
			for range 20 {
				n := impl.least + r.IntN(len(data)-2*impl.least+1)
				if got := impl.update(impl.update(crc, data[:n]), data[n:]); got != want {
					t.Fatalf("%d bytes, then %d: %#x, want %#x", n, len(data)-n, got, want)
				}
			}
		})
	}
}

// Each single bit has to be seen, at every place in what one step covers: random data could hide a bit that is not.
func TestEveryBit(t *testing.T) {
	p := make([]byte, 1100)
	for _, impl := range all() {
		t.Run(impl.name, func(t *testing.T) {
			for bit := range len(p) * 8 {
				p[bit/8] ^= 1 << (bit % 8)
				if got, want := impl.update(0, p), crc64.Checksum(p, reference); got != want {
					t.Fatalf("bit %d alone: %#x, want %#x", bit, got, want)
				}
				p[bit/8] = 0
			}
		})
	}
}

func FuzzUpdate(f *testing.F) {
	for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 4096} {
		p := make([]byte, n)
		fill(rand.New(rand.NewPCG(uint64(n), 0)), p)
		f.Add(uint64(n)<<40, p, uint16(n/3))
	}
	f.Fuzz(func(t *testing.T, crc uint64, p []byte, cut uint16) {
		want := crc64.Update(crc, reference, p)
		n := min(int(cut), len(p))
		for _, impl := range all() {
			if len(p) >= impl.least {
				if got := impl.update(crc, p); got != want {
					t.Errorf("%s: %#x, want %#x", impl.name, got, want)
				}
			}
			if min(n, len(p)-n) >= impl.least {
				if got := impl.update(impl.update(crc, p[:n]), p[n:]); got != want {
					t.Errorf("%s, split at %d: %#x, want %#x", impl.name, n, got, want)
				}
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, impl := range all() {
		for _, size := range []int{64, 256, 1 << 10, 4 << 10, 32 << 10, 64 << 10, 1 << 20, 16 << 20} {
			if size < impl.least {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", impl.name, size), func(b *testing.B) {
				p := make([]byte, size)
				fill(rand.New(rand.NewPCG(0, 0)), p) // untouched pages would all be the same one
				b.SetBytes(int64(size))
				var crc uint64
				for b.Loop() {
					crc = impl.update(crc, p)
				}
			})
		}
	}
}
