package conformance

import (
	"slices"
	"testing"
)

// TestBackendMutants holds that TestBackend sees each broken store through the rule that it breaks and no other, and nothing in
// stores that are only odd.
func TestBackendMutants(t *testing.T) {
	broken := slices.Concat(beginMutants, partMutants, bodyMutants, listMutants, completeMutants, objectMutants, contextMutants, optionalMutants)
	everyRuleHasAMutant(t, backendRules, backendProbes, broken)
	testMutants(t, backendProbes, slices.Concat(broken, oddBackends))
}
