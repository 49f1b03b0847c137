package upload

import "time"

// control decides how many parts are under way at once, over all uploads that share it, by what comes of it: it climbs the hill of
// throughput.
//
// It starts with a few connections and doubles them while throughput grows with them, as BBR's startup does (Cardwell et al., "BBR:
// Congestion-Based Congestion Control", ACM Queue 2016; there the test is a quarter more, over rounds). When it does not, it goes back
// to what did as well with fewer. From then on it now and then tries a quarter more, and a quarter fewer, and keeps what pays: more
// must bring at least half of what it would if connections were all that counts, fewer must cost less than a quarter of that. While
// answers come much later than they did at their quickest, a queue stands somewhere on the way, and nothing is added (the signal of
// TCP Vegas). When the store throttles, or three parts in four fail, it steps back at once.
//
// It has no goroutine and no clock: it is told what happens, and when. What limits the sender otherwise, a slow disk, a busy
// processor or a Limiter, looks like a link that gives no more.
type control struct {
	floor, most int // bounds of limit

	limit    int     // parts that may be under way
	from     int     // the limit that base was measured at, which is gone back to
	base     float64 // bytes a second; 0 if not known
	doubling bool
	fewer    bool          // the next trial is one of fewer
	pause    time.Duration // before the next trial

	// The round: what limit brings.
	begun time.Time
	since time.Time // when measuring began, or will; zero until the connections carry something
	bytes int64
	bound bool    // a Limiter held bytes back
	looks float64 // units at which it is looked at next: not at every burst, or the highest of them would decide

	last    time.Time     // when anything moved last
	slowed  time.Time     // when the limit was lowered because of errors
	quick   time.Duration // the quickest answer of all
	least   time.Duration // the quickest answer to a part, after its last byte
	delay   time.Duration // of those, smoothed
	results uint16        // of the latest parts, a bit each: 1 failed
}

const (
	startConcurrency = 4

	// A rate is measured in units of time and of bytes for each connection, whatever takes longer: bytes come in bursts, since a system
	// takes what a socket has room for by some 100 KiB at once.
	minUnit   = 40 * time.Millisecond
	maxUnit   = 250 * time.Millisecond
	unitBytes = 384 << 10
	flowBytes = 512 << 10 // more than the buffers of both ends take of a connection that carries nothing yet

	minPause = 500 * time.Millisecond
	maxPause = 16 * time.Second

	forgetAfter = time.Minute // without traffic what was learnt of the link is old
)

func newControl(floor, most int) *control {
	c := &control{floor: floor, most: most}
	c.restart(time.Time{})
	return c
}

// restart begins as with an unknown link.
func (c *control) restart(now time.Time) {
	c.limit = min(max(startConcurrency, c.floor), c.most)
	c.from, c.base, c.doubling, c.fewer, c.pause = c.limit, 0, c.limit < c.most, false, minPause
	c.results, c.quick, c.least, c.delay = 0, 0, 0, 0
	c.round(now)
}

// round begins to measure anew.
func (c *control) round(now time.Time) {
	c.begun, c.since, c.bytes, c.bound, c.looks = now, time.Time{}, 0, false, 1
}

// unit is the least time for which a rate says anything: what is changed shows after a round trip, not before. The quickest answer seen
// took at least one, and the first of all some two, since it made its connection.
func (c *control) unit() time.Duration { return min(max(c.quick/2, minUnit), maxUnit) }

// moved is told of bytes that a part's body gave out. So many parts flow by now; hungry says that there is more to send.
func (c *control) moved(n int, flowing int, hungry bool, now time.Time) {
	if !c.last.IsZero() && now.Sub(c.last) > forgetAfter {
		c.restart(now)
	}
	c.last = now
	switch {
	case !hungry:
		c.round(now) // nothing is learnt of a limit that is not reached
		return
	case c.since.IsZero():
		// New connections are made first, and take what the buffers on the way hold faster than the line does.
		if flowing >= c.limit-c.limit/4 || now.Sub(c.begun) > 20*c.unit() {
			c.since = now.Add(c.unit() / 4)
		}
		return
	case now.Before(c.since):
		return
	}
	c.bytes += int64(n)
	c.decide(now)
}

