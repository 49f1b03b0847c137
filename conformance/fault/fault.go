// Package fault makes uploads fail on purpose: at a chosen call, in a chosen way.
//
// A [Schedule] says what goes wrong. [New] carries it out, on all that is wrapped for a [Process]: a backend, a checkpoint store, a
// source. A process that crashes is severed: nothing it still does, deferred or not, has an effect, and every call answers an error.
// The next process starts with [Faults.Process] again, and wraps the same backend and store for itself. In the end
// [Faults.Settle] lets take effect what is still late, and [Faults.Unfired] says whether all that was planned did happen; a test
// that does not ask proves nothing.
//
// A call that fails by the schedule returns zero values, so that no caller can tell by them what happened; a torn ReadAt, which
// fills half of what was asked for, is the exception. An error by the schedule is [ErrInjected]; beside that it is a sentinel
// of package backend only where its [Kind] says so.
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
)

// ErrInjected is in every error that a fault is the cause of, for [errors.Is]. It promises nothing about the effect of the call.
var ErrInjected = errors.New("injected fault")

// Options of [New]. Nil and the zero value are fine for a Schedule without events. The functions are called without a lock, from the
// goroutine that makes the call; where several goroutines make calls, they must be safe for concurrent use.
type Options struct {
	// Event makes an event happen: Edited, Expired and so on. It is called just before the call that the schedule names, and that
	// call waits for it.
	Event func(Kind)

	// Stalling is called when a call begins to stall, so that somebody ends its context. Nil: a time limit must.
	Stalling func()

	// Gate is called before each call to a backend or a checkpoint store, and holds the call until it returns. Done is called when
	// such a call has ended, with what became of it. Together they put the calls of several goroutines or processes in order. The
	// calls of a dead process pass here as well. Either may be nil.
	Gate, Done func(Call)
}

// Call is one call that was made.
type Call struct {
	Process int    // from 1
	Op      string // the method
	Key     string // of the object; empty for a checkpoint store and a source
	Upload  string // the upload's ID; empty for Create
	Log     string // the log's ID, for a checkpoint store
	Number  int    // of the part, the position of a record (Delete: how many there are), or the offset of a ReadAt
	Size    int64  // bytes: of the part, the object or the record, or asked of a ReadAt

	Kind   Kind  // what went wrong with it or happened before it; empty for most
	Effect bool  // whether what is wrapped did it, be it that the caller never learnt; for one that is late, whether it has by now
	Err    error // what the caller was told
}

// String is the call on one line, for people.
func (c Call) String() string {
	s := fmt.Sprintf("process %d: %s", c.Process, c.Op)
	if c.Number > 0 || c.Op == "Append" || c.Op == "Delete" {
		s += fmt.Sprint(" ", c.Number)
	}
	if c.Kind != "" {
		s += fmt.Sprintf(" [%s]", c.Kind)
	}
	if c.Err != nil {
		s += fmt.Sprintf(": %v", c.Err)
	}
	return s
}

// Faults carries out one Schedule. It is safe for concurrent use.
type Faults struct {
	opts Options

	mu        sync.Mutex
	plan      Schedule // what has not fired
	seen      map[string]int
	calls     []*Call
	late      []lateCall
	processes int
}

// lateCall is a call that has not taken effect yet.
type lateCall struct {
	in   int // calls to a store until it does; 0: at Settle
	call *Call
	make func(context.Context) error
}

// New carries out s once. It panics if s is not as [Parse] takes it, or has an event and there is no Options.Event.
func New(s Schedule, opts *Options) *Faults {
	w := &Faults{plan: slices.Clone(s), seen: map[string]int{}}
	if opts != nil {
		w.opts = *opts
	}
	for _, f := range s {
		err := f.check()
		if err == nil && slices.Contains(events, f.Kind) && w.opts.Event == nil {
			err = errors.New("there is no Options.Event that makes it happen")
		}
		if err != nil {
			panic(fmt.Sprintf("fault: %v: %v", f, err))
		}
	}
	return w
}

