package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// mutant is a broken implementation, or a correct one that is odd. The suite must see the broken ones through the rule that they break and
// through no other, and must not see the odd ones at all.
type mutant[F any] struct {
	rule  string // that it breaks; empty if it is legal
	by    string // the subtest of the rule that sees it
	name  string // what it does, in a few words
	build func(t *testing.T) F
}

// testMutants runs all probes against each mutant.
func testMutants[F any](t *testing.T, probes []probe[F], mutants []mutant[F]) {
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			seen := map[string][]violation{}
			for _, p := range probes {
				t.Run(p.rule+"/"+p.name, func(t *testing.T) {
					examine(t, p, m.build, func(v violation) { seen[v.name] = append(seen[v.name], v) })
				})
			}
			want := m.rule + "/" + m.by
			for _, name := range slices.Sorted(maps.Keys(seen)) {
				if rule, _, _ := strings.Cut(name, "/"); rule != m.rule {
					t.Errorf("seen by %s as well: %s", name, seen[name][0].saw)
				}
			}
			switch {
			case m.rule != "" && len(seen[want]) == 0:
				t.Errorf("not seen by %s", want)
			case m.rule != "":
				t.Logf("seen by %s: %s", want, seen[want][0].saw)
			}
		})
	}
}

// everyRuleHasAMutant holds that no rule is there which nothing shows to see anything.
func everyRuleHasAMutant[F any](t *testing.T, rules []Rule, probes []probe[F], mutants []mutant[F]) {
	for _, r := range rules {
		if !slices.ContainsFunc(mutants, func(m mutant[F]) bool { return m.rule == r.ID }) {
			t.Errorf("no mutant breaks %s: %s", r.ID, r.Sentence)
		}
		if !slices.ContainsFunc(probes, func(p probe[F]) bool { return p.rule == r.ID }) {
			t.Errorf("no probe examines %s: %s", r.ID, r.Sentence)
		}
	}
}
