//go:build linux || darwin

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func init() {
	childRoles["full"] = appendUntilFull
	childRoles["full at once"] = appendUntilFull
	childRoles["read-only"] = useReadOnly
	childRoles["other user"] = useOthersFiles
	childRoles["lax umask"] = appendWithLaxUmask
}

// appendUntilFull appends under a limit of the size of a file, which fails a write half-way as a full disk does. It then checks
// that nothing half-written is left, that the error says what to do, and that the log goes on when there is room again.
func appendUntilFull(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := uint64(len(logBytes("id", records(5))) + 20)
	if os.Getenv(roleVariable) == "full at once" {
		limit = 20
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: old.Max}); err != nil {
		return err
	}
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	at := 0
	for {
		if err = f.Append(ctx, "id", at, record(at)); err != nil {
			break
		}
		at++
	}
	if !errors.Is(err, syscall.EFBIG) || errors.Is(err, ErrConflict) ||
		!strings.Contains(err.Error(), f.logPath("id")) || !strings.Contains(err.Error(), "free some space") {
		return fmt.Errorf("the error of a full disk is: %w", err)
	}
	onDisk, err := os.ReadFile(f.logPath("id"))
	if at == 0 && !errors.Is(err, os.ErrNotExist) || at > 0 && err != nil {
		return fmt.Errorf("after the first failure: %w", err)
	}
	want := ""
	if at > 0 {
		want = string(logBytes("id", records(at)))
	}
	if diff := cmp.Diff(want, string(onDisk)); diff != "" {
		return fmt.Errorf("after the disk was full (-want +got):\n%s", diff)
	}
	if at == 0 {
		// No lock file without a holder is left, which wantFiles sees in the end.
		if _, err := f.Lock(ctx, "other"); !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("Lock on a full disk: %w", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	for ; at < 10; at++ {
		if err := f.Append(ctx, "id", at, record(at)); err != nil {
			return err
		}
	}
	return nil
}

// TestDiskFull: the first record and a later one meet a full disk in mid-write.
func TestDiskFull(t *testing.T) {
	for _, role := range []string{"full", "full at once"} {
		t.Run(role, func(t *testing.T) {
			f := newFile(t, "")
			if err := child(t, role, f.Dir()).Run(); err != nil {
				t.Fatal(err)
			}
			wantRecords(t, f, "id", records(10))
			wantFiles(t, f, f.logPath("id"))
		})
	}
}

// nobody is a user without rights: permissions do not hold for root, as which tests often run.
const nobody = 65534

// useReadOnly does everything in a directory that it cannot write. It holds a sound log "id" and a damaged one "damaged".
func useReadOnly(dir string) error {
	if os.Getuid() == 0 {
		if err := syscall.Setuid(nobody); err != nil {
			return err
		}
	}
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	recs, err := f.Load(ctx, "id")
	if err != nil {
		return err
	}
	if diff := cmp.Diff(text(records(2)), text(recs)); diff != "" {
		return fmt.Errorf("read-only Load (-want +got):\n%s", diff)
	}
	listed := 0
	for _, err := range f.IDs(ctx) {
		if err != nil {
			return err
		}
		listed++
	}
	if listed != 2 {
		return fmt.Errorf("%d IDs are listed, want 2", listed)
	}
	_, damagedErr := f.Load(ctx, "damaged")
	_, lockErr := f.Lock(ctx, "id")
	for name, err := range map[string]error{
		"Load of a damaged log": damagedErr,
		"Lock":                  lockErr,
		"Append":                f.Append(ctx, "id", 2, record(2)),
		"first Append":          f.Append(ctx, "new", 0, record(0)),
		"Delete":                f.Delete(ctx, "id", 2, record(1)),
	} {
		if !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), dir) ||
			!strings.Contains(err.Error(), "choose another checkpoint directory") {
			return fmt.Errorf("%s: the error of a read-only directory is: %w", name, err)
		}
	}
	return nil
}

