package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/conformance/fault"
)

// shuffled is who decides in which order the calls go that a process makes at once: chance, or the order that chance found
// before.
type shuffled struct {
	rnd    *rand.Rand
	replay []string // names of calls; nil: chance
	picked []string
	since  time.Time // when the call that comes next in replay was first missed; zero if it was not
}

// nameOf is what a call is found by again.
func nameOf(c fault.Call) string { return fmt.Sprintf("%d:%s:%d", c.Process, c.Op, c.Number) }

func (s *shuffled) pick(calls []fault.Call) int {
	i := 0
	if s.replay != nil {
		if n := len(s.picked); n < len(s.replay) {
			i = slices.IndexFunc(calls, func(c fault.Call) bool { return nameOf(c) == s.replay[n] })
			switch {
			case i >= 0:
				s.since = time.Time{}
			case s.since.IsZero():
				s.since = time.Now()
			case time.Since(s.since) > overdue:
				i, s.replay = 0, s.replay[:n] // the engine makes other calls by now
			}
		}
	} else {
		i = s.rnd.IntN(len(calls))
	}
	if i >= 0 {
		s.picked = append(s.picked, nameOf(calls[i]))
	}
	return i
}

// shuffle plays a schedule with several parts at once.
func (g *stage) shuffle(ctx context.Context, sc *scenario, schedule fault.Schedule, by *shuffled) *play {
	var of atomic.Pointer[baton] // the process that runs
	p := g.begin(ctx, sc, schedule, &fault.Options{
		Gate: func(c fault.Call) { of.Load().gate(c) },
		Done: func(c fault.Call) { of.Load().done(c) },
	})
	defer p.end()
	p.around = func(process func()) {
		b := newBaton(1, sc.atOnce)
		of.Store(b)
		orderly := make(chan bool)
		go func() { orderly <- b.run(p.ctx, by.pick) }()
		process()
		b.end()
		if !<-orderly {
			p.violate("R11", "the upload has not ended: %v", context.Cause(p.ctx))
		}
	}
	p.run()
	p.order = strings.Join(by.picked, " ")
	return p
}

// shuffles plays one fault each, by chance, with the calls of several parts at once in an order by chance.
func (s *sweep) shuffles(t *testing.T, sc *scenario) {
	start := time.Now()
	clean := s.newStage(t).shuffle(t.Context(), sc, nil, &shuffled{rnd: rand.New(rand.NewPCG(0, 0))})
	if s.report(t, clean); clean.violation != nil {
		return
	}
	singles := schedules(nil, faultsAt(clean.calls, 0, sc.first, nil))
	n := s.effort.seeds
	batch := sc.batch()
	t.Run("seeds", func(t *testing.T) {
		for from := 0; from < n; from += batch {
			t.Run(fmt.Sprintf("%d-%d", from+1, min(from+batch, n)), func(t *testing.T) {
				t.Parallel()
				g := s.newStage(t)
				for i := from; i < min(from+batch, n) && s.goesOn(t); i++ {
					rnd := rand.New(rand.NewPCG(s.first, uint64(i)))
					s.report(t, g.shuffle(t.Context(), sc, singles[rnd.IntN(len(singles))], &shuffled{rnd: rnd}))
				}
				s.leftovers(t, g)
			})
		}
	})
	if !s.quiet {
		t.Logf("%d orders of the calls of one process, %d parts at once, each with one of %d faults (%s=%d), in %v", n, sc.atOnce, len(singles), seedVar, s.first, time.Since(start).Round(time.Millisecond))
	}
}