// decide looks at the round so far.
func (c *control) decide(now time.Time) {
	took := now.Sub(c.since)
	units := min(float64(took)/float64(c.unit()), float64(c.bytes)/float64(unitBytes*c.limit))
	if units < c.looks {
		return
	}
	c.looks = units + 0.5
	rate := float64(c.bytes) / took.Seconds()
	switch {
	case c.doubling:
		c.double(rate, units, took, now)
	case c.limit == c.from:
		c.rest(rate, units, now)
	case units >= 10:
		c.judge(rate, now)
	}
}

// double goes on from limit to twice as many if rate is well above base: not a quarter, as in BBR, since beside others on a full line 8
// connections get up to a third more than 4, and take it from them. What is plain is decided at once, what is not takes longer; and nothing
// is plain where connections are so slow that they need more than the time of a unit for its bytes.
func (c *control) double(rate, units float64, took time.Duration, now time.Time) {
	plain := units >= 2.5 || took <= c.unit()*5/4
	grown := !c.bound && plain && (c.base == 0 || rate >= 1.4*c.base)
	switch {
	case grown && c.limit < c.most:
		c.from, c.base = c.limit, rate
		c.limit = min(2*c.limit, c.most)
	case grown:
		c.from, c.base, c.doubling = c.limit, rate, false
	case c.bound || units >= 5 || units >= 2.5 && rate < 1.1*c.base:
		c.limit, c.doubling = c.from, false
	default:
		return
	}
	c.round(now)
}

// rest measures what the limit brings by itself, and begins a trial after the pause.
func (c *control) rest(rate, units float64, now time.Time) {
	if units < 10 || now.Sub(c.begun) < c.pause {
		return
	}
	c.base = rate
	step := max(1, c.limit/4)
	start := min(max(startConcurrency, c.floor), c.most)
	switch {
	case c.fewer && c.limit > start:
		c.limit = max(c.limit-step, start)
	case !c.fewer && c.limit < c.most && !c.queued() && !c.bound:
		c.limit = min(c.limit+step, c.most)
	default:
		c.fewer = !c.fewer
	}
	c.round(now)
}

// judge ends a trial.
func (c *control) judge(rate float64, now time.Time) {
	change := float64(c.limit-c.from) / float64(c.from) // what throughput would gain if it grew with the connections
	before := c.base
	pays := rate >= before*(1+change/2)
	if change < 0 {
		pays = rate >= before*(1+change/4)
	}
	if pays {
		c.from, c.base, c.pause = c.limit, rate, minPause
		if change > 0 && rate >= before*(1+change*3/4) && c.limit < c.most && now.Sub(c.slowed) > forgetAfter {
			c.doubling, c.limit = true, min(2*c.limit, c.most) // the end was not where the first climb ended
		}
	} else {
		c.limit, c.fewer, c.pause = c.from, !c.fewer, min(2*c.pause, maxPause)
	}
	c.round(now)
}

// queued says that answers to parts take much longer than they can.
func (c *control) queued() bool { return c.least > 0 && c.delay > 2*c.least+20*time.Millisecond }

// answered is told how long an answer took, of a part after its last byte or of a request without a body.
func (c *control) answered(d time.Duration, part bool) {
	d = max(d, 1)
	if c.quick == 0 || d < c.quick {
		c.quick = d
	}
	if !part {
		return
	}
	if c.least == 0 || d < c.least {
		c.least = d
	}
	if c.delay == 0 {
		c.delay = d
	}
	c.delay += (d - c.delay) / 8
}

// stored and failed are told what became of a part.
func (c *control) stored() { c.results <<= 1 }

func (c *control) failed(now time.Time) {
	c.results = c.results<<1 | 1
	failures := 0
	for bits := c.results; bits > 0; bits &= bits - 1 {
		failures++
	}
	if failures >= 12 {
		c.stepBack(now, minPause)
	}
}

// throttled is told that the store wants less.
func (c *control) throttled(now time.Time) {
	c.stepBack(now, min(max(2*c.pause, 4*time.Second), maxPause))
}

// stepBack goes back to what was well before the latest trial, or else by a quarter; at most once a second, since parts that are under way
// together fail together.
func (c *control) stepBack(now time.Time, pause time.Duration) {
	if now.Sub(c.slowed) < time.Second {
		return
	}
	if c.limit > c.from {
		c.limit = c.from
	} else {
		c.limit -= (c.limit + 3) / 4
	}
	c.limit = max(c.limit, c.floor)
	c.from, c.base, c.doubling, c.fewer, c.pause, c.slowed, c.results = c.limit, 0, false, false, pause, now, 0
	c.round(now)
}
