package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// patience is far beyond what any upload needs to return when its context is done: milliseconds.
const patience = 20 * time.Second

// errStalled is why the context of a process ends: whoever ran it lost patience.
var errStalled = errors.New("a request got no answer")

// errHangs is why the context of a play ends, if nothing ends it before.
var errHangs = errors.New("it hangs")

// stage is a place to play schedules on.
type stage struct {
	b      Backend
	store  checkpoint.Store
	engine engine
	prefix string // of the keys
	plays  int    // so far

	patience time.Duration // how long an upload may take to return when its context is done
	hung     bool          // one did not
}

// play is one upload, from its first process to its end, under one schedule.
type play struct {
	*stage
	sc       *scenario
	schedule fault.Schedule
	order    string // of the calls, where several are made at once

	around func(process func()) // runs each process

	store  checkpoint.Store
	key    string
	src    *fault.Source
	led    *ledger
	faults *fault.Faults
	ctx    context.Context
	end    context.CancelFunc // of ctx

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // of the process that runs
	old     []byte                  // the object that was there first; nil if none
	foreign []byte                  // the one that somebody else put there; nil if none
	gone    int                     // uploads that expired
	began   []byte                  // what the source had when the process began

	returned  []int // for each process, how many calls there were when it returned
	succeeded bool  // the last process lived to say so
	refused   bool  // the last process ended it: the object is somebody else's, or may be
	undecided bool  // a process could not tell whose object there is
	calls     []fault.Call
	violation *violation
}

// quickly is how requests are tried again: nobody learns from waiting.
var quickly = upload.Retry{Attempts: 3, BaseDelay: 1, MaxDelay: 1}

// play carries out a schedule. The same schedule makes the same calls.
func (g *stage) play(ctx context.Context, sc *scenario, s fault.Schedule) *play {
	p := g.begin(ctx, sc, s, &fault.Options{})
	defer p.end()
	p.run()
	return p
}

// begin prepares a play.
func (g *stage) begin(ctx context.Context, sc *scenario, s fault.Schedule, opts *fault.Options) *play {
	g.plays++
	ctx, end := context.WithTimeoutCause(ctx, hang, errHangs)
	p := &play{stage: g, sc: sc, schedule: s, ctx: ctx, end: end, key: fmt.Sprintf("%s%d", g.prefix, g.plays), store: g.store, around: func(process func()) { process() }}
	p.led = &ledger{g.b.open(), &facts{asked: map[string]backend.Attributes{}}}
	p.src = fault.NewSource("source of "+p.key, int(sc.size), uint64(g.plays))
	opts.Event, opts.Stalling = p.event, p.stalling
	p.faults = fault.New(s, opts)
	if sc.old {
		p.old = []byte("the object that was there before")
		p.occupy(p.old)
	}
	return p
}

// opts are the engine's. A source below the threshold is a Put.
func (p *play) opts() *upload.Options {
	o := &upload.Options{Concurrency: max(p.sc.atOnce, 1), Threshold: -1, Retry: quickly}
	o.Retry.Attempts = cmp.Or(p.sc.attempts, quickly.Attempts)
	if p.sc.part == 0 {
		o.Threshold = p.sc.size*3 + 1 // that of a grown one too
	}
	return o
}

// run starts one process after another until the upload has ended, and judges.
func (p *play) run() {
	for n := 1; p.violation == nil; n++ {
		if n > len(p.schedule)+4 {
			p.violate("R01", "the upload has not ended after %d processes", n-1)
			return
		}
		before := len(p.faults.Calls())
		p.led = &ledger{p.b.open(), p.led.facts}
		p.began = p.src.Bytes()
		proc := p.faults.Process()
		var err error
		p.around(func() { _, err = p.process(n, proc) })
		if p.ctx.Err() != nil {
			p.hung = true
			p.violate("R14", "process %d had not returned after %v, and nothing made it wait", n, hang)
		}
		p.calls = p.faults.Calls()
		p.returned = append(p.returned, len(p.calls))
		if p.violation != nil || p.judgeProcess(proc, err, before) {
			break
		}
	}
	if p.violation != nil {
		return
	}
	p.faults.Settle()
	p.calls = p.faults.Calls()
	p.judge()
	p.clean()
}

