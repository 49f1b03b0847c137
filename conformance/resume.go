package conformance

import "testing"

// TestResume interrupts uploads through a backend and a checkpoint store.
func TestResume(t *testing.T, newBackend NewBackend, newStore NewStore) {
	t.Helper()
}

var resumeRules = []Rule{}
