package conformance_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) {
	conformance.TestBackend(t, newBackend)          // the contract of backend.MultipartBackend
	conformance.TestStore(t, newStore)              // the contract of checkpoint.Store
	conformance.TestResume(t, newBackend, newStore) // every interruption of an upload through both
}

var newBackend = conformance.MemoryBackend

func newStore(*testing.T, string) conformance.Store {
	return conformance.Store{Store: checkpoint.NewMemory(), OneProcess: true}
}
