package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lockingStore is what File and Memory have in common.
type lockingStore interface {
	Store
	Locker
}

// TestStore holds both stores to the contract.
func TestStore(t *testing.T) {
	stores := map[string]func(t *testing.T) lockingStore{
		"File":          func(t *testing.T) lockingStore { return newFile(t, "") },
		"Memory":        func(*testing.T) lockingStore { return NewMemory() },
		"Memory's zero": func(*testing.T) lockingStore { return new(Memory) },
	}
	tests := map[string]func(t *testing.T, s lockingStore){
		"records come back":            testRoundTrip,
		"a position is won once":       testFence,
		"IDs are any bytes":            testIDs,
		"bad input is refused":         testInvalid,
		"delete is fenced":             testDelete,
		"one lock at a time":           testLock,
		"a context that is over stops": testContext,
		"goroutines that contend":      testContention,
	}
	for storeName, open := range stores {
		for name, test := range tests {
			t.Run(storeName+"/"+name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

func testRoundTrip(t *testing.T, s lockingStore) {
	big := `{"attributes":"` + strings.Repeat("x", MaxRecordSize-len(`{"attributes":""}`)) + `"}`
	want := []string{`{"a":1}`, ` [1, "zwei"] `, `"a deadbeef b"`, `0`, big, `{"text":"a {\"a\":1} 00000000 é"}`, `null`}
	if recs, err := s.Load(t.Context(), "id"); recs != nil || err != nil {
		t.Errorf("Load of no log = %q, %v, want nil, nil", recs, err)
	}
	for at, rec := range want {
		b := []byte(rec)
		if err := s.Append(t.Context(), "id", at, b); err != nil {
			t.Fatalf("Append %d: %v", at, err)
		}
		clear(b) // a store keeps a copy
	}
	for range 2 {
		recs, err := s.Load(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, text(recs)); diff != "" {
			t.Fatalf("Load (-want +got):\n%s", diff)
		}
		clear(recs[0]) // and hands out copies
	}
}

func testFence(t *testing.T, s lockingStore) {
	for _, at := range []int{-1, 1, 5} {
		if err := s.Append(t.Context(), "id", at, record(0)); !errors.Is(err, ErrConflict) {
			t.Errorf("Append at %d to no log: %v, want ErrConflict", at, err)
		}
	}
	fill(t, s, "id", 3)
	for _, at := range []int{-1, 0, 2, 4} {
		if err := s.Append(t.Context(), "id", at, []byte(`"other"`)); !errors.Is(err, ErrConflict) {
			t.Errorf("Append at %d to three records: %v, want ErrConflict", at, err)
		}
	}
	wantRecords(t, s, "id", records(3))
}

func testIDs(t *testing.T, s lockingStore) {
	ids := []string{
		"a", "A", "CON", "con.txt", "nul", ".", "..", "../../etc/passwd", "/abs", `C:\x`, "a\x00b", "a\nb", "a\"b", "\xff\xfe",
		" ", "é", "e\u0301", "*?<>|", strings.Repeat("x", 1024), strings.Repeat("\x01", 1024), "guard.lock",
	}
	for _, id := range ids {
		fill(t, s, id, 1)
	}
	var got []string
	for id, err := range s.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, s, id, records(1)) // the store may be used in the loop
		got = append(got, id)
	}
	slices.Sort(ids)
	slices.Sort(got)
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
	for range s.IDs(t.Context()) {
		break
	}
}

func testInvalid(t *testing.T, s lockingStore) {
	for _, id := range []string{"", strings.Repeat("x", 1025)} {
		_, loadErr := s.Load(t.Context(), id)
		_, lockErr := s.Lock(t.Context(), id)
		for name, err := range map[string]error{
			"Load": loadErr, "Append": s.Append(t.Context(), id, 0, record(0)), "Delete": s.Delete(t.Context(), id, 0, nil), "Lock": lockErr,
		} {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s of an ID of %d bytes: %v, want ErrInvalid", name, len(id), err)
			}
		}
	}
	tooBig := slices.Concat([]byte(`"`), bytes.Repeat([]byte("x"), MaxRecordSize-1), []byte(`"`))
	for _, rec := range []string{"", "{", "{}{}", "{\n}", "1\n", "1\r", "x", " ", string(tooBig)} {
		if err := s.Append(t.Context(), "id", 0, []byte(rec)); !errors.Is(err, ErrInvalid) {
			t.Errorf("Append of %.20q: %v, want ErrInvalid", rec, err)
		}
	}
	wantRecords(t, s, "id", nil)
}

func testDelete(t *testing.T, s lockingStore) {
	if err := s.Delete(t.Context(), "id", 3, record(2)); err != nil {
		t.Errorf("Delete of no log: %v", err)
	}
	fill(t, s, "id", 3)
	fill(t, s, "other", 1)
	for _, test := range []struct {
		at   int
		last []byte
	}{{0, nil}, {2, record(1)}, {3, record(1)}, {3, nil}, {4, record(2)}, {-1, nil}} {
		if err := s.Delete(t.Context(), "id", test.at, test.last); !errors.Is(err, ErrConflict) {
			t.Errorf("Delete at %d, %q: %v, want ErrConflict", test.at, test.last, err)
		}
	}
	wantRecords(t, s, "id", records(3))
	for range 2 { // the answer may be lost
		if err := s.Delete(t.Context(), "id", 3, record(2)); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	wantRecords(t, s, "id", nil)
	wantRecords(t, s, "other", records(1))
	fill(t, s, "id", 2) // the log begins anew
	wantRecords(t, s, "id", records(2))
}

func testLock(t *testing.T, s lockingStore) {
	unlock, err := s.Lock(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock(t.Context(), "id")
	var inUse *InUseError
	if !errors.As(err, &inUse) || !errors.Is(err, ErrInUse) {
		t.Fatalf("second Lock: %v, want an *InUseError", err)
	}
	if want := thisProcess().String(); inUse.ID != "id" || inUse.Holder != want || inUse.Since.IsZero() {
		t.Errorf("second Lock: %+v, want holder %q", inUse, want)
	}
	unlockOther, err := s.Lock(t.Context(), "other")
	if err != nil {
		t.Errorf("Lock of another ID: %v", err)
	}
	fill(t, s, "id", 2) // the lock is for locks: the holder appends, and so could others
	for range 2 {
		if err := errors.Join(unlock(), unlockOther()); err != nil {
			t.Errorf("unlock: %v", err)
		}
	}
	again, err := s.Lock(t.Context(), "id")
	if err != nil {
		t.Fatalf("Lock after unlock: %v", err)
	}
	if err := errors.Join(unlock(), s.Delete(t.Context(), "id", 2, record(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(t.Context(), "id"); !errors.Is(err, ErrInUse) {
		t.Errorf("Lock after a late unlock of an old lock and a Delete: %v, want ErrInUse", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

func testContext(t *testing.T, s lockingStore) {
	fill(t, s, "id", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, loadErr := s.Load(ctx, "id")
	_, lockErr := s.Lock(ctx, "id")
	var idsErr error
	for _, idsErr = range s.IDs(ctx) {
	}
	for name, err := range map[string]error{
		"Load": loadErr, "Append": s.Append(ctx, "id", 1, record(1)), "Delete": s.Delete(ctx, "id", 1, record(0)), "Lock": lockErr, "IDs": idsErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	wantRecords(t, s, "id", records(1))
}

func testContention(t *testing.T, s lockingStore) {
	const workers, positions = 8, 40
	var won [positions]atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for at := range positions {
				err := s.Append(t.Context(), "id", at, fmt.Appendf(nil, `{"at":%d,"by":%d}`, at, w))
				switch {
				case err == nil:
					won[at].Add(1)
				case !errors.Is(err, ErrConflict):
					t.Errorf("worker %d: Append %d: %v", w, at, err)
				}
			}
		})
	}
	wg.Wait()
	for at := range won {
		if n := won[at].Load(); n != 1 {
			t.Errorf("position %d was won %d times", at, n)
		}
	}
	recs, err := s.Load(t.Context(), "id")
	if len(recs) != positions || err != nil {
		t.Errorf("Load = %d records, %v, want %d", len(recs), err, positions)
	}
}

func wantRecords(t *testing.T, s Store, id string, want [][]byte) {
	t.Helper()
	got, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatalf("Load %.40q: %v", id, err)
	}
	if diff := cmp.Diff(text(want), text(got)); diff != "" {
		t.Errorf("Load %.40q (-want +got):\n%s", id, diff)
	}
}
