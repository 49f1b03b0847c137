package dir

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// What New removes is old by the clock of the file system, whatever ours says: in the bubble it is the year 2000, and then far from now.
func TestClockOfAnother(t *testing.T) {
	for name, ours := range map[string]time.Duration{"behind": 0, "ahead": 100 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			now := time.Now()
			b := handle(t, root)
			for folder, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
				folder = path.Join(uploads, folder)
				if err := errors.Join(b.root.Mkdir(folder, 0o700), b.root.Chtimes(folder, now, now.Add(-age))); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				<-time.After(ours)
				handle(t, root)
			})
			left, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(uploads)))
			if err != nil || len(left) != 1 || left[0].Name() != "young" {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
}

// A folder that is a disk of its own: nothing can be moved into it, nor ever will be.
func TestOtherDisk(t *testing.T) {
	if err := sorted(&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}); !errors.Is(err, backend.ErrInvalid) {
		t.Error(err)
	}
}
