package fakeoss

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is what a [Fault] does to the request that it meets.
type FaultKind int

const (
	// Refuse answers with an error before anything happens: Status and Code of the fault, 503 ServiceUnavailable if they
	// are empty. The request's body is read first.
	Refuse FaultKind = iota + 1

	// CutBody closes the connection after Bytes bytes of the request's body were read. Nothing happens. A body that is not
	// longer than Bytes is cut at its end.
	CutBody

	// LoseAnswer lets the request take effect, and closes the connection instead of answering.
	LoseAnswer

	// DelayEffect reads the whole request, closes the connection without an answer, and lets the request take effect
	// later: when Release is closed, or, if that is nil, before the Later-th request after it is looked at (at least 1).
	// It never takes effect if the handler is closed first.
	DelayEffect

	// Stall reads the whole request and holds it up before anything happens, until Release is closed; then it goes on. If
	// the client goes away meanwhile, or the handler is closed, nothing happens.
	Stall

	// SlowAnswer lets the request take effect and holds the answer back for Delay, or until Release is closed.
	SlowAnswer
)

var faultKinds = map[FaultKind]string{Refuse: "Refuse", CutBody: "CutBody", LoseAnswer: "LoseAnswer",
	DelayEffect: "DelayEffect", Stall: "Stall", SlowAnswer: "SlowAnswer"}

// String returns the name of the kind.
func (k FaultKind) String() string {
	if s, ok := faultKinds[k]; ok {
		return s
	}
	return "FaultKind(" + strconv.Itoa(int(k)) + ")"
}

// Fault is something that goes wrong, once: at the Nth request that matches, counted from its injection. A request matches
// if it is well-formed, authentic and allowed, and agrees with Operation, Bucket, Key and PartNumber where they are set. If
// several faults would meet one request, the one injected first does; the others have counted it, and the next of them
// that is due or overdue meets the next request that matches.
type Fault struct {
	Kind FaultKind

	Operation  string // the name of the service's API: PutObject, UploadPart, CompleteMultipartUpload …; empty: any
	Bucket     string
	Key        string
	PartNumber int
	Nth        int // from 1; 0 is 1

	Status     int           // Refuse; 0: 503
	Code       string        // Refuse; empty: ServiceUnavailable
	RetryAfter time.Duration // Refuse: the Retry-After header, in whole seconds; 0: none
	QoSDelay   time.Duration // Refuse: the x-oss-qos-delay-time header, in milliseconds; 0: none
	Bytes      int64         // CutBody
	Release    <-chan struct{}
	Later      int           // DelayEffect
	Delay      time.Duration // SlowAnswer
}

// String says what the fault does and to which request.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Kind.String())
	switch f.Kind {
	case Refuse:
		e := f.refusal()
		fmt.Fprintf(&b, "(%d %s)", e.status, e.code)
	case CutBody:
		fmt.Fprintf(&b, "(after %d bytes)", f.Bytes)
	case DelayEffect:
		if f.Release == nil {
			fmt.Fprintf(&b, "(until the next request but %d)", max(f.Later, 1)-1)
		}
	case SlowAnswer:
		fmt.Fprintf(&b, "(%v)", f.Delay)
	}
	operation := f.Operation
	if operation == "" {
		operation = "request"
	}
	fmt.Fprintf(&b, " at %s %d", operation, max(f.Nth, 1))
	if f.Bucket != "" || f.Key != "" {
		fmt.Fprintf(&b, " of %s/%s", f.Bucket, f.Key)
	}
	if f.PartNumber != 0 {
		fmt.Fprintf(&b, " part %d", f.PartNumber)
	}
	return b.String()
}

func (f Fault) check() error {
	if faultKinds[f.Kind] == "" {
		return fmt.Errorf("fakeoss: fault %v: unknown kind", f)
	}
	if f.Kind == Stall && f.Release == nil {
		return fmt.Errorf("fakeoss: fault %v: needs a Release", f)
	}
	if f.Nth < 0 || f.Bytes < 0 || f.Later < 0 || f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("fakeoss: fault %v: a number is out of range", f)
	}
	return nil
}

