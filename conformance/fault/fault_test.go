package fault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/conformance/fault"
)

// want is what a kind does to a call that would succeed.
type want struct {
	now, settled int   // how many calls of what is wrapped have taken effect, after the call and after Settle
	err          error // the sentinel that the answer is; nil: none
	fails, dead  bool
}

func wantOf(op string, kind fault.Kind) want {
	store := slices.Contains(backendOps, op)
	switch kind {
	case fault.Refused:
		if store {
			return want{0, 0, backend.ErrUnreachable, true, false}
		}
		return want{0, 0, nil, true, false}
	case fault.Denied:
		return want{0, 0, backend.ErrDenied, true, false}
	case fault.Throttled:
		return want{0, 0, backend.ErrThrottled, true, false}
	case fault.Torn, fault.Stalled:
		return want{0, 0, nil, true, false}
	case fault.Lost:
		return want{1, 1, nil, true, false}
	case fault.Late:
		return want{0, 1, nil, true, false}
	case fault.CrashBefore:
		return want{0, 0, nil, true, true}
	case fault.CrashAfter:
		return want{1, 1, nil, true, true}
	case fault.CrashLate:
		return want{0, 1, nil, true, true}
	case fault.Retried:
		switch op {
		case "Create", "UploadPart", "Delete": // as good the second time
			return want{2, 2, nil, false, false}
		case "Complete", "Abort": // gone, whatever the first did
			return want{1, 1, backend.ErrNoSuchUpload, true, false}
		case "Append", "Put": // ErrConflict and ErrExists, which may be the first one's doing
			return want{1, 1, nil, true, false}
		}
	case fault.Altered, fault.Stale, fault.Edited:
		return want{1, 1, nil, false, false}
	}
	panic(op + " " + string(kind))
}

// TestEveryKind makes each call go wrong in each way, and looks at the effect, the answer and what is left of the process.
func TestEveryKind(t *testing.T) {
	for _, op := range allOps {
		for _, kind := range append(fault.Failures(op), fault.Edited) {
			t.Run(op+" "+string(kind), func(t *testing.T) {
				r, w := newRig(t), wantOf(op, kind)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stalling, happened := 0, 0
				faults := fault.New(fault.Schedule{{Op: op, N: 1, Kind: kind}}, &fault.Options{
					Event:    func(fault.Kind) { happened++ },
					Stalling: func() { stalling++; cancel() },
				})
				p := faults.Process()
				value, err := r.call(ctx, p, op)

				if got := r.of(op); got != w.now {
					t.Errorf("%d took effect at once, want %d", got, w.now)
				}
				if (err != nil) != w.fails || sentinel(err) != w.err {
					t.Errorf("answer %v, want an error: %t, which is: %v", err, w.fails, w.err)
				}
				if injected := errors.Is(err, fault.ErrInjected); injected != (w.fails && w.err != backend.ErrNoSuchUpload) {
					t.Errorf("%v is ErrInjected: %t", err, injected)
				}
				hasValue := !slices.Contains([]string{"Abort", "Append", "Delete", "Sync"}, op)
				if value != (hasValue && !w.fails) && (op != "ReadAt" || kind != fault.Torn) {
					t.Errorf("a value came with the answer %v: %t", err, value)
				}
				if p.Dead() != w.dead {
					t.Errorf("dead: %t", p.Dead())
				}
				if (stalling == 1) != (kind == fault.Stalled) || errors.Is(err, context.Canceled) != (kind == fault.Stalled) {
					t.Errorf("stalled %d times, answer %v", stalling, err)
				}
				if (happened == 1) != (kind == fault.Edited) {
					t.Errorf("%d events", happened)
				}
				calls := faults.Calls()
				if len(calls) != 1 || calls[0].Op != op || calls[0].Process != 1 || calls[0].Kind != kind || calls[0].Effect != (w.now > 0) || calls[0].Err != err {
					t.Errorf("calls: %+v", calls)
				}

				late := kind == fault.Late || kind == fault.CrashLate
				if err := faults.Unfired(); (err != nil) != late || late && !strings.Contains(err.Error(), "call Settle") {
					t.Errorf("before Settle: Unfired: %v", err)
				}
				faults.Settle()
				faults.Settle() // has nothing left to do
				if got := r.of(op); got != w.settled || faults.Calls()[0].Effect != (got > 0) {
					t.Errorf("after Settle %d took effect, want %d; %+v", got, w.settled, faults.Calls())
				}
				if err := faults.Unfired(); err != nil {
					t.Error(err)
				}
				if w.dead {
					checkSevered(t, r, faults, p)
				}
			})
		}
	}
}

// checkSevered expects that a dead process has no effect whatever it calls, and that the next one is well.
func checkSevered(t *testing.T, r *rig, faults *fault.Faults, dead *fault.Process) {
	t.Helper()
	b, s := dead.Backend(r.objects), dead.Store(r.logs)
	known := len(faults.Calls())
	for _, op := range allOps {
		before := r.of(op)
		value, err := r.call(t.Context(), dead, op)
		if value || !errors.Is(err, fault.ErrInjected) || sentinel(err) != nil || r.of(op) != before {
			t.Errorf("%s of a dead process: value %t, %v, %d took effect", op, value, err, r.of(op)-before)
		}
	}
	list, ok := backend.As[backend.UploadLister](b)
	if !ok {
		t.Fatal("no UploadLister")
	}
	for u, err := range list.Uploads(t.Context(), "") {
		if err == nil {
			t.Errorf("a dead process lists %v", u)
		}
	}
	for id, err := range s.IDs(t.Context()) {
		if err == nil {
			t.Errorf("a dead process lists %v", id)
		}
	}
	if got := faults.Calls(); len(got) != known {
		t.Errorf("calls of a dead process are listed: %v", got[known:])
	}
	next := faults.Process()
	if _, err := next.Backend(r.objects).Stat(t.Context(), "there"); err != nil || next.Dead() {
		t.Errorf("the next process: %v", err)
	}
	if c := faults.Calls()[known]; c.Process != 2 || c.Op != "Stat" || c.Key != "there" || !c.Effect {
		t.Errorf("the next process: %+v", c)
	}
}

