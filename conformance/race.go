package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// order is how several processes take turns: P*N is N calls of process P. What is left when it ends goes one process after the
// other, those first that did not come last. The number of changes of turn is what bounds the search: most races need few
// (Musuvathi and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007).
type order []turn

type turn struct{ process, calls int }

// String is P*N for each, joined by spaces.
func (o order) String() string {
	list := make([]string, len(o))
	for i, t := range o {
		list[i] = fmt.Sprintf("%d*%d", t.process, t.calls)
	}
	return strings.Join(list, " ")
}

func parseOrder(text string) (o order, err error) {
	for _, item := range strings.Fields(text) {
		p, n, ok := strings.Cut(item, "*")
		var t turn
		t.process, err = strconv.Atoi(p)
		if err == nil && ok {
			t.calls, err = strconv.Atoi(n)
		}
		if err != nil || !ok || t.process < 1 || t.calls < 1 {
			return nil, fmt.Errorf("%q: want PROCESS*CALLS", item)
		}
		o = append(o, t)
	}
	return o, nil
}

// unlocked hides that a store can lock, so that drivers meet.
func unlocked(s checkpoint.Store) checkpoint.Store {
	if syncer, ok := s.(checkpoint.Syncer); ok {
		return struct {
			checkpoint.Store
			checkpoint.Syncer
		}{s, syncer}
	}
	return struct{ checkpoint.Store }{s}
}

// race runs several uploads of the same at once, in an order. It returns how many calls of the last turn were there to be made.
func (g *stage) race(ctx context.Context, sc *scenario, o order) (p *play, last int) {
	racers := sc.racers
	b := newBaton(racers, 1)
	p = g.begin(ctx, sc, nil, &fault.Options{Gate: b.gate, Done: b.done})
	defer p.end()
	p.order = o.String()
	if sc.unlocked {
		p.store = unlocked(g.store)
	}
	var wg sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		proc := p.faults.Process()
		wg.Go(func() {
			defer b.end()
			_, errs[i] = p.upload(p.ctx, i+1, proc, &ledger{p.b.open(), p.led.facts})
		})
	}
	step, left := 0, 0
	if len(o) > 0 {
		left = o[0].calls
	}
	pick := func(calls []fault.Call) int {
		for ; step < len(o); step++ {
			if left == 0 {
				left = o[step].calls
			}
			if i := of(calls, o[step].process); i >= 0 {
				if left--; step == len(o)-1 {
					last++
				}
				if left == 0 {
					step++
				}
				return i
			}
			left = 0 // it has ended
		}
		after := 0
		if len(o) > 0 {
			after = o[len(o)-1].process
		}
		for n := range racers {
			if i := of(calls, (after+n)%racers+1); i >= 0 {
				return i
			}
		}
		return 0
	}
	orderly := b.run(p.ctx, pick)
	p.hung = p.hung || !orderly
	wg.Wait()
	p.calls = p.faults.Calls()
	p.judgeRace(errs, orderly)
	return p, last
}

// of returns the call of a process, -1 if it makes none.
func of(calls []fault.Call, process int) int {
	return slices.IndexFunc(calls, func(c fault.Call) bool { return c.Process == process })
}

// judgeRace looks at what several drivers made of an upload.
func (p *play) judgeRace(errs []error, orderly bool) {
	data, _ := p.object()
	won := 0
	_, locks := p.store.(checkpoint.Locker)
	for i, err := range errs {
		p.undecided = p.undecided || errors.Is(err, upload.ErrUndecided)
		switch {
		case err == nil:
			won++
		case locks && errors.Is(err, upload.ErrSuperseded):
			p.violate("R04", "process %d lost the upload to another while it had the store's lock: %v", i+1, err)
		case errors.Is(err, checkpoint.ErrInUse), errors.Is(err, upload.ErrSuperseded), p.sc.req.IfAbsent && errors.Is(err, backend.ErrExists),
			p.sc.req.IfAbsent && !p.sc.provable && errors.Is(err, upload.ErrUndecided):
		default:
			p.violate("R04", "process %d was not told that another took over: %v", i+1, err)
		}
	}
	switch {
	case !orderly:
		p.violate("R11", "the uploads have not ended: %v", context.Cause(p.ctx))
	case won == 0:
		p.violate("R04", "no process went on: %v", errs)
	case data == nil || !p.src.Had(data):
		p.violate("R04", "in the end the object's %d bytes are not what the source has", len(data))
	}
	if p.violation != nil {
		return
	}
	p.judgeLeft()
	parts, sent := int((p.longest()+p.sc.part-1)/p.sc.part), 0
	for _, c := range p.calls {
		if c.Op == "UploadPart" {
			sent++
		}
	}
	most := parts*p.led.completes() + len(errs) - 1
	if !p.sc.crc {
		most += len(errs) - 1 // what was in flight took the place of one that was sent after it, and cannot be told from it
	}
	if sent > most {
		p.violate("R02", "%d parts were sent of %d, by %d processes that completed %d times", sent, parts, len(errs), p.led.completes())
	}
	p.clean()
}

// orders plays every order that begins with prefix and has at most so many turns more.
func orders(prefix order, racers, turnsMore int, play func(order) (last int)) (played int) {
	for process := 1; process <= racers && turnsMore > 0; process++ {
		if len(prefix) > 0 && prefix[len(prefix)-1].process == process {
			continue
		}
		for calls := 1; ; calls++ {
			o := append(slices.Clone(prefix), turn{process, calls})
			played++
			if play(o) < calls {
				break // it had ended before
			}
			played += orders(o, racers, turnsMore-1, play)
		}
	}
	return played
}

// races plays what several drivers can do to each other: every order of their calls with so many turns.
func (s *sweep) races(t *testing.T, sc *scenario) {
	turns := s.turns
	if sc.racers > 2 {
		turns = min(turns, 3) // there are many more
	}
	start := time.Now()
	var played atomic.Int64
	t.Run("orders", func(t *testing.T) {
		clean := s.newStage(t).play(t.Context(), sc, nil)
		if s.report(t, clean); clean.violation != nil {
			return
		}
		for first := range storeCalls(clean.calls) {
			o := order{{process: 1, calls: first + 1}}
			t.Run(o.String(), func(t *testing.T) {
				t.Parallel()
				g := s.newStage(t)
				play := func(o order) int {
					p, last := g.race(t.Context(), sc, o)
					s.report(t, p)
					return last
				}
				if s.goesOn(t) && play(o) == first+1 {
					played.Add(1 + int64(orders(o, sc.racers, turns-1, play)))
				}
				s.leftovers(t, g)
			})
		}
	})
	if !s.quiet {
		t.Logf("%d orders of the calls of %d processes, with up to %d turns, in %v", played.Load(), sc.racers, turns, time.Since(start).Round(time.Millisecond))
	}
}
