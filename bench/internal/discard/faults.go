package discard

import "math/rand/v2"

// Faults are what happens to part requests. The number of a part request, in the order of their arrival, and the seed decide alone: the
// n-th part request of every client meets the same. The zero value is none.
type Faults struct {
	Seed uint64

	// Reset is the share of part requests, 0 to 1, whose connection is reset when half of the body was read. Unavailable is the share that
	// is read whole, stored nowhere, and answered 503 ServiceUnavailable. (A real service may answer sooner; how much a client has sent by
	// then depends on buffers, and could not be counted.)
	Reset, Unavailable float64

	// Most is how many part requests are served at once; further ones are answered at once 503 QpsLimitExceeded, with the header
	// x-oss-qos-delay-time of 200 ms, and their bodies not read. Zero is no limit.
	Most int
}

type fault int

const (
	none fault = iota
	reset
	unavailable
)

// of decides for the n-th part request, from 0.
func (f Faults) of(n int64) fault {
	if f.Reset+f.Unavailable == 0 {
		return none
	}
	switch at := rand.New(rand.NewPCG(f.Seed, uint64(n))).Float64(); {
	case at < f.Reset:
		return reset
	case at < f.Reset+f.Unavailable:
		return unavailable
	}
	return none
}
