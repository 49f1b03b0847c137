package checkpoint

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary one of the processes in childRoles instead of running the tests.
const roleVariable = "CHECKPOINT_TEST_ROLE"

// childRoles are the other processes of the tests. The arguments come in further variables, see child.
var childRoles = map[string]func(dir string) error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		role, ok := childRoles[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such role:", name)
			os.Exit(2)
		}
		if err := role(os.Getenv("CHECKPOINT_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child is a process of this test binary in the given role.
func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "CHECKPOINT_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// newFile is a File in dir, or in a new directory.
func newFile(t testing.TB, dir string) *File {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	f, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func record(at int) []byte { return fmt.Appendf(nil, `{"part":%d,"etag":"0123456789ABCDEF"}`, at) }

// records are the first n records of every log in the tests.
func records(n int) [][]byte {
	var recs [][]byte
	for at := range n {
		recs = append(recs, record(at))
	}
	return recs
}

// fill appends the first n records.
func fill(t testing.TB, s Store, id string, n int) {
	t.Helper()
	for at, rec := range records(n) {
		if err := s.Append(t.Context(), id, at, rec); err != nil {
			t.Fatalf("Append %d: %v", at, err)
		}
	}
}

// text makes records readable in a diff.
func text(recs [][]byte) []string {
	var lines []string
	for _, rec := range recs {
		lines = append(lines, string(rec))
	}
	return lines
}

func logBytes(id string, recs [][]byte) []byte {
	log := header(id)
	for at, rec := range recs {
		log = newSeal(id).appendRecord(log, at, rec)
	}
	return log
}

// names are the files in the directory of f whose names have the suffix.
func names(t *testing.T, f *File, suffix string) []string {
	t.Helper()
	entries, err := os.ReadDir(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if strings.Contains(e.Name(), suffix) {
			found = append(found, e.Name())
		}
	}
	return found
}
