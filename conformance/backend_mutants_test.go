package conformance

import (
	"slices"
	"testing"
)

// brokenBackends are those that break a rule.
func brokenBackends() []mutant[Backend] {
	return slices.Concat(beginMutants, partMutants, bodyMutants, listMutants, completeMutants, objectMutants, contextMutants, optionalMutants)
}

// TestBackendMutants holds that TestBackend sees each broken store through the rule that it breaks and no other, and nothing in
// stores that are only odd.
func TestBackendMutants(t *testing.T) {
	broken := brokenBackends()
	for _, p := range backendProbes {
		if !slices.ContainsFunc(broken, func(m mutant[Backend]) bool { return m.rule == p.rule && m.by == p.name }) {
			t.Errorf("no mutant is seen by %s/%s", p.rule, p.name)
		}
	}
	everyRuleHasAMutant(t, backendRules, backendProbes, broken)
	testMutants(t, backendProbes, slices.Concat(broken, oddBackends))
}
