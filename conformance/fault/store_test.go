package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
)

// onlyStore hides the optional interfaces of a store.
type onlyStore struct{ checkpoint.Store }

func TestLockerAndSyncer(t *testing.T) {
	inner := newRig(t).logs
	base := onlyStore{inner}
	for name, c := range map[string]struct {
		s            checkpoint.Store
		locks, syncs bool
	}{
		"neither": {base, false, false},
		"Locker": {struct {
			checkpoint.Store
			checkpoint.Locker
		}{base, inner}, true, false},
		"Syncer": {struct {
			checkpoint.Store
			checkpoint.Syncer
		}{base, inner}, false, true},
		"both": {inner, true, true},
	} {
		p := fault.New(nil, nil).Process()
		for _, w := range []checkpoint.Store{p.Store(c.s), p.Store(p.Store(c.s))} {
			_, locks := w.(checkpoint.Locker)
			_, syncs := w.(checkpoint.Syncer)
			if locks != c.locks || syncs != c.syncs {
				t.Errorf("%s: the wrapper locks: %t, syncs: %t", name, locks, syncs)
			}
		}
	}
}

// TestCallsOfAStore: a call says which log, which record and how large.
func TestCallsOfAStore(t *testing.T) {
	r := newRig(t)
	faults := fault.New(nil, nil)
	p := faults.Process()
	for _, op := range storeOps {
		if _, err := r.call(t.Context(), p, op); err != nil && op != "Delete" {
			t.Fatal(err)
		}
	}
	want := []string{"process 1: Load", "process 1: Append 1", "process 1: Delete 1: " + checkpoint.ErrConflict.Error(), "process 1: Sync", "process 1: Lock"}
	for i, c := range faults.Calls() {
		if c.String() != want[i] || c.Log != "id" || c.Op == "Append" && c.Size != int64(len(r.rec)) {
			t.Errorf("%+v, which prints as %q; want %q", c, c, want[i])
		}
	}
}

// TestLateRecordIsWhatItWas: the caller may use its slice for something else once the call has returned.
func TestLateRecordIsWhatItWas(t *testing.T) {
	r := newRig(t)
	faults := fault.New(fault.Schedule{{Op: "Append", N: 1, Kind: fault.Late}, {Op: "Delete", N: 1, Kind: fault.Late}}, nil)
	s := faults.Process().Store(r.logs)
	rec := []byte(`{"b":2}`)
	_ = s.Append(t.Context(), "id", 1, rec)
	last := bytes.Clone(rec)
	_ = s.Delete(t.Context(), "id", 2, last)
	rec[2], last[2] = 'x', 'x'
	faults.Settle()
	if r.of("Append") != 1 || r.of("Delete") != 1 {
		t.Errorf("%v", faults.Calls())
	}
}

// damaged is a store whose log was set aside.
type damaged struct{ checkpoint.Store }

func (damaged) Load(context.Context, string) ([][]byte, error) {
	return [][]byte{[]byte("{}")}, checkpoint.ErrDamaged
}

// TestDamagedComesWithRecords: of all errors, ErrDamaged does.
func TestDamagedComesWithRecords(t *testing.T) {
	p := fault.New(nil, nil).Process()
	records, err := p.Store(damaged{}).Load(t.Context(), "id")
	if len(records) != 1 || !errors.Is(err, checkpoint.ErrDamaged) {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// TestLocksEndWithTheirProcess: however it dies, another one can lock at once; and an unlock of the dead does not take that away.
func TestLocksEndWithTheirProcess(t *testing.T) {
	for _, kind := range []fault.Kind{fault.CrashBefore, fault.CrashAfter, fault.CrashLate} {
		t.Run(string(kind), func(t *testing.T) {
			logs, err := checkpoint.NewFile(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			faults := fault.New(fault.Schedule{{Op: "Append", N: 1, Kind: kind}}, nil)
			p, next := faults.Process(), faults.Process()
			var unlocks []func() error
			for i := range 3 {
				unlocks = append(unlocks, lock(t, p, logs, fmt.Sprint(i)))
			}
			if err := unlocks[1](); err != nil { // one that it no longer had when it died
				t.Fatal(err)
			}
			for i := range 3 {
				_, err := next.Store(logs).(checkpoint.Locker).Lock(t.Context(), fmt.Sprint(i))
				if i != 1 && !errors.Is(err, checkpoint.ErrInUse) {
					t.Errorf("while it lives: %v", err)
				}
			}
			_ = p.Store(logs).Append(t.Context(), "0", 0, []byte("{}"))
			for _, i := range []int{0, 2} {
				unlock := lock(t, next, logs, fmt.Sprint(i))
				if err := unlocks[i](); err != nil {
					t.Errorf("an unlock of the dead process: %v", err)
				}
				if _, err := faults.Process().Store(logs).(checkpoint.Locker).Lock(t.Context(), fmt.Sprint(i)); !errors.Is(err, checkpoint.ErrInUse) {
					t.Errorf("after an unlock of the dead process, a third one: %v", err)
				}
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func lock(t *testing.T, p *fault.Process, s checkpoint.Store, id string) (unlock func() error) {
	t.Helper()
	unlock, err := p.Store(s).(checkpoint.Locker).Lock(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

// TestCrashAfterLock: the lock that was taken is released, though the caller never had it.
func TestCrashAfterLock(t *testing.T) {
	r := newRig(t)
	faults, p := one("Lock", fault.CrashAfter)
	if unlock, err := p.Store(r.logs).(checkpoint.Locker).Lock(t.Context(), "id"); unlock != nil || !errors.Is(err, fault.ErrInjected) {
		t.Errorf("%t, %v", unlock != nil, err)
	}
	_ = lock(t, faults.Process(), r.logs, "id")
}

// slowLock is a store whose Lock is held up when it has the lock.
type slowLock struct {
	logs
	has, answer chan struct{}
}

func (s slowLock) Lock(ctx context.Context, id string) (func() error, error) {
	unlock, err := s.logs.Lock(ctx, id)
	close(s.has)
	<-s.answer
	return unlock, err
}

// TestDeathWithinLock: a process that dies by one call while another of its calls takes a lock has no lock.
func TestDeathWithinLock(t *testing.T) {
	r := newRig(t)
	slow := slowLock{r.logs, make(chan struct{}), make(chan struct{})}
	faults, p := one("Load", fault.CrashBefore)
	done := make(chan error)
	go func() {
		unlock, err := p.Store(slow).(checkpoint.Locker).Lock(t.Context(), "id")
		if unlock != nil {
			err = fmt.Errorf("the dead process got a lock")
		}
		done <- err
	}()
	<-slow.has
	_, _ = r.call(t.Context(), p, "Load")
	close(slow.answer)
	if err := <-done; !errors.Is(err, fault.ErrInjected) {
		t.Error(err)
	}
	_ = lock(t, faults.Process(), r.logs, "id")
}

// TestUnlockIsTheStores: its error reaches the caller, and a second call releases nothing again.
func TestUnlockIsTheStores(t *testing.T) {
	errUnlock, released := errors.New("cannot unlock"), 0
	s := struct {
		checkpoint.Store
		lockFunc
	}{newRig(t).logs, func() error { released++; return errUnlock }}
	unlock := lock(t, fault.New(nil, nil).Process(), s, "id")
	for range 2 {
		if err := unlock(); err != errUnlock {
			t.Errorf("%v", err)
		}
	}
	if released != 1 {
		t.Errorf("released %d times", released)
	}
}

type lockFunc func() error

func (f lockFunc) Lock(context.Context, string) (func() error, error) { return f, nil }
