package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTornTail: a process that died at any byte of an append leaves the records before, and the next append cuts the rest off, by
// the store that wrote the log and by one that never saw it.
func TestTornTail(t *testing.T) {
	for n := range 3 {
		whole, sound := logBytes("id", records(n+1)), logBytes("id", records(n))
		if n == 0 {
			sound = nil
		}
		for cut := len(sound); cut < len(whole); cut++ {
			f := newFile(t, "")
			fill(t, f, "id", n+1) // f knows the log as it was before
			writeLog(t, f, "id", whole[:cut])
			wantRecords(t, f, "id", records(n))
			if n == 0 {
				for id := range f.IDs(t.Context()) {
					t.Errorf("cut at %d: IDs lists %q, which has no records", cut, id)
				}
			}
			for _, store := range []*File{f, newFile(t, f.Dir())} {
				writeLog(t, f, "id", whole[:cut])
				if err := store.Append(t.Context(), "id", n+1, record(9)); !errors.Is(err, ErrConflict) {
					t.Fatalf("cut at %d: Append in the place of a torn record's successor: %v, want ErrConflict", cut, err)
				}
				if err := store.Append(t.Context(), "id", n, record(n)); err != nil {
					t.Fatalf("cut at %d: Append: %v", cut, err)
				}
				if diff := cmp.Diff(string(whole), string(readLog(t, f, "id"))); diff != "" {
					t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
				}
			}
		}
	}
}

// TestLongTornTail: of a torn record that is longer than the next one nothing is left after it.
func TestLongTornTail(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 1)
	long := fmt.Appendf(nil, `"%s"`, strings.Repeat("x", 500))
	torn := newSeal("id").appendRecord(logBytes("id", records(1)), 1, long)
	writeLog(t, f, "id", torn[:len(torn)-3])
	if err := f.Append(t.Context(), "id", 1, record(1)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(logBytes("id", records(2))), string(readLog(t, f, "id"))); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestDeleteTorn: a log that a crash left without a record is no log, and goes.
func TestDeleteTorn(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 1)
	writeLog(t, f, "id", header("id"))
	if err := f.Delete(t.Context(), "id", 5, record(4)); err != nil {
		t.Fatal(err)
	}
	if left := names(t, f, logSuffix); left != nil {
		t.Errorf("left: %q", left)
	}
}

// TestDamage: a damaged log is set aside, byte for byte, the upload goes on with what is whole, and the damage is reported once.
func TestDamage(t *testing.T) {
	recs := records(3)
	sound := logBytes("id", recs)
	second := bytes.Index(sound, recs[1])
	flipped := bytes.Clone(sound)
	flipped[second+3] ^= 1
	tests := map[string]struct {
		log  []byte
		want [][]byte
	}{
		"a flipped bit":   {flipped, [][]byte{recs[0], recs[2]}},
		"a lost header":   {sound[bytes.IndexByte(sound, '\n')+1:], recs},
		"a lost line":     {append(bytes.Clone(sound[:second]), sound[bytes.Index(sound, recs[2]):]...), [][]byte{recs[0], recs[2]}},
		"nothing but NUL": {make([]byte, 500), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFile(t, "")
			fill(t, f, "id", 3)
			fill(t, f, "other", 1)
			for round := range 2 { // the second finds the name of a set-aside log
				writeLog(t, f, "id", test.log)
				if err := f.Append(t.Context(), "id", len(test.want), record(9)); !errors.Is(err, ErrConflict) {
					t.Errorf("Append to a damaged log: %v, want ErrConflict", err)
				}
				if err := f.Delete(t.Context(), "id", 3, recs[2]); !errors.Is(err, ErrConflict) {
					t.Errorf("Delete of a damaged log: %v, want ErrConflict", err)
				}
				got, err := f.Load(t.Context(), "id")
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("Load: %v, want ErrDamaged", err)
				}
				if diff := cmp.Diff(text(test.want), text(got)); diff != "" {
					t.Errorf("Load (-want +got):\n%s", diff)
				}
				wantRecords(t, f, "id", test.want)

				aside := names(t, f, ".damaged-")
				if len(aside) != round+1 {
					t.Fatalf("set aside: %q, want %d", aside, round+1)
				}
				path := filepath.Join(f.Dir(), aside[round])
				if !strings.HasPrefix(path, f.logPath("id")+".damaged-2") || !strings.Contains(err.Error(), path) {
					t.Errorf("set aside as %s, error %q", path, err)
				}
				kept, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(kept, test.log) {
					t.Errorf("the log that was set aside was changed")
				}
			}
			if err := f.Append(t.Context(), "id", len(test.want), record(9)); err != nil {
				t.Errorf("Append after the repair: %v", err)
			}
			wantRecords(t, newFile(t, f.Dir()), "id", append(test.want, record(9)))
			wantRecords(t, f, "other", records(1))
			wantFiles(t, f, f.logPath("id"), f.logPath("other"))
		})
	}
}

// wantFiles checks that nothing but the given files, the guard and set-aside logs is in the directory, and the modes.
func wantFiles(t *testing.T, f *File, paths ...string) {
	t.Helper()
	want := map[string]bool{filepath.Join(f.Dir(), guardName): true}
	for _, path := range paths {
		want[path] = true
	}
	entries, err := os.ReadDir(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(f.Dir(), e.Name())
		if !want[path] && !strings.Contains(e.Name(), ".damaged-") {
			t.Errorf("litter: %s", path)
		}
		delete(want, path)
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != 0o600 && !strings.Contains(e.Name(), ".damaged-") {
			t.Errorf("%s has mode %v, want 0600", path, info.Mode())
		}
	}
	for path := range want {
		t.Errorf("missing: %s", path)
	}
}

