package conformance

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/conformance/fault"
)

// What is in the environment of a test run.
const (
	replayVar = "TIDEMARK_REPLAY" // "SCENARIO: SCHEDULE" plays just that
	pairsVar  = "TIDEMARK_PAIRS"  // how many pairs of a scenario are played: a number, or "all"
	seedVar   = "TIDEMARK_SEED"   // which of the pairs, if not all
)

// effort is how much is played.
type effort struct {
	pairs int // of a scenario, chosen by chance; negative: all; unset: as many as take about pairsTime
	turns int // of racing drivers
	seeds int // orders of the calls of several parts at once
	first uint64
}

const (
	unset     = 1 << 30
	pairsTime = time.Second / 2
	fewPairs  = 50
)

// effortOf reads the flags and the environment of a test run.
func effortOf(t *testing.T) effort {
	e := effort{pairs: unset, turns: 2, seeds: 100, first: uint64(time.Now().UnixNano())}
	number := func(name string, set func(uint64)) {
		text := os.Getenv(name)
		if text == "" {
			return
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q: want a number", name, text)
		}
		set(n)
	}
	switch {
	case os.Getenv(pairsVar) == "all":
		e.pairs, e.turns, e.seeds = -1, 4, 5000
	case testing.Short():
		e.pairs, e.turns, e.seeds = 0, 1, 50
		fallthrough
	default:
		number(pairsVar, func(n uint64) { e.pairs = int(min(n, unset-1)) })
	}
	number(seedVar, func(n uint64) { e.first = n })
	return e
}

// TestResume uploads through the backend and the checkpoint store with the real engine, and interrupts.
//
// First one upload of three parts is played whole, and its calls are noted. Then everything in the vocabulary of
// [github.com/tidemark-go/tidemark/conformance/fault] goes wrong at each of these calls, one thing in an upload; then a second one at
// each call that follows. A process that dies is severed: nothing that it still does has an effect. A new Uploader goes on, until the
// upload has ended, and what there is then (the object, unfinished uploads, the log, how often parts were sent and the object was published)
// is held against the rules. So it goes with a Put, under IfAbsent, with other attributes at the second call, for an empty source; with the source edited,
// truncated, grown, touched or replaced and the upload expired before any call; with two and three uploaders of the same, in every order
// of their calls that changes turn a few times; and with several parts at once, in orders by chance.
//
// Parts have MinPartSize or 1000 bytes, so that some thousand uploads take seconds in memory. They are played in subtests that are
// parallel; each has fixtures of its own and plays up to some hundred uploads, one after the other, under new keys. A failure prints
// the rule, the schedule, the calls and the command that plays it again. In the environment:
//
//	TIDEMARK_PAIRS=N    of each kind of upload N pairs are played, chosen by chance (else as many as take about half a second, but
//	                    fifty); all: every pair
//	TIDEMARK_SEED=N     what chance begins with, else the clock; it is logged
//	TIDEMARK_REPLAY=…   plays what a failure printed, and shows the calls
//
// With -short there are no pairs, and fewer orders.
//
// A nil newStore is for who has no checkpoint store of their own to test: the logs are in a [checkpoint.Memory].
//
// Its limits: three interruptions of one upload are not played, nor all orders of racing calls; in a pair, what is late comes one or
// three calls later or at the end. Abort and Delete do not stall, since the
// engine waits for them up to 30 s. What the backend's own network does, rather than the call as a whole, is not its business.
func TestResume(t *testing.T, newBackend NewBackend, newStore NewStore) {
	t.Helper()
	if newStore == nil {
		newStore = logsInMemory
	}
	s := &sweep{effort: effortOf(t), seen: map[string]int{}, again: replay(t), root: t.Name(), newStage: func(t *testing.T) *stage {
		return &stage{b: made(t, newBackend), store: newStore(t, t.TempDir()).Store, engine: theEngine, prefix: newPrefix(), patience: patience}
	}}
	s.all(t)
}

// newPrefix is of keys that nobody else has.
func newPrefix() string { return "conformance/" + rand.Text()[:12] + "/" }

