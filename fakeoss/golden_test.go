package fakeoss_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata/golden")

// goldenTime is the time of the golden servers.
var goldenTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// goldenCredentials are those of the golden servers.
var goldenCredentials = []fakeoss.Credential{
	{AccessKeyID: "goldenID", AccessKeySecret: "golden-secret"},
	{AccessKeyID: "stsID", AccessKeySecret: "sts-secret", SecurityToken: "sts-token", Expires: goldenTime.Add(time.Hour)},
	{AccessKeyID: "expiredID", AccessKeySecret: "expired-secret", SecurityToken: "expired-token", Expires: goldenTime},
}

// goldenServer returns the server that a file asks for in its line "# Server:".
func goldenServer(t *testing.T, kind string) *fakeoss.TestServer {
	t.Helper()
	opts := &fakeoss.Options{Credentials: goldenCredentials, Clock: func() time.Time { return goldenTime },
		Buckets: []string{"golden"}, CNAMEs: map[string]string{"files.example.com": "golden"}}
	switch kind {
	case "":
	case "loose":
		opts.Loose = true
	case "policy":
		opts.Policy = func(p fakeoss.PolicyRequest) bool { return p.Action != "oss:PutObject" || p.Key != "denied" }
	case "100 buckets":
		for i := 1; i < 100; i++ {
			opts.Buckets = append(opts.Buckets, fmt.Sprintf("golden-%d", i))
		}
	case "files lost":
		opts.Dir = t.TempDir()
	default:
		t.Fatalf("no such server: %q", kind)
	}
	srv := fakeoss.NewServer(t, opts)
	if kind == "files lost" {
		entries, err := os.ReadDir(opts.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				if err := os.RemoveAll(filepath.Join(opts.Dir, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return srv
}

// goldenCovers collects what the files show, from the servers' journals.
type goldenCovers struct{ operations, codes map[string]bool }

// TestGolden replays the requests of all files in testdata/golden, each signed anew, and compares the answers.
//
// A file is called by the operation that it shows, or by "error-" and the code. It begins with comment lines: what it shows,
// "# Source:" with the evidence (docs/fidelity.md explains the tags), and "# Server:" if it needs a special one. Requests
// under "--- given" prepare; the one under "--- request" is answered by "--- response". In a request {V1} and {V4} stand
// for a signature, {V1 name} for one with another of goldenCredentials, {V1 URL} for that of a URL, {upload} and {upload 2}
// for the IDs of the uploads begun, {next} for the last continuation token, {bytes n} for n bytes.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	covers := goldenCovers{map[string]bool{}, map[string]bool{}}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) { testGolden(t, file, covers) })
	}
	if t.Failed() {
		return
	}
	page, err := os.ReadFile("../docs/fidelity.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(fakeoss.OperationNames(), errorCodes(t)...) {
		if !regexp.MustCompile(`\b` + name + `\b`).Match(page) {
			t.Errorf("docs/fidelity.md does not speak of %s", name)
		}
	}
	t.Run("every operation", func(t *testing.T) {
		for _, name := range fakeoss.OperationNames() {
			if !covers.operations[name] {
				t.Errorf("%s has no file with a successful answer", name)
			}
		}
	})
	t.Run("every code", func(t *testing.T) {
		codes := errorCodes(t)
		for _, code := range codes {
			if !covers.codes[code] {
				t.Errorf("%s has no file", code)
			}
		}
		t.Logf("%d files, %d operations, %d codes", len(files), len(covers.operations), len(codes))
	})
}

func testGolden(t *testing.T, file string, covers goldenCovers) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, err := parseGolden(string(text))
	if err != nil {
		t.Fatal(err)
	}
	srv := goldenServer(t, g.server)
	x := &goldenExchange{t: t, srv: srv}
	for _, given := range g.given {
		if got := x.send(given); !strings.HasPrefix(got, "HTTP/1.1 2") {
			t.Fatalf("given:\n%s\nbut:\n%s", given, got)
		}
	}
	got := x.send(g.request)
	if journal := srv.Journal(); len(journal) != len(g.given)+1 {
		t.Errorf("%d requests arrived, want %d", len(journal), len(g.given)+1)
	} else if last := journal[len(journal)-1]; strings.HasPrefix(filepath.Base(file), "error-") {
		if code := strings.FieldsFunc(filepath.Base(file), func(r rune) bool { return r == '-' || r == '.' })[1]; last.Code != code {
			t.Fatalf("the answer is %d %s, and the file is called %s", last.Status, last.Code, file)
		}
		covers.codes[last.Code] = true
	} else {
		if last.Status >= 400 {
			t.Fatalf("the answer is %d %s, where the file's name promises success", last.Status, last.Code)
		}
		covers.operations[last.Operation] = true
	}
	if *update {
		if err := os.WriteFile(file, []byte(g.with(got)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(g.response, got); diff != "" {
		t.Errorf("response (-want +got; -update rewrites it):\n%s", diff)
	}
}

// errorCodes finds the error codes of the package in its source: they are the string literals in the field code of a
// serviceError, and those passed for a parameter that is called code.
func errorCodes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	position := map[string]int{} // of the parameter code of a function that makes errors
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			i := 0
			for _, p := range fn.Type.Params.List {
				for _, n := range p.Names {
					if n.Name == "code" {
						position[fn.Name.Name] = i
					}
					i++
				}
			}
		}
	}
	codes := map[string]bool{}
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
				codes[s] = true
			}
		}
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if k, ok := n.Key.(*ast.Ident); ok && k.Name == "code" {
					add(n.Value)
				}
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.Ident); ok {
					if i, ok := position[fn.Name]; ok && i < len(n.Args) {
						add(n.Args[i])
					}
				}
			}
			return true
		})
	}
	if len(codes) < 30 {
		t.Fatalf("only %d codes found in the source: %v", len(codes), codes)
	}
	return slices.Sorted(maps.Keys(codes))
}
