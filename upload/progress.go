package upload

import (
	"sync"
	"time"
)

// Progress is a snapshot of an upload.
type Progress struct {
	Total    int64 // bytes of the source
	Stored   int64 // bytes that the store has, Reused included; never falls, so that it may exceed Total if the source shrank
	Reused   int64 // bytes that were on the store when this call began
	InFlight int64 // bytes that went of parts under way; of one that is hedged, those of both tries
	Sent     int64 // bytes sent by this call, those of failed requests and of hedges included

	Parts     int // of the object, 0 until they are planned
	PartsDone int
	PartsBusy int // tries under way, so that a part that is hedged counts twice
	Retries   int // requests that were sent again
	Hedged    int // parts that were sent a second time at the same time, since the first try lagged behind

	// Connections is how many parts may be under way at once now: of this upload what Options.Concurrency fixes or, without it,
	// what pays, of all uploads of the Uploader together. When it falls, parts under way are not cut, so that PartsBusy may exceed
	// it for a while.
	Connections int

	// Waiting says, in words, why nothing is sent: the store cannot be reached, or asked to wait. Empty if it can be had; waiting
	// for the Limiter is not told.
	Waiting    string
	WaitingFor time.Duration // how long already; 0 if Waiting is empty
	Verifying  bool          // the source is being compared, or the end is being settled
	Rate       float64       // bytes sent a second, over the last seconds
	Left       time.Duration // at that rate; negative if not known
	Elapsed    time.Duration
	Done       bool // the object is there and verified; only in the last snapshot
}

const (
	progressEvery = 200 * time.Millisecond
	rateWindow    = 25 // ticks, so 5 s
)

// meter counts what happens and, if someone listens, reports it from a goroutine of its own.
type meter struct {
	report   func(Progress)
	window   *window
	gate     *gate
	finished bool // read after quit is closed
	begun    time.Time
	quit     chan struct{}
	ended    chan struct{}

	mu     sync.Mutex
	now    Progress
	stored int64 // as it is; now.Stored is the highest that it was
	ring   []int64
}

func newMeter(total int64, report func(Progress), w *window, g *gate) *meter {
	m := &meter{report: report, window: w, gate: g, begun: time.Now(), now: Progress{Total: total, Left: -1}}
	if report != nil {
		m.quit, m.ended = make(chan struct{}), make(chan struct{})
		go m.run()
	}
	return m
}

func (m *meter) run() {
	defer close(m.ended)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	m.report(m.snapshot())
	for {
		select {
		case <-tick.C:
			m.report(m.snapshot())
		case <-m.quit:
			p := m.snapshot()
			if p.Done = m.finished; p.Done {
				p.Left = 0
			}
			m.report(p)
			return
		}
	}
}

// stop reports a last time and waits for that.
func (m *meter) stop() {
	if m.report != nil {
		close(m.quit)
		<-m.ended
	}
}

func (m *meter) snapshot() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring = append(m.ring, m.now.Sent)
	if len(m.ring) > rateWindow {
		m.ring = m.ring[1:]
	}
	p := m.now
	p.Elapsed = time.Since(m.begun)
	p.Connections = m.window.size()
	if why, since := m.gate.state(); why != "" {
		p.Waiting, p.WaitingFor = why, time.Since(since)
	}
	if n := len(m.ring) - 1; n > 0 {
		p.Rate = float64(m.ring[n]-m.ring[0]) / (float64(n) * progressEvery.Seconds())
	}
	if left := p.Total - p.Stored - p.InFlight; p.Rate > 0 {
		p.Left = time.Duration(float64(max(left, 0)) / p.Rate * float64(time.Second))
	}
	return p
}

func (m *meter) change(f func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.now)
}

func (m *meter) moved(n int64)   { m.change(func(p *Progress) { p.InFlight += n; p.Sent += n }) }
func (m *meter) dropped(n int64) { m.change(func(p *Progress) { p.InFlight -= n }) }
func (m *meter) hedged()         { m.change(func(p *Progress) { p.Hedged++ }) }
func (m *meter) retried()        { m.change(func(p *Progress) { p.Retries++ }) }

// finish is called before stop, when the object is there and verified.
func (m *meter) finish() { m.finished = true }

// planned begins a pass over so many parts: done of them, of stored bytes, need nothing more; reused of these bytes were on the
// store when the call began.
func (m *meter) planned(total int64, parts, done int, stored, reused int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Total, m.now.Parts, m.now.PartsDone, m.now.Reused = total, parts, done, reused
	m.set(stored)
}

// settled: all that is missing was done by an earlier call.
func (m *meter) settled(size int64, parts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.Sent == 0 {
		m.now.Reused = size
	}
	m.now.Total, m.now.Parts, m.now.PartsDone = size, parts, parts
	m.set(size)
}

// has is what the store has now, which may be less than it had.
func (m *meter) has() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored
}

// done counts the parts that the store has; it changes while an upload advances.
func (m *meter) done() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.now.PartsDone)
}

// set is called with the lock held.
func (m *meter) set(stored int64) {
	m.stored = stored
	m.now.Stored = max(m.now.Stored, stored)
}

// kept is a part that was compared and is equal.
func (m *meter) kept(size int64, reused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.PartsDone++
	if reused {
		m.now.Reused += size
	}
	m.set(m.stored + size)
}

// landed is a part that was stored.
func (m *meter) landed(size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.PartsDone++
	m.set(m.stored + size)
}

// begin is called when a part is begun.
func (m *meter) begin() { m.change(func(p *Progress) { p.PartsBusy++ }) }

// end is called when it ends, with what was in flight of it.
func (m *meter) end(flying int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.PartsBusy--
	m.now.InFlight -= flying
}
