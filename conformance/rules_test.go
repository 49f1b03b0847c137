package conformance

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/rules.md anew")

// mutantNames are the broken implementations, by the rule that sees them: name and subtest.
func mutantNames() map[string][][2]string {
	names := map[string][][2]string{}
	for _, m := range brokenBackends() {
		names[m.rule] = append(names[m.rule], [2]string{m.name, m.by})
	}
	for _, m := range brokenStores() {
		if m.rule != "" {
			names[m.rule] = append(names[m.rule], [2]string{m.name, m.by})
		}
	}
	for _, m := range resumeMutants {
		if m.rule != "" {
			names[m.rule] = append(names[m.rule], [2]string{m.name, m.by})
		}
	}
	return names
}

// TestRulesDocument holds that docs/rules.md is the table of rules and of the mutants that show that each sees something. Run it with
// -update to write it.
func TestRulesDocument(t *testing.T) {
	const path = "../docs/rules.md"
	want := rulesDocument()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("docs/rules.md is not current; go test -run 'TestRulesDocument$' ./conformance -update (-want +got):\n%s", diff)
	}
}

func rulesDocument() string {
	var b strings.Builder
	b.WriteString(`# The rules of conformance

What the package ` + "`conformance`" + ` holds a backend, a checkpoint store, and uploads through both to. A failing test names its rule. This
page is made from the tables of that package by ` + "`go test -run 'TestRulesDocument$' ./conformance -update`" + `, and a test holds that it is current.

"Seen by it" lists the implementations, broken on purpose, that the suite's own tests run the whole suite against
(` + "`go test -run Mutants ./conformance`" + `). Each is seen by that rule and by no other; the subtest that sees it is in parentheses.
`)
	names := mutantNames()
	for _, family := range []struct {
		title, text string
		rules       []Rule
	}{
		{"TestBackend", "A `backend.MultipartBackend`, and each optional interface that it has.", backendRules},
		{"TestStore", "A `checkpoint.Store`, and each optional interface that it has.", storeRules},
		{"TestResume", "Uploads through a backend and a checkpoint store, interrupted at every call. In parentheses the kind of upload.", resumeRules},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| | rule | stated in | seen by it |\n|---|---|---|---|\n", family.title, family.text)
		for _, r := range family.rules {
			var seen []string
			for _, m := range names[r.ID] {
				seen = append(seen, fmt.Sprintf("%s (%s)", m[0], m[1]))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.ID, cell(r.Sentence), cell(r.Stated), cell(strings.Join(seen, "; ")))
		}
	}
	return b.String()
}

// cell keeps a text within its cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
