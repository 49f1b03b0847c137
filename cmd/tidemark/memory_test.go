//go:build linux && !race

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestResidentMemory: parts of 64 MiB and 8 workers, and the process that uploads stays within 32 MiB. The race detector has
// memory of its own, so this is not measured under it.
func TestResidentMemory(t *testing.T) {
	const size, limit = 512 << 20, 32 << 20
	s := serve(t, &fakeoss.Options{Dir: filepath.Join(t.TempDir(), "oss")})
	file := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	status := filepath.Join(t.TempDir(), "status")
	c := start(t, append(s.env(), statusTo+"="+status), "put", "--checkpoint-dir", t.TempDir(), "--part-size", "64MiB", "--concurrency", "8", file, "oss://"+testBucket+"/sparse")
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &c.err)
	}
	// Not the Maxrss of its rusage: that begins with what this process had when it started the other.
	text, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nVmHWM:")
	var peak int64
	if _, err := fmt.Sscanf(after, "%d kB", &peak); err != nil {
		t.Fatalf("VmHWM: %v in\n%s", err, text)
	}
	peak <<= 10
	t.Logf("%.1f MiB resident at most", float64(peak)/(1<<20))
	if peak > limit {
		t.Errorf("%d bytes resident, want at most %d", peak, limit)
	}
}