// Process starts a process: what is wrapped through it lives until a fault crashes it.
func (w *Faults) Process() *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes++
	return &Process{w: w, number: w.processes, died: make(chan struct{})}
}

// Settle lets all that is late take effect now, in the order of the calls. Call it when the processes that made them have ended.
func (w *Faults) Settle() {
	w.mu.Lock()
	due := w.late
	w.late = nil
	w.mu.Unlock()
	w.land(due)
}

// Unfired returns an error that names what was planned and did not happen, nil if all did: faults that met no call, and calls that are
// still late, which [Faults.Settle] ends.
func (w *Faults) Unfired() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.plan) > 0:
		return fmt.Errorf("fault: planned, but there was no such call: %v", w.plan)
	case len(w.late) > 0:
		return fmt.Errorf("fault: %d still late: call Settle in the end: %v", len(w.late), *w.late[0].call)
	}
	return nil
}

// Calls returns the calls so far, in the order in which they began. Calls of a dead process, which have no effect, are left out.
func (w *Faults) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Call, len(w.calls))
	for i, c := range w.calls {
		list[i] = *c
	}
	return list
}

// next is called with the lock held. It returns the fault that fires with this call, if one does.
func (w *Faults) next(op string) (f Fault, fires bool) {
	if len(w.plan) == 0 {
		return f, false
	}
	w.seen[op]++
	if f = w.plan[0]; f.Op != op || w.seen[op] != f.N {
		return f, false
	}
	w.plan = w.plan[1:]
	clear(w.seen)
	return f, true
}

// due is called with the lock held, before a call to a store, and returns the late ones that now take effect.
func (w *Faults) due() (due []lateCall) {
	rest := w.late[:0]
	for _, l := range w.late {
		if l.in--; l.in == 0 {
			due = append(due, l)
		} else {
			rest = append(rest, l)
		}
	}
	w.late = rest
	return due
}

func (w *Faults) land(due []lateCall) {
	for _, l := range due {
		err := l.make(context.Background()) // its caller is long gone
		w.mu.Lock()
		l.call.Effect = err == nil
		w.mu.Unlock()
	}
}

// Process is what one process has in its hands. It is safe for concurrent use.
type Process struct {
	w      *Faults
	number int
	died   chan struct{} // closed by a crash

	// Under the lock of w.
	dead   bool
	unlock []func() error // what the operating system would release
}

// Dead says whether a fault has crashed the process.
func (p *Process) Dead() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.dead
}

// deed is how a call is made, wholly or in part.
type deed struct {
	make    func(context.Context) error
	half    func()                                      // what a torn call still does; nil: nothing
	later   func() (func(context.Context) error, error) // takes all that the call needs from its caller, to make it later
	again   func(context.Context) error                 // makes the call a second time; nil: as make does
	refused error                                       // what a refused call answers
	alter   func()                                      // spoils the body
	stale   func()                                      // spoils the answer
	aside   bool                                        // not a call to a store: no gate, and no time passes for what is late
}

