package tidemark_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	modulePath = "github.com/tidemark-go/tidemark"
	module     = modulePath + "/"
)

// imports returns what the packages need, directly and through others, but the standard library.
func imports(t *testing.T, packages ...string) []string {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, packages...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}

// TestImports holds who may import whom: someone who embeds the engine gets no SDK, no server and no test library, and someone
// who writes a backend needs nothing but the contract.
func TestImports(t *testing.T) {
	lock := []string{"github.com/gofrs/flock", "golang.org/x/sys/"}
	crc := []string{module + "internal/crc64", "golang.org/x/sys/cpu"} // what the processor can do
	for _, rule := range []struct {
		pkg string
		may []string // with all below them
	}{
		{"backend", nil},
		{"internal/crc64", []string{"golang.org/x/sys/cpu"}},
		{"checkpoint", lock},
		{"upload", append([]string{module + "backend", module + "checkpoint", module + "internal/crc64", "golang.org/x/time/rate"}, lock...)},
		{"backend/dir", append([]string{module + "backend"}, crc...)},
		{"backend/memory", append([]string{module + "backend"}, crc...)},
		{"conformance", append([]string{module + "backend", module + "checkpoint", module + "conformance/fault", module + "upload", module + "internal/crc64", "golang.org/x/time/rate"}, lock...)},
		{"conformance/fault", append([]string{module + "backend", module + "checkpoint", module + "upload", module + "internal/crc64", "golang.org/x/time/rate"}, lock...)},
		{"backend/oss", append([]string{module + "backend", "github.com/aliyun/aliyun-oss-go-sdk/oss", "golang.org/x/time/rate"}, crc...)},
	} {
		t.Run(rule.pkg, func(t *testing.T) {
			for _, dep := range imports(t, "./"+rule.pkg) {
				allowed := slices.ContainsFunc(rule.may, func(prefix string) bool {
					return dep == prefix || strings.HasPrefix(dep, prefix) && strings.HasSuffix(prefix, "/")
				})
				if dep != module+rule.pkg && !allowed {
					t.Errorf("%s must not need %s", rule.pkg, dep)
				}
			}
		})
	}
}

// The examples in the README are among those that compile.
func TestReadmeExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	flat := func(s []byte) string { return strings.Join(strings.Fields(string(s)), " ") }
	var tests string
	err = filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests += flat(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no example")
	}
	for _, b := range blocks {
		if !strings.Contains(tests, flat(b[1])) {
			t.Errorf("in no test:\n%s", b[1])
		}
	}
}
