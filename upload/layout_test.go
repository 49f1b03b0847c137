package upload

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
)

// However a plan is changed, its slots are the source, once and in order, and what lies before the change stays.
func TestLayoutsCoverTheSource(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		l := evenly(1 + rnd.Int64N(1000))
		size := rnd.Int64N(20000)
		for range rnd.IntN(4) {
			before := l.plan(size)
			s := before[rnd.IntN(len(before))]
			to := segment{s.number, s.offset, max(1, l.at(s.number).size/(1+rnd.Int64N(4)))}
			next, ok := l.divided(to)
			if ok != (to.size < l.at(s.number).size) {
				t.Fatalf("%v divided by %v: %t", l, to, ok)
			}
			after := next.plan(size)
			for i := range s.number - 1 {
				if after[i] != before[i] {
					t.Fatalf("%v divided by %v: slot %v became %v", l, to, before[i], after[i])
				}
			}
			l = next
		}
		end := int64(0)
		slots := l.plan(size)
		for i, s := range slots {
			if s.number != i+1 || s.offset != end || s.size < 1 && size > 0 || l.offset(s.number) != s.offset {
				t.Fatalf("%v of %d bytes: slot %d is %+v after %d bytes", l, size, i, s, end)
			}
			end += s.size
		}
		if end != size {
			t.Fatalf("%v of %d bytes has %d", l, size, end)
		}
		for _, most := range []int{len(slots) - 1, len(slots)} {
			if fits := most > 0 && l.fits(size, backend.Info{MaxParts: most}); most > 0 && fits != (len(slots) <= most) {
				t.Fatalf("%v of %d bytes, %d parts, fits into %d: %t", l, size, len(slots), most, fits)
			}
		}
	}
}

func TestDividedRefuses(t *testing.T) {
	l := layout{{1, 0, 100}, {5, 400, 50}}
	for _, s := range []segment{{0, 0, 10}, {3, 100, 10}, {3, 200, 100}, {6, 450, 50}, {6, 450, 0}, {6, 450, -1}, {6, 400, 10}} {
		if got, ok := l.divided(s); ok {
			t.Errorf("divided by %v: %v", s, got)
		}
	}
	if got, ok := evenly(1 << 62).divided(segment{5, 0, 1}); ok { // 4·2⁶² is 0 in 64 bits
		t.Errorf("a place beyond 64 bits: %v", got)
	}
}

func TestSmaller(t *testing.T) {
	for _, c := range []struct{ size, passed, least, want int64 }{
		{8 << 20, 3 << 20, 100 << 10, 512 << 10},
		{8 << 20, 8 << 20, 100 << 10, 2 << 20},
		{8 << 20, 300 << 10, 100 << 10, 128 << 10}, // two pass
		{8 << 20, 200 << 10, 100 << 10, 0},         // 128 KiB twice do not
		{8 << 20, 3 << 20, 5 << 20, 0},
		{100 << 10, 300 << 10, 0, 0}, // small enough
	} {
		if got := evenly(c.size).smaller(3, c.passed, backend.Info{MinPartSize: c.least}); got != c.want {
			t.Errorf("parts of %d cut after %d, at least %d: %d, want %d", c.size, c.passed, c.least, got, c.want)
		}
	}
}
