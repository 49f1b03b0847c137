package conformance

import "testing"

// TestStore tests a [checkpoint.Store], and each optional interface that it has, against the contract of package checkpoint, a subtest
// for each rule.
func TestStore(t *testing.T, newFixture NewStore) {
	t.Helper()
}

var storeRules = []Rule{}