// process runs the upload once, and gives it up if it does not return soon after its context is done.
func (p *play) process(n int, proc *fault.Process) (res *upload.Result, err error) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.cancel = cancel
	p.mu.Unlock()
	done, led := make(chan struct{}), p.led
	go func() {
		defer close(done)
		res, err = p.upload(ctx, n, proc, led)
	}()
	select {
	case <-done:
		return res, err
	case <-ctx.Done():
	}
	watchdog := time.NewTimer(p.patience)
	defer watchdog.Stop()
	select {
	case <-done:
		return res, err
	case <-watchdog.C:
		p.hung = true
		p.violate("R11", "still running %v after its context was done", p.patience)
		return nil, context.Cause(ctx)
	}
}

// upload is the n-th process, with a handle of its own.
func (p *play) upload(ctx context.Context, n int, proc *fault.Process, led *ledger) (res *upload.Result, err error) {
	req := p.sc.req
	req.PartSize = p.sc.part
	if p.sc.attrs != nil {
		req.Attributes = p.sc.attrs(n)
	}
	p.labelled(ctx, func(ctx context.Context) {
		res, err = p.engine(proc.Backend(led), proc.Store(p.store), p.opts()).Upload(ctx, p.key, proc.Source(p.src), &req)
	})
	return res, err
}

func (p *play) stalling() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel(errStalled)
}

// event makes an event happen.
func (p *play) event(kind fault.Kind) {
	switch kind {
	case fault.Expired:
		for _, u := range p.led.uploads() {
			if p.led.MultipartBackend.Abort(p.ctx, u) == nil {
				p.gone++
			}
		}
	case fault.Occupied:
		p.foreign = []byte("somebody else's object")
		p.occupy(p.foreign)
	default:
		p.src.Change(kind)
	}
}

// occupy puts an object under the key, past the ledger.
func (p *play) occupy(data []byte) {
	b := p.led.MultipartBackend
	u, err := b.Create(p.ctx, p.key, backend.Attributes{})
	if err == nil {
		var part backend.Part
		if part, err = b.UploadPart(p.ctx, u, 1, bytes.NewReader(data), int64(len(data))); err == nil {
			_, err = b.Complete(p.ctx, u, []backend.Part{part}, backend.CompleteOptions{})
		}
	}
	if err != nil {
		p.violate("R01", "an object of one part cannot be put there: %v", err)
	}
}

// object returns what is under the key, nil if nothing is.
func (p *play) object() ([]byte, backend.Attributes) {
	data, attrs, err := p.b.Read(p.ctx, p.key)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return nil, attrs
	case err != nil:
		p.violate("R01", "the fixture cannot read the object: %v", err)
		return nil, attrs
	case data == nil:
		data = []byte{}
	}
	return data, attrs
}

// logID is the log that the upload used, empty if it came to none.
func (p *play) logID() string {
	for _, c := range p.calls {
		if c.Log != "" {
			return c.Log
		}
	}
	return ""
}

// log returns the records that are left.
func (p *play) log() [][]byte {
	id := p.logID()
	if id == "" {
		return nil
	}
	records, err := p.store.Load(p.ctx, id)
	if err != nil {
		p.violate("R13", "the log cannot be loaded: %v", err)
	}
	return records
}

// clean removes what the suite itself would leave in the fixture.
func (p *play) clean() {
	for _, u := range p.led.uploads() {
		for range 3 {
			if errors.Is(p.led.MultipartBackend.Abort(p.ctx, u), backend.ErrNoSuchUpload) {
				break
			}
		}
	}
	if id := p.logID(); id != "" {
		if records := p.log(); len(records) > 0 {
			p.store.Delete(p.ctx, id, len(records), records[len(records)-1])
		}
	}
}

// String is what replays p.
func (p *play) String() string {
	s := fmt.Sprintf("%s: %v", p.sc.name, p.schedule)
	if p.order != "" {
		s += "| " + p.order
	}
	return s
}

// violate notes the first violation.
func (p *play) violate(rule, format string, args ...any) {
	if p.violation == nil {
		p.violation = &violation{rule: ruleOf(rule), name: p.sc.name, saw: fmt.Sprintf(format, args...)}
	}
}

// trace is all calls, for people.
func (p *play) trace() string {
	var b strings.Builder
	for i, c := range p.calls {
		fmt.Fprintf(&b, "\n\t\t%3d %v", i+1, c)
	}
	return b.String()
}

// fired returns the calls that something happened to.
func (p *play) fired() []fault.Call {
	return slices.DeleteFunc(slices.Clone(p.calls), func(c fault.Call) bool { return c.Kind == "" })
}
