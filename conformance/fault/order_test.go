package fault_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/conformance/fault"
)

// TestGateAndDone: before and after each call to a store, not of a source; without a lock, so that they may look around.
func TestGateAndDone(t *testing.T) {
	r := newRig(t)
	var faults *fault.Faults
	var got []string
	note := func(what string) func(fault.Call) {
		return func(c fault.Call) {
			_ = faults.Calls()
			got = append(got, what+" "+c.String())
		}
	}
	faults = fault.New(fault.Schedule{{Op: "Stat", N: 1, Kind: fault.Edited}, {Op: "Put", N: 1, Kind: fault.CrashAfter}}, &fault.Options{
		Event: func(kind fault.Kind) { got = append(got, "event "+string(kind)) },
		Gate:  note("gate"),
		Done:  note("done"),
	})
	p := faults.Process()
	for _, op := range []string{"Version", "Stat", "ReadAt", "Append", "Put", "Load"} {
		_, _ = r.call(t.Context(), p, op)
	}
	want := []string{
		"gate process 1: Stat", "event edited", "done process 1: Stat [edited]",
		"gate process 1: Append 1", "done process 1: Append 1",
		"gate process 1: Put", "done process 1: Put [crash-after]: injected fault: the process is dead",
		"gate process 1: Load", "done process 1: Load: injected fault: the process is dead",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGateOrDone: one goes without the other.
func TestGateOrDone(t *testing.T) {
	r, gates, dones := newRig(t), 0, 0
	for _, opts := range []*fault.Options{{Gate: func(fault.Call) { gates++ }}, {Done: func(fault.Call) { dones++ }}} {
		if _, err := r.call(t.Context(), fault.New(nil, opts).Process(), "Stat"); err != nil {
			t.Error(err)
		}
	}
	if gates != 1 || dones != 1 {
		t.Errorf("%d, %d", gates, dones)
	}
}

// TestGateOrders: two processes take turns, as the gate has it, whoever came first.
func TestGateOrders(t *testing.T) {
	r := newRig(t)
	turn := [3]chan struct{}{1: make(chan struct{}, 1), 2: make(chan struct{}, 1)}
	faults := fault.New(nil, &fault.Options{
		Gate: func(c fault.Call) { <-turn[c.Process] },
		Done: func(c fault.Call) { turn[3-c.Process] <- struct{}{} },
	})
	var wg sync.WaitGroup
	for range 2 {
		p := faults.Process()
		wg.Go(func() {
			for range 4 {
				_, _ = r.call(t.Context(), p, "Stat")
			}
		})
	}
	turn[2] <- struct{}{}
	wg.Wait()
	for i, c := range faults.Calls() {
		if want := 2 - i%2; c.Process != want {
			t.Errorf("call %d is of process %d, want %d", i, c.Process, want)
		}
	}
}

// TestStalledEndsWithItsContext: by the error of the context, even if its cause is a sentinel.
func TestStalledEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	faults := fault.New(fault.Schedule{{Op: "Complete", N: 1, Kind: fault.Stalled}}, &fault.Options{Stalling: func() { cancel(sentinels[0]) }})
	_, err := r.call(ctx, faults.Process(), "Complete")
	if !errors.Is(err, context.Canceled) || sentinel(err) != nil || r.of("Complete") != 0 {
		t.Errorf("%v", err)
	}
}

// TestStalledEndsWithItsProcess: what dies waits for nothing.
func TestStalledEndsWithItsProcess(t *testing.T) {
	r := newRig(t)
	stalling, done := make(chan struct{}), make(chan error)
	faults := fault.New(fault.Schedule{{Op: "Complete", N: 1, Kind: fault.Stalled}, {Op: "Stat", N: 1, Kind: fault.CrashBefore}},
		&fault.Options{Stalling: func() { close(stalling) }})
	p := faults.Process()
	go func() {
		_, err := r.call(t.Context(), p, "Complete")
		done <- err
	}()
	<-stalling
	_, _ = r.call(t.Context(), p, "Stat")
	if err := <-done; !errors.Is(err, fault.ErrInjected) || sentinel(err) != nil {
		t.Errorf("%v", err)
	}
}

// TestRetriedNotByTheDead: the second try is not made if the process died while the first was under way.
func TestRetriedNotByTheDead(t *testing.T) {
	r := newRig(t)
	faults := fault.New(fault.Schedule{{Op: "UploadPart", N: 1, Kind: fault.Retried}, {Op: "Stat", N: 1, Kind: fault.CrashBefore}}, nil)
	p := faults.Process()
	body := newBody()
	dying := readerFunc{body, func() { _, _ = r.call(t.Context(), p, "Stat") }}
	_, err := p.Backend(r.objects).UploadPart(t.Context(), r.up, 2, dying, int64(len(content)))
	if !errors.Is(err, fault.ErrInjected) || body.rewound != 0 || r.of("UploadPart") != 1 {
		t.Errorf("%v; %d rewinds, %d took effect", err, body.rewound, r.of("UploadPart"))
	}
}

// readerFunc calls f before each reading of a body.
type readerFunc struct {
	*body
	f func()
}

func (r readerFunc) Read(p []byte) (int, error) {
	r.f()
	return r.body.Read(p)
}

// TestConcurrency: many goroutines of many processes, with all that is wrapped; each fault fires once.
func TestConcurrency(t *testing.T) {
	r := newRig(t)
	var text fault.Schedule
	for range 10 {
		for _, kind := range []fault.Kind{fault.Lost, fault.Late, fault.Retried, fault.CrashAfter, fault.CrashLate, fault.Edited} {
			text = append(text, fault.Fault{Op: "Create", N: 2, Kind: kind})
		}
	}
	var mu sync.Mutex
	events := 0
	src := fault.NewSource("", 100, 1)
	faults := fault.New(text, &fault.Options{Event: func(kind fault.Kind) {
		src.Change(kind)
		mu.Lock()
		defer mu.Unlock()
		events++
	}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 60 {
				p := faults.Process()
				for _, op := range []string{"Create", "Stat", "Lock", "Append", "ReadAt", "Version", "ListParts", "Create"} {
					_, _ = r.call(t.Context(), p, op)
				}
				_, _ = p.Source(src).ReadAt(make([]byte, 10), 0)
				_ = p.Dead()
				_ = faults.Calls()
			}
		})
	}
	wg.Wait()
	faults.Settle()
	if err := faults.Unfired(); err != nil || events != 10 {
		t.Errorf("%v; %d events", err, events)
	}
	fired, created := 0, 0
	for _, c := range faults.Calls() {
		if c.Kind != "" {
			fired++
		}
		if c.Op == "Create" && c.Effect {
			created++
		}
		if c.Kind == fault.Retried {
			created++
		}
	}
	if fired != len(text) || created != r.of("Create") {
		t.Errorf("%d faults fired of %d; %d uploads by the calls, %d by the store", fired, len(text), created, r.of("Create"))
	}
}