// TestNotAFile: whatever is in the place of a log, it is set aside and not written through.
func TestNotAFile(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	tests := map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"symlink": func(path string) error {
			return errors.Join(os.WriteFile(target, logBytes("id", records(2)), 0o600), os.Symlink(target, path))
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFile(t, "")
			fill(t, f, "other", 1)
			if err := make(f.logPath("id")); err != nil {
				t.Fatal(err)
			}
			for at := range 3 {
				if err := f.Append(t.Context(), "id", at, record(at)); !errors.Is(err, ErrConflict) {
					t.Errorf("Append %d: %v, want ErrConflict", at, err)
				}
			}
			if recs, err := f.Load(t.Context(), "id"); !errors.Is(err, ErrDamaged) || recs != nil {
				t.Errorf("Load = %q, %v, want ErrDamaged", recs, err)
			}
			fill(t, f, "id", 1)
			wantRecords(t, f, "id", records(1))
		})
	}
}

// TestNewerVersion: a log of a later version is left as it is by everything, and is still listed.
func TestNewerVersion(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 1)
	header := []byte(formatMagic + `2 "id" compressed`)
	log := append(appendSum(header, newSeal(string(header)).sum(0, nil)), "whatever\nit is\n"...)
	writeLog(t, f, "id", log)
	_, loadErr := f.Load(t.Context(), "id")
	for name, err := range map[string]error{
		"Load": loadErr, "Append": f.Append(t.Context(), "id", 1, record(1)), "Delete": f.Delete(t.Context(), "id", 1, record(0)),
	} {
		if !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v, want ErrVersion", name, err)
		}
	}
	if diff := cmp.Diff(string(log), string(readLog(t, f, "id"))); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
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
	wantFiles(t, f, f.logPath("id"))
}

// TestSyncFailsAndLosesRecords: what the system read back from the disk after its failure may be less than was appended.
func TestSyncFailsAndLosesRecords(t *testing.T) {
	f := newFile(t, "")
	fill(t, f, "id", 3)
	f.syncFile = func(file *os.File) error {
		if file.Name() != f.logPath("id") {
			return file.Sync()
		}
		return errors.Join(os.ErrInvalid, file.Truncate(int64(len(logBytes("id", records(2))))))
	}
	for range 2 {
		if err := f.Sync(t.Context(), "id"); err == nil {
			t.Error("Sync succeeded, and a record is gone")
		}
	}
}

// TestRepairFails: a repair that fails in its last step leaves the damaged log under its name, and no other.
func TestRepairFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a file that is open")
	}
	f := newFile(t, "")
	fill(t, f, "id", 3)
	log := readLog(t, f, "id")
	log[len(log)/2] ^= 1
	writeLog(t, f, "id", log)
	f.syncFile = func(file *os.File) error { return os.Remove(file.Name()) }
	if _, err := f.Load(t.Context(), "id"); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
		t.Errorf("Load: %v, want the error of the rename", err)
	}
	if diff := cmp.Diff(string(log), string(readLog(t, f, "id"))); diff != "" {
		t.Errorf("the damaged log (-want +got):\n%s", diff)
	}
	if aside := names(t, f, ".damaged-"); aside != nil {
		t.Errorf("left: %q", aside)
	}
}

// TestLinks: nothing outside of the directory is made or written through a link in the place of a file of ours.
func TestLinks(t *testing.T) {
	const precious = "precious precious precious precious precious precious precious\n"
	for _, there := range []string{precious, ""} { // of the target; empty if there is none
		target := func(t *testing.T, path string) (check func()) {
			target := filepath.Join(t.TempDir(), "target")
			if there != "" {
				if err := os.WriteFile(target, []byte(there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			return func() {
				t.Helper()
				if got, err := os.ReadFile(target); string(got) != there || errors.Is(err, fs.ErrNotExist) != (there == "") {
					t.Errorf("the target is %q, %v, and was %q", got, err, there)
				}
			}
		}
		refused := func(t *testing.T, path string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), path+" is not a regular file: remove it") {
				t.Errorf("%v, want an error that names %s", err, path)
			}
		}
		name := map[bool]string{true: "to nothing", false: "to a file"}[there == ""]
		t.Run("temporary file/"+name, func(t *testing.T) {
			f := newFile(t, "")
			check := target(t, f.base("id")+tempSuffix)
			log := logBytes("id", records(3))
			log[len(log)/2] ^= 1
			writeLog(t, f, "id", log)
			if _, err := f.Load(t.Context(), "id"); !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			check()
			wantRecords(t, f, "id", [][]byte{record(0), record(2)})
			wantFiles(t, f, f.logPath("id"))
		})
		t.Run("lock/"+name, func(t *testing.T) {
			f := newFile(t, "")
			fill(t, f, "id", 1)
			path := f.base("id") + lockSuffix
			check := target(t, path)
			_, err := f.Lock(t.Context(), "id")
			refused(t, path, err)
			refused(t, path, f.Delete(t.Context(), "id", 1, record(0)))
			check()
		})
		t.Run("guard/"+name, func(t *testing.T) {
			f := newFile(t, "")
			path := filepath.Join(f.Dir(), guardName)
			check := target(t, path)
			refused(t, path, f.Append(t.Context(), "id", 0, record(0)))
			check()
		})
	}
}
