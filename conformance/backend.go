package conformance

import "testing"

// TestBackend tests a [backend.MultipartBackend], and each optional interface that it has, against the contract of package backend,
// a subtest for each rule.
func TestBackend(t *testing.T, newFixture NewBackend) {
	t.Helper()
	runProbes(t, backendProbes, newFixture)
}

var backendProbes = []probe[Backend]{}

var backendRules = []Rule{}
