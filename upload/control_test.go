package upload

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// line is what a controller is tried on: throughput by the number of connections, in steps of 1 ms.
type line struct {
	c    *control
	now  time.Time
	rate func(n int) float64 // bytes a second of n connections together
	most int                 // connections, at most
}

func newLine(c *control, rate func(n int) float64) *line {
	return &line{c: c, now: time.Unix(1e9, 0), rate: rate}
}

func (l *line) run(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); {
		l.now = l.now.Add(time.Millisecond)
		l.c.moved(int(l.rate(l.c.limit)/1000), l.c.limit, true, l.now)
		l.most = max(l.most, l.c.limit)
	}
}

const mega = 1e6

// upTo is a line that gives each connection so much, and all of them no more than that.
func upTo(each, all float64) func(int) float64 {
	return func(n int) float64 { return min(each*float64(n), all) }
}

func TestControlFindsWhatPays(t *testing.T) {
	for name, c := range map[string]struct {
		rate            func(int) float64
		min, max, never int // where it rests, and what it never has
	}{
		"a home line":           {upTo(10*mega, 2*mega), 4, 4, 8},
		"two fill it":           {upTo(10*mega, 20*mega), 4, 5, 8},
		"ten fill it":           {upTo(10*mega, 100*mega), 8, 16, 32},
		"thirty fill it":        {upTo(10*mega, 300*mega), 24, 40, 64},
		"no end":                {upTo(10*mega, 10000*mega), 64, 64, 64},
		"more bring a little":   {func(n int) float64 { return min(10*mega*float64(n), 40*mega+1.5*mega*float64(max(n-4, 0))) }, 4, 8, 8},
		"more take from others": {func(n int) float64 { return max(mega, 40*mega-float64(n)*mega) }, 4, 4, 8},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(newControl(1, 64), c.rate)
			l.run(2 * time.Minute)
			if l.c.from < c.min || l.c.from > c.max || l.most > c.never || l.c.doubling {
				t.Errorf("rests at %d, had %d, still doubling: %t", l.c.from, l.most, l.c.doubling)
			}
		})
	}
}

// A line that changes is found again.
func TestControlFollows(t *testing.T) {
	l := newLine(newControl(1, 64), upTo(10*mega, 400*mega))
	l.run(time.Minute)
	if l.c.from < 32 {
		t.Fatalf("rests at %d", l.c.from)
	}
	l.rate = upTo(10*mega, 40*mega)
	l.run(3 * time.Minute)
	if l.c.from > 8 {
		t.Errorf("a tenth of the line: rests at %d", l.c.from)
	}
	l.rate = upTo(10*mega, 400*mega)
	l.run(time.Minute)
	if l.c.from < 24 {
		t.Errorf("the whole line again: rests at %d", l.c.from)
	}
	l.now = l.now.Add(2 * forgetAfter)
	l.run(10 * time.Millisecond)
	if l.c.limit != startConcurrency || !l.c.doubling {
		t.Errorf("after a time without traffic: %d", l.c.limit)
	}
}

func TestControlStaysWithinItsBounds(t *testing.T) {
	for _, b := range [][2]int{{1, 1}, {1, 3}, {1, 7}, {10, 10}, {10, 12}, {40, 64}} {
		l := newLine(newControl(b[0], b[1]), upTo(10*mega, 10000*mega))
		l.run(time.Minute)
		if l.c.limit != b[1] || l.most > b[1] {
			t.Errorf("%v: %d, had %d", b, l.c.limit, l.most)
		}
		for range 100 {
			l.now = l.now.Add(2 * time.Second)
			l.c.throttled(l.now)
		}
		if l.c.limit != b[0] {
			t.Errorf("%v: throttled again and again: %d", b, l.c.limit)
		}
	}
}

// Parts fail now and then. Only if most of them do, and not more than once a second, there is a step back.
func TestControlStepsBack(t *testing.T) {
	at := func() *line {
		l := newLine(newControl(1, 64), upTo(10*mega, 10000*mega))
		l.run(time.Minute)
		return l
	}
	l := at()
	for i := range 1000 {
		if i%4 < 2 {
			l.c.failed(l.now)
		} else {
			l.c.stored()
		}
	}
	if l.c.limit != 64 {
		t.Errorf("half of the parts failed: %d", l.c.limit)
	}
	for range 1000 {
		l.c.failed(l.now)
	}
	if l.c.limit != 48 {
		t.Errorf("all parts failed within a moment: %d, want a quarter less, once", l.c.limit)
	}
	l = at()
	l.c.limit, l.c.from = 20, 16
	l.c.throttled(l.now)
	if l.c.limit != 16 {
		t.Errorf("throttled in a trial of 20 after 16: %d", l.c.limit)
	}
}

// A store that takes long to answer a part, by nature, is not one before which a queue stands; one whose answers come later and later is.
func TestControlKnowsAQueue(t *testing.T) {
	c := newControl(1, 64)
	c.answered(10*time.Millisecond, false)
	for range 50 {
		c.answered(500*time.Millisecond, true)
	}
	if c.queued() {
		t.Error("answers always take half a second")
	}
	for range 50 {
		c.answered(1500*time.Millisecond, true)
	}
	if !c.queued() {
		t.Error("answers take three times as long")
	}
	l := newLine(c, upTo(10*mega, 10000*mega))
	c.limit, c.from, c.doubling = 8, 8, false
	l.run(time.Minute)
	if l.most > 8 {
		t.Errorf("%d connections before a queue", l.most)
	}
}

// What was under way when the store asked to wait says nothing more of how long, and its success does not end the wait.
func TestGateMindsTheOneThatAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(slog.New(slog.DiscardHandler))
		shut := func(probe bool, d time.Duration) {
			g.shut(t.Context(), askedToWait, probe, errMoved, func(int) time.Duration { return d })
		}
		begun := time.Now()
		shut(false, 10*time.Second)
		shut(false, time.Hour)
		g.open(t.Context(), false)
		probe, err := g.pass(t.Context())
		if took := time.Since(begun); err != nil || !probe || took != 10*time.Second {
			t.Fatalf("%t, %v after %v", probe, err, took)
		}
		shut(true, time.Minute)
		if probe, err := g.pass(t.Context()); err != nil || !probe || time.Since(begun) != 70*time.Second {
			t.Fatalf("%t, %v after %v", probe, err, time.Since(begun))
		}
		g.open(t.Context(), true)
		if why, _ := g.state(); why != "" {
			t.Errorf("still shut: %s", why)
		}
	})
}