func (f Fault) refusal() *serviceError {
	e := &serviceError{status: f.Status, code: f.Code, message: "Refused by a fault of the test."}
	if e.status == 0 {
		e.status = http.StatusServiceUnavailable
	}
	if e.code == "" {
		e.code = "ServiceUnavailable"
	}
	if f.RetryAfter > 0 {
		e.set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if f.QoSDelay > 0 {
		e.set("x-oss-qos-delay-time", strconv.FormatInt(f.QoSDelay.Milliseconds(), 10))
	}
	return e
}

// plan is a fault and how far it has got.
type plan struct {
	Fault
	seen  int // requests that matched
	fired bool
}

// faults are the plans of a handler, and the effects that are held back.
type faults struct {
	mu    sync.Mutex
	plans []*plan
	held  []*heldEffect

	releases map[string]chan struct{} // see named
}

// heldEffect is an effect that waits for some more requests.
type heldEffect struct {
	left    int
	release chan struct{}
	done    chan struct{} // the effect has happened
}

// Inject adds faults at the end of the list.
func (h *Handler) Inject(list ...Fault) error {
	for _, f := range list {
		if err := f.check(); err != nil {
			return err
		}
		if f.Operation != "" && !slices.ContainsFunc(h.operations, func(op operation) bool { return op.name == f.Operation }) {
			return fmt.Errorf("fakeoss: fault %v: no such operation", f)
		}
	}
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	for _, f := range list {
		h.faults.plans = append(h.faults.plans, &plan{Fault: f})
	}
	return nil
}

// Unfired returns the faults that no request has met yet.
func (h *Handler) Unfired() []Fault {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	var list []Fault
	for _, p := range h.faults.plans {
		if !p.fired {
			list = append(list, p.Fault)
		}
	}
	return list
}

// arrival counts a request, and lets effects happen that have waited for it, before the request is looked at.
func (f *faults) arrival() {
	f.mu.Lock()
	var due []*heldEffect
	var rest []*heldEffect
	for _, e := range f.held {
		if e.left--; e.left <= 0 {
			due = append(due, e)
		} else {
			rest = append(rest, e)
		}
	}
	f.held = rest
	f.mu.Unlock()
	for _, e := range due {
		close(e.release)
		<-e.done
	}
}

func (f *faults) hold(requests int) *heldEffect {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &heldEffect{left: max(requests, 1), release: make(chan struct{}), done: make(chan struct{})}
	f.held = append(f.held, e)
	return e
}

// match returns the plan that meets a request, if one does.
func (f *faults) match(e Entry) *plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	var met *plan
	for _, p := range f.plans {
		if p.fired || p.Operation != "" && p.Operation != e.Operation || p.Bucket != "" && p.Bucket != e.Bucket ||
			p.Key != "" && p.Key != e.Key || p.PartNumber != 0 && p.PartNumber != e.PartNumber {
			continue
		}
		p.seen++
		if met == nil && p.seen >= max(p.Nth, 1) {
			p.fired = true
			met = p
		}
	}
	return met
}

// meetFault finds the fault for a request and does what comes before the operation.
func (c *call) meetFault() error {
	c.fault = c.h.faults.match(c.entry.snapshot())
	if c.fault == nil {
		return nil
	}
	c.entry.fault(c.fault.String())
	switch c.fault.Kind {
	case Refuse:
		return c.fault.refusal()
	case CutBody:
		c.body.cut = c.fault.Bytes
		if c.body.ended {
			c.sever()
			return errSevered
		}
	case Stall:
		if c.body.ended {
			return c.stall()
		}
	}
	return nil
}

// delayEffect holds the effect of a request back, if its fault says so.
func (c *call) delayEffect() error {
	if c.body.cut >= 0 {
		c.sever()
		return errSevered
	}
	if c.fault == nil {
		return nil
	}
	if c.fault.Kind == Stall {
		return c.stall()
	}
	if c.fault.Kind != DelayEffect {
		return nil
	}
	release := c.fault.Release
	if release == nil {
		c.held = c.h.faults.hold(c.fault.Later)
		release = c.held.release
	}
	c.sever()
	select {
	case <-release:
		return nil
	case <-c.h.closed:
		return errSevered
	}
}

// stall waits for the Release of a Stall. It comes after the body was read: net/http notices only then that a client is gone.
func (c *call) stall() error {
	select {
	case <-c.fault.Release:
		return nil
	case <-c.r.Context().Done():
	case <-c.h.closed:
	}
	c.sever()
	return errSevered
}

// answerOrCut sends the answer, unless the fault wants it lost or late.
func (c *call) answerOrCut(a *answer) (acknowledged bool) {
	if c.fault != nil {
		switch c.fault.Kind {
		case LoseAnswer, CutBody, DelayEffect:
			c.sever()
		case SlowAnswer:
			c.slow()
		}
	}
	return c.send(a)
}

// slow waits for the delay of a SlowAnswer.
func (c *call) slow() {
	var timeout <-chan time.Time
	if c.fault.Release == nil {
		t := time.NewTimer(c.fault.Delay)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-timeout:
	case <-c.fault.Release:
	case <-c.r.Context().Done():
	case <-c.h.closed:
	}
}
