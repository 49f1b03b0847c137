package dir

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// In the child process of TestKilled: the directory to work in, and how long after the beginning of a Complete it dies.
const (
	victimRoot = "TIDEMARK_TEST_VICTIM_ROOT"
	victimWait = "TIDEMARK_TEST_VICTIM_WAIT"
)

// A process that completes one upload after the other is killed, in each round a little later. The last one that it began to complete can then be completed, or is gone
// and has become the object; either way the object is whole.
func TestKilled(t *testing.T) {
	if root := os.Getenv(victimRoot); root != "" {
		wait, err := time.ParseDuration(os.Getenv(victimWait))
		if err != nil {
			t.Fatal(err)
		}
		victim(t, root, wait)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	b := handle(t, root)
	const rounds = 40
	completed := 0
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), victimRoot+"="+root, fmt.Sprint(victimWait, "=", time.Duration(round)*30*time.Microsecond))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var u backend.Upload
		var parts [2]backend.Part
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &u.Key, &u.ID, &parts[0].ETag, &parts[1].ETag); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
		}
		if err := cmd.Wait(); err == nil || n == 0 {
			t.Fatalf("after %d uploads, killed: %v", n, err)
		}
		parts[0].Number, parts[1].Number = 1, 2
		_, err = b.Complete(t.Context(), u, parts[:], backend.CompleteOptions{})
		if err == nil {
			completed++
		} else if !errors.Is(err, backend.ErrNoSuchUpload) {
			t.Errorf("round %d: %v", round, err)
		}
		if got, rerr := os.ReadFile(filepath.Join(root, u.Key)); string(got) != "onetwo" {
			t.Errorf("round %d: Complete returned %v, the object is %q, %v", round, err, got, rerr)
		}
	}
	t.Logf("of %d uploads whose process was killed, %d were still to be completed", rounds, completed)
}

// victim works until it is killed, and prints each upload before it completes it.
func victim(t *testing.T, root string, wait time.Duration) {
	b := handle(t, root)
	for n := 0; ; n++ {
		u, err := b.Create(t.Context(), fmt.Sprintf("%d-%d", os.Getpid(), n), backend.Attributes{})
		var parts [2]backend.Part
		for i, text := range []string{"one", "two"} {
			if err == nil {
				parts[i], err = b.UploadPart(t.Context(), u, i+1, bytes.NewReader([]byte(text)), 3)
			}
		}
		if err == nil {
			_, err = fmt.Println(u.Key, u.ID, parts[0].ETag, parts[1].ETag)
		}
		if n == 2 {
			time.AfterFunc(wait, func() {
				if p, err := os.FindProcess(os.Getpid()); err == nil {
					p.Kill()
				}
			})
		}
		if err == nil {
			_, err = b.Complete(context.Background(), u, parts[:], backend.CompleteOptions{IfAbsent: os.Getpid()%2 == 0})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