// TestReadOnlyDirectory: what can be read is read, the rest is a clear error, and nothing is lost.
func TestReadOnlyDirectory(t *testing.T) {
	for _, guard := range []string{"new", "used before"} {
		t.Run(guard, func(t *testing.T) {
			// Every directory on the way must be open to others, which t.TempDir's are not.
			dir, err := os.MkdirTemp("", "checkpoint")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := errors.Join(os.Chmod(dir, 0o700), os.RemoveAll(dir)); err != nil {
					t.Error(err)
				}
			})
			f := newFile(t, dir)
			fill(t, f, "id", 2)
			fill(t, f, "damaged", 3)
			log := readLog(t, f, "damaged")
			log[len(log)/2] ^= 1
			writeLog(t, f, "damaged", log)
			if guard == "new" {
				if err := os.Remove(filepath.Join(dir, guardName)); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range []string{"id", "damaged"} {
				if err := os.Chmod(f.logPath(id), 0o444); err != nil {
					t.Fatal(err)
				}
			}
			if guard != "new" {
				if err := os.Chmod(filepath.Join(dir, guardName), 0o444); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			if err := child(t, "read-only", dir).Run(); err != nil {
				t.Fatal(err)
			}
			wantRecords(t, f, "id", records(2))
			if diff := cmp.Diff(string(log), string(readLog(t, f, "damaged"))); diff != "" {
				t.Errorf("the damaged log was touched (-want +got):\n%s", diff)
			}
		})
	}
}

// useOthersFiles does everything with logs of another user, in a directory that it can write. It prints what IDs lists.
func useOthersFiles(dir string) error {
	if err := syscall.Setuid(nobody); err != nil {
		return err
	}
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var ids []string
	var listErr error
	for id, err := range f.IDs(ctx) {
		if err != nil {
			listErr = err
			continue
		}
		if listErr != nil {
			return fmt.Errorf("IDs goes on after its error: %w", listErr)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	fmt.Println(ids)
	_, loadErr := f.Load(ctx, "theirs")
	_, lockErr := f.Lock(ctx, "theirs")
	for name, err := range map[string]error{
		"IDs": listErr, "Load": loadErr, "Lock": lockErr, "Append": f.Append(ctx, "theirs", 1, record(1)), "Sync": f.Sync(ctx, "theirs"),
	} {
		path := f.logPath("theirs")
		if name == "Lock" {
			path = f.base("theirs") + lockSuffix
		}
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path+" belongs to another user: chown or remove it") ||
			strings.Contains(err.Error(), "\n") {
			return fmt.Errorf("%s: the error of another user's file is: %w", name, err)
		}
	}
	return nil
}

// TestOtherUser: the file of another user hides nobody else's, and the error says whose it is and what to do.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make files of two users")
	}
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	f := newFile(t, dir)
	paths := []string{dir, filepath.Join(dir, guardName)}
	for _, id := range []string{"a", "b", "c", "theirs"} {
		fill(t, f, id, 1)
		paths = append(paths, f.logPath(id))
	}
	for _, path := range paths[:len(paths)-1] {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	// What is not a log is not even opened.
	for _, path := range []string{filepath.Join(dir, "0app.log"), f.base("theirs") + lockSuffix} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := child(t, "other user", dir).Output()
	if got, want := string(out), "[a b c]\n"; err != nil || got != want {
		t.Errorf("IDs lists %q, want %q; %v", got, want, err)
	}
}

func appendWithLaxUmask(dir string) error {
	syscall.Umask(0)
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	return f.Append(context.Background(), "id", 0, record(0))
}

func TestLaxUmask(t *testing.T) {
	f := newFile(t, filepath.Join(t.TempDir(), "made"))
	if err := child(t, "lax umask", f.Dir()).Run(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, f, f.logPath("id"))
	info, err := os.Stat(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, want 0700", info.Mode())
	}
}