// do makes the call c, as the schedule has it.
func (p *Process) do(ctx context.Context, c Call, d deed) error {
	w := p.w
	c.Process = p.number
	if !d.aside {
		if w.opts.Gate != nil {
			w.opts.Gate(c)
		}
		if w.opts.Done != nil {
			defer func() {
				w.mu.Lock()
				ended := c
				w.mu.Unlock()
				w.opts.Done(ended)
			}()
		}
	}
	w.mu.Lock()
	if p.dead {
		c.Err = errDead
		w.mu.Unlock()
		return errDead
	}
	var due []lateCall
	if !d.aside {
		due = w.due()
	}
	f, fires := w.next(c.Op)
	if fires {
		c.Kind = f.Kind
	}
	call := &c
	w.calls = append(w.calls, call)
	w.mu.Unlock()
	w.land(due)
	if fires && slices.Contains(events, f.Kind) {
		w.opts.Event(f.Kind)
		fires = false
	}
	effect, err := false, error(nil)
	if !fires {
		err = d.make(ctx)
		effect = err == nil
	} else {
		effect, err = p.fail(ctx, f, call, d)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead {
		err = errDead
	}
	call.Effect, call.Err = call.Effect || effect, err
	return err
}

var errDead = fmt.Errorf("%w: the process is dead", ErrInjected)

// unknown is an error that leaves open what happened.
func unknown(f Fault) error { return fmt.Errorf("%w: %v: connection reset", ErrInjected, f.Kind) }

// fail makes a call go wrong. It returns whether the call took effect, and its answer.
func (p *Process) fail(ctx context.Context, f Fault, call *Call, d deed) (effect bool, err error) {
	switch f.Kind {
	case Refused:
		return false, fmt.Errorf("%w: %w", ErrInjected, d.refused)
	case Denied:
		return false, fmt.Errorf("%w: the credentials have expired: %w", ErrInjected, backend.ErrDenied)
	case Throttled:
		return false, throttled{}
	case Torn:
		if d.half != nil {
			d.half()
		}
		return false, unknown(f)
	case Lost:
		return d.make(ctx) == nil, unknown(f)
	case Retried:
		return p.retried(ctx, f, d)
	case Late, CrashLate:
		make, err := d.later()
		if err == nil {
			p.w.mu.Lock()
			p.w.late = append(p.w.late, lateCall{f.In, call, make})
			p.w.mu.Unlock()
			err = unknown(f)
		}
		if f.Kind == CrashLate {
			p.crash()
		}
		return false, err
	case CrashBefore:
		p.crash()
		return false, errDead
	case CrashAfter:
		effect = d.make(ctx) == nil
		p.crash()
		return effect, errDead
	case Stalled:
		if p.w.opts.Stalling != nil {
			p.w.opts.Stalling()
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: no answer: %w", ErrInjected, ctx.Err()) // its cause could be a sentinel, which this is not
		case <-p.died:
			return false, errDead
		}
	case Altered:
		d.alter()
		err := d.make(ctx)
		return err == nil, err
	case Stale:
		err := d.make(ctx)
		d.stale()
		return err == nil, err
	}
	panic("fault: " + f.String())
}

// retried makes a call twice, as an SDK does that hides from its caller that it had to.
func (p *Process) retried(ctx context.Context, f Fault, d deed) (effect bool, err error) {
	effect = d.make(ctx) == nil
	if p.Dead() { // by another of its calls meanwhile
		return effect, errDead
	}
	if d.again == nil {
		d.again = d.make
	}
	err = d.again(ctx)
	if err != nil && isSentinel(err) {
		return effect, unknown(f)
	}
	return effect || err == nil, err
}

// isSentinel says that err promises that a call had no effect. Of ErrNoSuchUpload, Complete and Abort say that it is no such promise.
func isSentinel(err error) bool {
	for _, s := range []error{
		backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart, backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled,
		backend.ErrUnreachable, checkpoint.ErrConflict, checkpoint.ErrInvalid, checkpoint.ErrVersion,
	} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// crash severs the process, and releases its locks as the operating system does.
func (p *Process) crash() {
	p.w.mu.Lock()
	if !p.dead {
		close(p.died)
	}
	p.dead = true
	unlock := p.unlock
	p.unlock = nil
	p.w.mu.Unlock()
	for _, f := range unlock {
		_ = f() // nobody is left to be told
	}
}

// throttled is ErrThrottled with the shortest wait.
type throttled struct{}

func (throttled) Error() string             { return ErrInjected.Error() + ": " + backend.ErrThrottled.Error() }
func (throttled) Unwrap() []error           { return []error{ErrInjected, backend.ErrThrottled} }
func (throttled) RetryAfter() time.Duration { return time.Nanosecond }
