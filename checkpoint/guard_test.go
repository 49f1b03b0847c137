package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestLoadLooksAgainInGuard: what looked like damage while another was writing is none if it is sound by the time of the guard.
func TestLoadLooksAgainInGuard(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, dir)
		fill(t, f, "id", 3)
		sound := readLog(t, f, "id")
		bad := append([]byte(nil), sound...)
		bad[len(bad)/2] ^= 1
		writeLog(t, f, "id", bad)

		leave, err := f.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		type loaded struct {
			recs [][]byte
			err  error
		}
		done := make(chan loaded)
		go func() {
			recs, err := f.Load(t.Context(), "id")
			done <- loaded{recs, err}
		}()
		synctest.Wait() // Load has seen the damage and waits for the guard
		writeLog(t, f, "id", sound)
		if err := leave(); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if diff := cmp.Diff(text(records(3)), text(got.recs)); diff != "" || got.err != nil {
			t.Errorf("Load: %v, records (-want +got):\n%s", got.err, diff)
		}
		wantFiles(t, f, f.logPath("id"))
		if aside := names(t, f, ".damaged-"); aside != nil {
			t.Errorf("a sound log was set aside: %q", aside)
		}
	})
}

// TestLockWaitsForGuard: a Lock touches the lock file inside the guard only, where no other can see it half made or remove it.
func TestLockWaitsForGuard(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, dir)
		leave, err := f.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			unlock, err := f.Lock(t.Context(), "id")
			if err == nil {
				err = unlock()
			}
			done <- err
		}()
		synctest.Wait()
		wantFiles(t, f)
		select {
		case err := <-done:
			t.Fatalf("Lock did not wait for the guard: %v", err)
		default:
		}
		if err := leave(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestGuardRemoved: who locked a guard that somebody removed at that moment does not enter beside the holder of the new one.
func TestGuardRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a file that is open")
	}
	for name, replaced := range map[string]bool{"removed": false, "made by another": true} {
		t.Run(name, func(t *testing.T) { guardRemoved(t, replaced) })
	}
}

func guardRemoved(t *testing.T, replaced bool) {
	f := newFile(t, "")
	looks := 0
	f.isCurrent = func(g *guard) (bool, error) {
		if looks++; looks == 1 {
			err := os.Remove(g.path)
			if err == nil && replaced {
				err = os.WriteFile(g.path, nil, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
		return g.isCurrent()
	}
	leave, err := f.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := newLock(filepath.Join(f.Dir(), guardName))
	if ok, err := other.TryLock(); ok || err != nil {
		t.Errorf("the guard with the name is free while somebody is inside: %t, %v", ok, err)
	}
	if err := errors.Join(leave(), other.Unlock()); err != nil {
		t.Error(err)
	}
}