// sweep plays schedules on stages.
type sweep struct {
	effort
	newStage func(t *testing.T) *stage
	again    func(name string) string
	root     string // the test that called TestResume

	mu    sync.Mutex
	found []violation
	seen  map[string]int // violations, by rule
	over  bool           // nothing more is played
	quiet bool           // violations are collected only
	only  string         // the scenario that is played; empty: all
}

func (s *sweep) all(t *testing.T) {
	first := s.newStage(t)
	if text := os.Getenv(replayVar); text != "" {
		s.replay(t, first, text)
		return
	}
	defer s.summary(t)
	for _, sc := range scenarios(first.b.Backend, first.looksAt(t)) {
		if s.only != "" && s.only != sc.name || !s.goesOn(t) {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			switch {
			case sc.racers > 0:
				s.races(t, sc)
			case sc.atOnce > 1:
				s.shuffles(t, sc)
			default:
				s.scenario(t, sc)
			}
		})
	}
}

// replay plays one schedule and shows its calls. The text is SCENARIO: SCHEDULE, and after a bar the order of calls where several
// are made at once.
func (s *sweep) replay(t *testing.T, g *stage, text string) {
	list := scenarios(g.b.Backend, g.looksAt(t))
	name, plan, _ := strings.Cut(text, ":")
	plan, calls, _ := strings.Cut(plan, "|")
	i := slices.IndexFunc(list, func(sc *scenario) bool { return sc.name == name })
	schedule, err := fault.Parse(plan)
	if i < 0 || err != nil {
		t.Fatalf("%s=%q: want SCENARIO: SCHEDULE: %v", replayVar, text, cmp.Or(err, fmt.Errorf("no scenario %q", name)))
	}
	var p *play
	switch sc := list[i]; {
	case sc.racers > 0:
		o, err := parseOrder(calls)
		if err != nil {
			t.Fatalf("%s=%q: %v", replayVar, text, err)
		}
		p, _ = g.race(t.Context(), sc, o)
	case sc.atOnce > 1:
		p = g.shuffle(t.Context(), sc, schedule, &shuffled{replay: strings.Fields(calls)})
	default:
		p = g.play(t.Context(), sc, schedule)
	}
	if p.violation == nil {
		t.Logf("calls:%s", p.trace())
	}
	s.report(t, p)
}

// scenario plays the clean upload, all single faults, and pairs.
func (s *sweep) scenario(t *testing.T, sc *scenario) {
	start := time.Now()
	clean := s.newStage(t).play(t.Context(), sc, nil)
	if s.report(t, clean); clean.violation != nil {
		s.stops(t)
		return
	}
	singles := schedules(nil, faultsAt(clean.calls, 0, sc.first, nil))
	var pairs []fault.Schedule
	s.batches(t, "singles", sc, singles, func(p *play) {
		if sc.second != nil {
			pairs = append(pairs, pairsOf(p)...)
		}
	})
	all := len(pairs)
	n := s.pairs
	if n == unset {
		n = max(fewPairs, int(time.Duration(len(singles))*pairsTime/max(time.Since(start), 1)))
	}
	pairs = s.sample(pairs, n)
	s.batches(t, "pairs", sc, pairs, nil)
	if !s.quiet {
		t.Logf("%d calls; played: %d single faults, %d of %d pairs (%s=%d), in %v", len(clean.calls), len(singles), len(pairs), all, seedVar, s.first, time.Since(start).Round(time.Millisecond))
	}
}

// stops ends it all: what goes wrong with an upload that nothing happens to goes wrong with every other.
func (s *sweep) stops(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.quiet {
		s.over = true
		t.Log("nothing more is played, since an upload fails that nothing happens to; TestBackend and TestStore may say why")
	}
}

// schedules appends each fault to a schedule.
func schedules(first fault.Schedule, list fault.Schedule) []fault.Schedule {
	all := make([]fault.Schedule, len(list))
	for i, f := range list {
		all[i] = append(slices.Clone(first), f)
	}
	return all
}

