//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package checkpoint

import "github.com/gofrs/flock"

// guard is the lock of a directory. Its file is open only while it is locked, so that on Windows the directory can be removed.
type guard struct {
	path string
	lock *flock.Flock
}

// tryLock reports whether it has the lock.
func (g *guard) tryLock() (bool, error) {
	if err := checkLockFile(g.path); err != nil {
		return false, err
	}
	g.lock = newLock(g.path)
	return g.lock.TryLock()
}

// isCurrent reports whether the file that is locked is the one that has the name. If somebody removed it meanwhile, the lock keeps
// nobody out.
func (g *guard) isCurrent() (bool, error) { return isCurrent(g.lock) }

func (g *guard) unlock() error { return g.lock.Unlock() }

func (g *guard) forget() error {
	if g.lock == nil {
		return nil
	}
	return g.lock.Unlock()
}
