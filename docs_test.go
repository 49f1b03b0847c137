package tidemark_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestCustomBackend does what docs/custom-backend.md says: the Go blocks, each of which is a file that its first line names, make a module,
// whose tests pass. It needs no network: all that the module needs, this one does.
func TestCustomBackend(t *testing.T) {
	text, err := os.ReadFile("docs/custom-backend.md")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"go.sum": sums,
		"go.mod": []byte("module example.com/folder\n\ngo 1.25.0\n\nrequire " + modulePath + " v0.0.0\n\nreplace " + modulePath + " => " + filepath.ToSlash(here) + "\n"),
	}
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1) {
		name := regexp.MustCompile(`^// (\w+\.go)\n\n`).FindSubmatch(block[1])
		if name == nil {
			t.Fatalf("a Go block does not begin with the name of a file:\n%s", block[1])
		}
		if formatted, err := format.Source(block[1]); err != nil || !bytes.Equal(formatted, block[1]) {
			t.Errorf("%s is not formatted by gofmt: %v", name[1], err)
		}
		files[string(name[1])] = block[1]
	}
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"vet", "."}, {"test", "-short", "-timeout=5m", "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %v: %v\n%s", args, err, out)
		}
	}
}
