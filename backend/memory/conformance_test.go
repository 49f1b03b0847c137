package memory_test

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) {
	conformance.TestBackend(t, func(*testing.T) conformance.Backend { return fixture(nil) })
}

func TestResume(t *testing.T) {
	conformance.TestResume(t, func(*testing.T) conformance.Backend {
		return fixture(&memory.Options{Info: backend.Info{MinPartSize: 1}}) // small parts are quick
	}, func(*testing.T, string) conformance.Store {
		return conformance.Store{Store: checkpoint.NewMemory(), OneProcess: true}
	})
}

func fixture(opts *memory.Options) conformance.Backend {
	b := memory.New(opts)
	return conformance.Backend{Backend: b, Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
		r, attrs, err := b.Open(key)
		if err != nil {
			return nil, attrs, err
		}
		data, err := io.ReadAll(r)
		return data, attrs, err
	}}
}