// pairsOf returns what can go wrong after the one fault of a play. As the first of two, what is late comes at the end, at once or
// after some calls.
func pairsOf(p *play) []fault.Schedule {
	distances := []int{1, 3}
	if f := p.schedule[0]; f.In > 0 && !p.sc.farLate && !slices.Contains(distances, f.In) {
		return nil
	}
	at := slices.IndexFunc(p.calls, disturbed)
	if at < 0 {
		return nil
	}
	second := faultsAt(p.calls, at+1, p.sc.second, distances)
	if op := p.schedule[0].Op; op == "Delete" || op == "Abort" { // for what follows, too, the engine has its own time limit
		second = slices.DeleteFunc(second, func(f fault.Fault) bool { return f.Kind == fault.Stalled })
	}
	return schedules(p.schedule, second)
}

// sample returns n of the pairs.
func (s *sweep) sample(pairs []fault.Schedule, n int) []fault.Schedule {
	if n < 0 || n >= len(pairs) {
		return pairs
	}
	rnd := mathrand.New(mathrand.NewPCG(s.first, 0))
	rnd.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return pairs[:n]
}

// batch is how many uploads are played on one stage. It bounds what a store in memory must hold, since objects cannot be removed, to
// some 256 MiB.
func (sc *scenario) batch() int { return int(min(250, max(8, 256<<20/max(sc.size, 1)))) }

// batches plays schedules, some at the same time, and passes on the plays in order, if each is not nil.
func (s *sweep) batches(t *testing.T, name string, sc *scenario, list []fault.Schedule, each func(*play)) {
	if len(list) == 0 {
		return
	}
	plays, batch := make([]*play, len(list)), sc.batch()
	t.Run(name, func(t *testing.T) {
		for from := 0; from < len(list); from += batch {
			to := min(from+batch, len(list))
			t.Run(fmt.Sprintf("%d-%d", from+1, to), func(t *testing.T) {
				t.Parallel()
				g := s.newStage(t)
				for i := from; i < to && s.goesOn(t); i++ {
					p := g.play(t.Context(), sc, list[i])
					s.report(t, p)
					if each != nil {
						plays[i] = p
						p.forget()
					}
				}
				s.leftovers(t, g)
			})
		}
	})
	for _, p := range plays {
		if p != nil {
			each(p)
		}
	}
}

// goesOn says whether more is to be played.
func (s *sweep) goesOn(t *testing.T) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over && t.Context().Err() == nil
}

// leftovers reports goroutines that the uploads on a stage have left.
func (s *sweep) leftovers(t *testing.T, g *stage) {
	if stacks := g.leftovers(); stacks != "" {
		s.violated(t, violation{rule: ruleOf("R15"), name: t.Name(), saw: "after these uploads goroutines are left:" + stacks}, "")
	}
}

// enough violations of one rule are shown in full.
const enough = 3

// violated notes a violation; how says what led to it.
func (s *sweep) violated(t *testing.T, v violation, how string) {
	s.mu.Lock()
	s.found = append(s.found, v)
	s.seen[v.rule.ID]++
	n := s.seen[v.rule.ID]
	s.mu.Unlock()
	switch {
	case s.quiet:
	case n <= enough:
		t.Errorf("%v%s", v, how)
	default:
		t.Fail()
	}
}

// summary says what was not shown.
func (s *sweep) summary(t *testing.T) {
	for _, rule := range slices.Sorted(maps.Keys(s.seen)) {
		if n := s.seen[rule]; n > enough && !s.quiet {
			t.Errorf("%s was violated by %d uploads; the first %d are above", rule, n, enough)
		}
	}
}

// forget drops what is large.
func (p *play) forget() { p.src, p.led, p.faults, p.stage, p.store = nil, nil, nil, nil, nil }

// report passes on what a play violated.
func (s *sweep) report(t *testing.T, p *play) {
	if p.hung {
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
	}
	unfired := p.faults.Unfired()
	switch v := p.violation; {
	case v != nil:
		v.again = p.String()
		s.violated(t, *v, s.how(p))
	case unfired != nil && !s.quiet:
		t.Errorf("%s: %v: the same calls were not made again", p, unfired)
	}
}

// how tells what was played, and how to play it again.
func (s *sweep) how(p *play) string {
	return fmt.Sprintf("\n\tschedule: %s (%s=%d)\n\tagain: %s='%s' %s\n\tcalls (go doc %s explains the words):%s", p, seedVar, s.first, replayVar, p, s.again(s.root), reflect.TypeFor[fault.Fault]().PkgPath(), p.trace())
}
