package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	// guardPoll is how often a process that waits for the guard looks whether it is free. It is held for microseconds.
	guardPoll = time.Millisecond

	// unlockPatience is how long an unlock waits for the guard to remove its file. After that the file stays.
	unlockPatience = time.Second

	// holderOffset is where a lock file says who holds it. On Windows others cannot read a byte that is locked, and flock
	// locks the first.
	holderOffset = 1

	maxHolder = 1 << 10
)

// holder is who has a lock, as written in the lock file.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func thisProcess() holder {
	h := holder{PID: os.Getpid(), Since: time.Now().Truncate(time.Second)}
	// A machine without a name is no reason not to upload: the process number alone is of use.
	if host, err := os.Hostname(); err == nil {
		h.Host = host
	}
	return h
}

func (h holder) String() string {
	switch {
	case h.PID == 0:
		return ""
	case h.Host == "":
		return fmt.Sprintf("process %d", h.PID)
	}
	return fmt.Sprintf("process %d on %s", h.PID, h.Host)
}

// enter takes the guard, one lock for the whole directory that is held for the time of one append and never longer than a repair.
// It keeps processes apart that append to the same log without its lock, or make and remove the same files. One file that is never
// removed serves all logs: a lock file per log would have to be removed with it, while others wait for it. Inside the guard no
// other process changes anything in the directory, and no other goroutine of this store.
func (f *File) enter(ctx context.Context) (leave func() error, err error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		err := f.lockGuard(ctx)
		if err == nil {
			return func() error {
				defer func() { <-f.turn }()
				if err := f.guard.unlock(); err != nil {
					return also(err, f.guard.forget())
				}
				return nil
			}, nil
		}
		if !errors.Is(err, errRemoved) {
			err = also(err, f.guard.forget())
			<-f.turn
			if e := ctx.Err(); e != nil {
				return nil, e
			}
			return nil, fmt.Errorf("lock %s: %w; %s", f.guard.path, err, f.remedy(err))
		}
	}
}

// errRemoved: somebody removed the guard's file while it was being locked.
var errRemoved = errors.New("the guard was removed")

// lockGuard waits for the guard.
func (f *File) lockGuard(ctx context.Context) error {
	for {
		ok, err := f.guard.tryLock()
		if err != nil {
			return err
		}
		if ok {
			break
		}
		if err := wait(ctx, guardPoll); err != nil {
			return err
		}
	}
	current, err := f.isCurrent(f.guard)
	if err == nil && !current {
		err = also(f.guard.forget(), errRemoved)
	}
	return err
}

// wait returns after d, or with an error when ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// also adds a second error to the first, in one line.
func also(err, second error) error {
	switch {
	case second == nil:
		return err
	case err == nil:
		return second
	}
	return fmt.Errorf("%w; and then: %w", err, second)
}

func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
}

// checkLockFile refuses what is in the place of a lock file and is none: through a symbolic link, a file outside of the directory
// would be made or written.
func checkLockFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: remove it", path)
	}
	return err
}

// isCurrent reports whether the file that was locked is the one that has the name. If somebody removed it meanwhile, the lock keeps
// nobody out.
func isCurrent(l *flock.Flock) (bool, error) {
	locked, err := l.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(l.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, named), err
}

// Lock locks id with a lock of the operating system, which ends with the process however it dies. The file NAME.lock says who has
// it; it is removed by unlock. One that a killed process left behind is free, and is used again. A second call of unlock does nothing.
//
// The lock keeps out other Locks, not Appends: those are fenced by their position.
func (f *File) Lock(ctx context.Context, id string) (unlock func() error, err error) {
	if err := begin(ctx, id); err != nil {
		return nil, err
	}
	if err := f.makeDir(); err != nil {
		return nil, fmt.Errorf("checkpoint: lock: %w; %s", err, f.remedy(err))
	}
	// Inside the guard nobody sees a lock file without its holder, or locks one that is about to be removed.
	leave, err := f.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	l := newLock(f.base(id) + lockSuffix)
	if err := also(f.tryLock(l, id), leave()); err != nil {
		return nil, also(err, l.Unlock())
	}
	return sync.OnceValue(func() error { return f.unlock(l) }), nil
}

// tryLock is Lock inside the guard.
func (f *File) tryLock(l *flock.Flock, id string) error {
	ok, err := false, checkLockFile(l.Path())
	if err == nil {
		ok, err = l.TryLock()
	}
	if err != nil {
		return fmt.Errorf("checkpoint: lock %s: %w; %s", l.Path(), err, f.remedy(err))
	}
	if !ok {
		h, err := readHolder(l.Path())
		if err != nil {
			return fmt.Errorf("checkpoint: lock: %w", err)
		}
		return &InUseError{ID: id, Holder: h.String(), Since: h.Since}
	}
	if err := writeHolder(l.Path(), thisProcess()); err != nil {
		return fmt.Errorf("checkpoint: lock: %w; %s", also(err, also(l.Unlock(), removeIfThere(l.Path()))), f.remedy(err))
	}
	return nil
}

// unlock removes the lock file if it gets the guard, and unlocks in any case.
func (f *File) unlock(l *flock.Flock) error {
	// Not the context of Lock, which may be over: an unlock is how an upload that was cancelled ends.
	ctx, cancel := context.WithTimeout(context.Background(), unlockPatience)
	defer cancel()
	leave, err := f.enter(ctx)
	if err != nil {
		return l.Unlock() // the file stays, and is free
	}
	current, err := isCurrent(l) // if somebody removed the file, the one there now is another's
	err = also(err, l.Unlock())
	if current && err == nil { // Windows does not remove a file that is open
		err = removeIfThere(l.Path())
	}
	return also(err, leave())
}

// removeDeadLock removes a lock file that nobody holds. The caller is inside the guard.
func (f *File) removeDeadLock(id string) error {
	l := newLock(f.base(id) + lockSuffix)
	if _, err := os.Lstat(l.Path()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := checkLockFile(l.Path()); err != nil {
		return fmt.Errorf("checkpoint: delete: %w", err)
	}
	ok, err := l.TryLock()
	if !ok || err != nil {
		return err
	}
	return also(l.Unlock(), removeIfThere(l.Path()))
}

func writeHolder(path string, h holder) (err error) {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = also(err, file.Close()) }()
	// Only the first line counts: what a former holder with a longer name left after it is not cut off, since Windows does
	// not let a locked file be cut.
	_, err = file.WriteAt(append(text, '\n'), holderOffset)
	return err
}

// readHolder returns a zero holder if the file does not say.
func readHolder(path string) (h holder, err error) {
	file, err := os.Open(path)
	if err != nil {
		return holder{}, err
	}
	defer func() { err = also(err, file.Close()) }()
	text, err := io.ReadAll(io.NewSectionReader(file, holderOffset, maxHolder))
	if err != nil {
		return holder{}, err
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	if json.Unmarshal(text, &h) != nil {
		return holder{}, nil
	}
	return h, nil
}