func TestThrottledSaysWhenToRetry(t *testing.T) {
	r := newRig(t)
	_, err := r.call(t.Context(), fault.New(fault.Schedule{{Op: "Stat", N: 1, Kind: fault.Throttled}}, nil).Process(), "Stat")
	var with interface{ RetryAfter() time.Duration }
	if !errors.As(err, &with) || with.RetryAfter() <= 0 {
		t.Errorf("%v", err)
	}
}

// TestOrder: each fault waits for the one before it, and counts the calls from there, of whichever process.
func TestOrder(t *testing.T) {
	r := newRig(t)
	s, err := fault.Parse("Stat#2 refused; Load#1 refused; Stat#2 denied")
	if err != nil {
		t.Fatal(err)
	}
	faults := fault.New(s, nil)
	for i, step := range []struct {
		op   string
		want error
	}{
		{"Load", nil}, // too early
		{"Stat", nil},
		{"Stat", backend.ErrUnreachable},
		{"Stat", nil}, // counts for nothing: the next fault is another's
		{"Load", fault.ErrInjected},
		{"Stat", nil},
		{"Load", nil},
		{"Stat", backend.ErrDenied},
		{"Stat", nil},
	} {
		_, err := r.call(t.Context(), faults.Process(), step.op)
		if !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("step %d, %s: %v, want %v", i, step.op, err, step.want)
		}
	}
	if err := faults.Unfired(); err != nil {
		t.Error(err)
	}
}

func TestUnfiredNamesWhatDidNotHappen(t *testing.T) {
	r := newRig(t)
	s, err := fault.Parse("Stat#1 refused; Put#2 lost; Stat#3 edited")
	if err != nil {
		t.Fatal(err)
	}
	faults := fault.New(s, &fault.Options{Event: func(fault.Kind) {}})
	p := faults.Process()
	for _, left := range []string{"Stat#1 refused; Put#2 lost; Stat#3 edited", "Put#2 lost; Stat#3 edited", "Put#2 lost; Stat#3 edited"} {
		if err := faults.Unfired(); err == nil || !strings.HasSuffix(err.Error(), ": "+left) {
			t.Errorf("Unfired: %v, want %q", err, left)
		}
		_, _ = r.call(t.Context(), p, "Stat")
	}
}

// TestLateLandsInTime: just before the In-th call to a store; those of a source, and those of the dead, are none.
func TestLateLandsInTime(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Late, fault.CrashLate} {
		r := newRig(t)
		faults := fault.New(fault.Schedule{{Op: "Create", N: 1, Kind: kind, In: 3}, {Op: "Create", N: 1, Kind: fault.Late, In: 1}, {Op: "Create", N: 1, Kind: fault.Late}}, nil)
		p := faults.Process()
		create := func() { _, _ = r.call(t.Context(), p, "Create") }
		created := func(want int, when string) {
			t.Helper()
			if got := r.of("Create"); got != want {
				t.Errorf("%s: %s: %d uploads begun, want %d", kind, when, got, want)
			}
		}
		create()
		if kind == fault.CrashLate {
			for range 5 {
				create()
			}
			p = faults.Process()
		}
		for range 5 {
			_, _ = r.call(t.Context(), p, "ReadAt")
			_, _ = r.call(t.Context(), p, "Version")
		}
		create() // call 1 after the first, late itself
		created(0, "after one call")
		_, _ = r.call(t.Context(), p, "Load") // call 2: lands the second one
		created(1, "after two calls")
		create() // call 3: lands the first one; late until Settle
		created(2, "after three calls")
		for range 40 {
			_, _ = r.call(t.Context(), p, "Stat")
		}
		created(2, "before Settle")
		faults.Settle()
		created(3, "after Settle")
		for _, c := range faults.Calls() {
			if c.Op == "Create" && !c.Effect {
				t.Errorf("%s: %+v", kind, c)
			}
		}
		if err := faults.Unfired(); err != nil {
			t.Error(err)
		}
	}
}

// TestLateInVain: what lands too late finds the upload gone, and has no effect.
func TestLateInVain(t *testing.T) {
	r := newRig(t)
	faults := fault.New(fault.Schedule{{Op: "UploadPart", N: 1, Kind: fault.Late}}, nil)
	p := faults.Process()
	_, _ = r.call(t.Context(), p, "UploadPart")
	if _, err := r.call(t.Context(), p, "Abort"); err != nil {
		t.Fatal(err)
	}
	faults.Settle()
	if c := faults.Calls()[0]; c.Effect || c.Err == nil || r.of("UploadPart") != 0 {
		t.Errorf("%+v", c)
	}
	if err := faults.Unfired(); err != nil {
		t.Error(err)
	}
}
