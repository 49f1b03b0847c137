package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// DefaultDir is where [File] keeps its logs if it is not told: tidemark/uploads in the user's state directory. That is
// $XDG_STATE_HOME, or ~/.local/state, as the XDG Base Directory Specification has it; on macOS ~/Library/Application Support; on
// Windows %LocalAppData%. It is an error if the environment does not say where that is.
func DefaultDir() (string, error) { return defaultDir(runtime.GOOS, os.Getenv) }

func defaultDir(goos string, getenv func(string) string) (string, error) {
	variable, below := "HOME", []string{".local", "state"}
	switch goos {
	case "windows":
		variable, below = "LocalAppData", nil
	case "darwin", "ios":
		below = []string{"Library", "Application Support"}
	default:
		// The specification says that a relative path in the variable is to be ignored.
		if filepath.IsAbs(getenv("XDG_STATE_HOME")) {
			variable, below = "XDG_STATE_HOME", nil
		}
	}
	root := getenv(variable)
	if root == "" {
		return "", fmt.Errorf("checkpoint: no default directory: %s is not set: set it, or choose a checkpoint directory", variable)
	}
	return filepath.Join(append(append([]string{root}, below...), "tidemark", "uploads")...), nil
}

// makeDir makes the directory, and those above it that are missing, so that they survive a power cut: before a directory gets
// its first entry, the entry that names it is synced. Whoever finds the directory there, having been made by a process that died
// at once, has then only its own entry to sync, which Sync does.
func (f *File) makeDir() error {
	var missing []string
	d := f.dir
	for {
		info, err := os.Stat(d)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: f.dir, Err: fmt.Errorf("%s is not a directory", d)}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(d) == d {
			return err
		}
		missing = append(missing, d)
		d = filepath.Dir(d)
	}
	for _, d := range slices.Backward(missing) {
		if err := f.syncParent(filepath.Dir(d)); err != nil {
			return err
		}
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// syncParent syncs the entry that names dir. A directory above that this user cannot read is none that was made here.
func (f *File) syncParent(dir string) error {
	err := f.syncDir(filepath.Dir(dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// Sync makes what was appended to id survive a power cut: the log, its name, and the name of its directory. All of them every
// time: who made them, and whether that process lived to sync them, cannot be known, and to sync what is synced costs little.
// No log: nothing to do. If the answer is lost, calling again is harmless.
//
// If the system could not write the log, Sync replaces it by a copy that it could, now or in a later call, and until then returns
// an error: a second sync of the same file may succeed although the bytes were lost (Rebello et al., "Can Applications Recover from
// fsync Failures?", USENIX ATC 2020).
//
// On Windows a directory cannot be synced; NTFS keeps names in a journal of its own.
func (f *File) Sync(ctx context.Context, id string) error {
	if err := begin(ctx, id); err != nil {
		return err
	}
	path := f.logPath(id)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := f.syncLog(ctx, path, id); err != nil {
		return fmt.Errorf("checkpoint: sync: %w; %s", err, f.remedy(err))
	}
	if err := f.syncDir(f.dir); err != nil {
		return fmt.Errorf("checkpoint: sync: %w", f.advise(err))
	}
	if err := f.syncParent(f.dir); err != nil {
		return fmt.Errorf("checkpoint: sync: %w", f.advise(err))
	}
	return nil
}

// syncLog syncs the log itself, in a copy if a sync of it has failed.
func (f *File) syncLog(ctx context.Context, path, id string) error {
	var failure error
	if _, failed := f.unsynced.Load(id); !failed {
		file, err := openShared(path, os.O_RDWR) // Windows syncs only what can be written
		if err != nil {
			return err
		}
		if failure = also(f.syncFile(file), file.Close()); failure == nil {
			return nil
		}
		f.unsynced.Store(id, nil)
	}
	leave, err := f.enter(ctx)
	if err != nil {
		return also(failure, err)
	}
	if err := also(f.rewrite(ctx, path, id), leave()); err != nil {
		return also(failure, err)
	}
	f.unsynced.Delete(id)
	return nil
}
