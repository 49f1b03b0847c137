package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readLog(t *testing.T, f *File, id string) []byte {
	t.Helper()
	log, err := os.ReadFile(f.logPath(id))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func writeLog(t *testing.T, f *File, id string, log []byte) {
	t.Helper()
	if err := os.WriteFile(f.logPath(id), log, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestIDsPassOver: only logs are listed, also one whose header is damaged as long as its ID is not.
func TestIDsPassOver(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 2)
	log := readLog(t, f, "id")
	log[0] = 'X'
	writeLog(t, f, "id", log)
	unlock, err := f.Lock(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{
		filepath.Base(f.base("gone")) + damagedSuffix + "20260102T030405Z", filepath.Base(f.base("new")) + tempSuffix,
		filepath.Base(f.base("copy")) + logSuffix, "notes.log", "README", ".log",
	} {
		if err := os.WriteFile(filepath.Join(f.Dir(), name), logBytes("id", records(1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.logPath("directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for id, err := range f.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if diff := cmp.Diff([]string{"id"}, ids); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
}

// TestTwoStores: two stores on one directory, as two processes have, see each other's appends and deletes.
func TestTwoStores(t *testing.T) {
	a := newFile(t, "")
	b := newFile(t, a.Dir())
	fill(t, a, "id", 2)
	if err := b.Append(t.Context(), "id", 2, record(2)); err != nil {
		t.Fatal(err)
	}
	if err := a.Append(t.Context(), "id", 2, record(7)); !errors.Is(err, ErrConflict) {
		t.Errorf("Append where the other store did: %v, want ErrConflict", err)
	}
	if err := a.Append(t.Context(), "id", 3, record(3)); err != nil {
		t.Errorf("Append after the other store's: %v", err)
	}

	// The log is deleted and written anew with fewer records at the same size: a must not take it for the one it knows.
	if err := b.Delete(t.Context(), "id", 4, record(3)); err != nil {
		t.Fatal(err)
	}
	big := fmt.Appendf(nil, `"%s"`, strings.Repeat("x", len(record(0))*2+lineOverhead-2))
	fill(t, b, "id", 2)
	if err := b.Append(t.Context(), "id", 2, big); err != nil {
		t.Fatal(err)
	}
	if got, want := len(readLog(t, a, "id")), len(logBytes("id", records(4))); got != want {
		t.Fatalf("the new log has %d bytes, the test needs %d", got, want)
	}
	if err := a.Append(t.Context(), "id", 4, record(4)); !errors.Is(err, ErrConflict) {
		t.Errorf("Append to a log that was written anew: %v, want ErrConflict", err)
	}
	if err := a.Append(t.Context(), "id", 3, record(3)); err != nil {
		t.Errorf("Append to a log that was written anew: %v", err)
	}
}

// TestLockFileRemoved: a lock on a file that has lost its name keeps nobody out, and is seen to.
func TestLockFileRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a file that is open")
	}
	l := newLock(filepath.Join(t.TempDir(), "lock"))
	check := func(when string, want bool) {
		t.Helper()
		if current, err := isCurrent(l); current != want || err != nil {
			t.Errorf("%s: isCurrent = %t, %v, want %t", when, current, err, want)
		}
	}
	if ok, err := l.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	check("locked", true)
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	check("removed", false)
	if err := os.WriteFile(l.Path(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("made by another", false)
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

// TestWaitForGuard: who waits for a process that hangs inside the guard can give up, and an unlock does not hang.
func TestWaitForGuard(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 1)
	unlock, err := f.Lock(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	leave, err := newFile(t, f.Dir()).enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.Append(ctx, "id", 1, record(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Append: %v, want the context's error", err)
	}
	if err := unlock(); err != nil {
		t.Errorf("unlock: %v", err)
	}
	wantFiles(t, f, f.logPath("id"), f.base("id")+lockSuffix)
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	again, err := f.Lock(t.Context(), "id")
	if err != nil {
		t.Fatalf("Lock after an unlock that could not remove its file: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	wantFiles(t, f, f.logPath("id"))
}

// TestAppendCost: record 10,000 is as many bytes on disk as record 1, at most 12 more than its own, and it is written without
// reading the records before it.
func TestAppendCost(t *testing.T) {
	f := newFile(t, "")
	rec := func(at int) []byte { return fmt.Appendf(nil, `{"kind":"part","number":%5d}`, at) }
	var first, last int64
	var before int64
	for at := range 10_001 {
		if err := f.Append(t.Context(), "id", at, rec(at)); err != nil {
			t.Fatal(err)
		}
		if at > 1 && at < 10_000-1 {
			continue
		}
		info, err := os.Stat(f.logPath("id"))
		if err != nil {
			t.Fatal(err)
		}
		switch at {
		case 1:
			first = info.Size() - before
		case 10_000:
			last = info.Size() - before
		}
		before = info.Size()
	}
	if first != last || last > int64(len(rec(0)))+12 {
		t.Errorf("record 1 took %d bytes, record 10,000 %d, of which %d are its own", first, last, len(rec(0)))
	}

	// Damage in the middle is out of the sight of an append that does not read it.
	log := readLog(t, f, "id")
	log[len(log)/2] ^= 1
	writeLog(t, f, "id", log)
	if err := f.Append(t.Context(), "id", 10_001, rec(10_001)); err != nil {
		t.Errorf("Append read the log: %v", err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes; what is below the user's directory is the user's")
	}
	root := t.TempDir()
	f := newFile(t, filepath.Join(root, "a", "b"))
	unlock, err := f.Lock(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, f, "id", 2)
	wantFiles(t, f, f.logPath("id"), f.base("id")+lockSuffix)
	for _, dir := range []string{"a", "a/b"} {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s has mode %v, want 0700", dir, info.Mode())
		}
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	wantFiles(t, f, f.logPath("id"))

	// A directory that exists is the user's.
	shared := filepath.Join(root, "shared")
	if err := errors.Join(os.Mkdir(shared, 0o700), os.Chmod(shared, 0o755)); err != nil {
		t.Fatal(err)
	}
	fill(t, newFile(t, shared), "id", 1)
	if info, err := os.Stat(shared); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the user's directory has mode %v, %v, want 0755", info.Mode(), err)
	}
}

// TestReadOnlyUse: reading makes nothing, not even the directory.
func TestReadOnlyUse(t *testing.T) {
	f := newFile(t, filepath.Join(t.TempDir(), "not there"))
	wantRecords(t, f, "id", nil)
	for id, err := range f.IDs(t.Context()) {
		t.Errorf("IDs: %q, %v", id, err)
	}
	if err := errors.Join(f.Delete(t.Context(), "id", 1, record(0)), f.Sync(t.Context(), "id")); err != nil {
		t.Error(err)
	}
	if err := f.Append(t.Context(), "id", 1, record(1)); !errors.Is(err, ErrConflict) {
		t.Errorf("Append: %v, want ErrConflict", err)
	}
	if _, err := os.Stat(f.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

// TestUnusableDirectory: below a regular file nobody can make a directory, root neither.
func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below", "it")} {
		f := newFile(t, dir)
		_, lockErr := f.Lock(t.Context(), "id")
		for name, err := range map[string]error{"Append": f.Append(t.Context(), "id", 0, record(0)), "Lock": lockErr} {
			if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another checkpoint directory") {
				t.Errorf("%s: %v, want the directory and the remedy", name, err)
			}
		}
	}
}

// TestSync: the file first, then the names that lead to it; and directories on the way when they are made.
func TestSync(t *testing.T) {
	root := t.TempDir()
	f := newFile(t, filepath.Join(root, "a", "b"))
	var synced []string
	note := func(path string) error {
		rel, err := filepath.Rel(root, path)
		synced = append(synced, filepath.ToSlash(rel))
		return err
	}
	f.syncDir = note
	f.syncFile = func(file *os.File) error { return errors.Join(note(file.Name()), file.Sync()) }
	check := func(when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, synced); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		synced = nil
	}

	fill(t, f, "id", 1)
	check("the directories are made", "..", ".")
	if err := f.Append(t.Context(), "id", 1, record(1)); err != nil {
		t.Fatal(err)
	}
	check("an append")
	name := "a/b/" + filepath.Base(f.logPath("id"))
	for range 2 {
		if err := f.Sync(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		check("Sync", name, "a/b", "a")
	}
	log := readLog(t, f, "id")
	log[0] = 'X'
	writeLog(t, f, "id", log)
	if _, err := f.Load(t.Context(), "id"); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	check("a repair", strings.Replace(name, logSuffix, tempSuffix, 1), "a/b")

	f.syncDir = func(string) error { return fs.ErrInvalid }
	if err := f.Sync(t.Context(), "id"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Sync: %v, want the error of the directory", err)
	}
}

func TestDefaultDir(t *testing.T) {
	for name, test := range map[string]struct {
		goos string
		env  map[string]string
		want string
	}{
		"XDG":          {"linux", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/state"}, "/state/tidemark/uploads"},
		"relative XDG": {"linux", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "state"}, "/h/.local/state/tidemark/uploads"},
		"home":         {"freebsd", map[string]string{"HOME": "/h"}, "/h/.local/state/tidemark/uploads"},
		"macOS":        {"darwin", map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/h/Library/Application Support/tidemark/uploads"},
		"Windows":      {"windows", map[string]string{"LocalAppData": "/l", "HOME": "/h"}, "/l/tidemark/uploads"},
		"no home":      {"linux", nil, ""},
		"no app data":  {"windows", map[string]string{"HOME": "/h"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "XDG" && runtime.GOOS == "windows" {
				t.Skip("a path without a drive is not absolute on Windows")
			}
			got, err := defaultDir(test.goos, func(name string) string { return test.env[name] })
			if filepath.ToSlash(got) != test.want || (err == nil) != (test.want != "") {
				t.Errorf("defaultDir = %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestDeleteLeftovers: what a process that died in a repair left goes with the log.
func TestDeleteLeftovers(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 1)
	for _, suffix := range []string{tempSuffix, lockSuffix} {
		if err := os.WriteFile(f.base("id")+suffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Delete(t.Context(), "id", 1, record(0)); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, f)
}

// TestAlso: two errors are one line, and both are found in it.
func TestAlso(t *testing.T) {
	for _, err := range []error{also(fs.ErrInvalid, fs.ErrClosed), also(fs.ErrInvalid, nil), also(nil, fs.ErrInvalid)} {
		if !errors.Is(err, fs.ErrInvalid) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q, want the error in one line", err)
		}
	}
	if err := also(fs.ErrInvalid, fs.ErrClosed); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%q has lost the second error", err)
	}
	if err := also(nil, nil); err != nil {
		t.Errorf("%q of no errors", err)
	}
}

// TestUnlockAfterFileRemoved: an unlock does not remove the lock file of another, who got the lock because somebody removed ours.
func TestUnlockAfterFileRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a file that is open")
	}
	f := newFile(t, "")
	var unlocks []func() error
	for range 2 {
		unlock, err := f.Lock(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		unlocks = append(unlocks, unlock)
		if len(unlocks) == 1 {
			if err := os.Remove(f.base("id") + lockSuffix); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := unlocks[0](); err != nil {
		t.Error(err)
	}
	if _, err := f.Lock(t.Context(), "id"); !errors.Is(err, ErrInUse) {
		t.Errorf("Lock while the second has it: %v, want ErrInUse", err)
	}
	if err := unlocks[1](); err != nil {
		t.Error(err)
	}
	wantFiles(t, f)
}

// TestSyncFails: after a sync that failed, another one of the same file proves nothing. Sync succeeds only with a copy.
func TestSyncFails(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 3)
	path := f.logPath("id")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken disk")
	f.syncFile = func(*os.File) error { return broken }
	for range 2 {
		if err := f.Sync(t.Context(), "id"); !errors.Is(err, broken) {
			t.Fatalf("Sync: %v, want the disk's error", err)
		}
		wantFiles(t, f, path)
	}

	var synced []string
	f.syncFile = func(file *os.File) error {
		synced = append(synced, file.Name())
		return file.Sync()
	}
	if err := f.Sync(t.Context(), "id"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{f.base("id") + tempSuffix}, synced); diff != "" {
		t.Errorf("synced (-want +got):\n%s", diff)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) {
		t.Error("the log is the same file, of which nothing is known")
	}
	if err := f.Append(t.Context(), "id", 3, record(3)); err != nil {
		t.Error(err)
	}
	wantRecords(t, newFile(t, f.Dir()), "id", records(4))
	wantFiles(t, f, path)

	synced = nil
	if err := f.Sync(t.Context(), "id"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{path}, synced); diff != "" {
		t.Errorf("synced in the end (-want +got):\n%s", diff)
	}
}
