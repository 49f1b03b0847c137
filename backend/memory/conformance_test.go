package memory_test

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) { conformance.TestBackend(t, fixture(memory.Options{})) }

func TestResume(t *testing.T) {
	small := memory.Options{Info: backend.Info{MinPartSize: 1}} // they are quick
	conformance.TestResume(t, fixture(small), nil)
}

func fixture(opts memory.Options) conformance.NewBackend {
	return func(*testing.T) conformance.Backend {
		b := memory.New(&opts)
		return conformance.Backend{Backend: b, Read: func(_ context.Context, key string) (data []byte, a backend.Attributes, err error) {
			r, a, err := b.Open(key)
			if err == nil {
				data, err = io.ReadAll(r)
			}
			return data, a, err
		}}
	}
}
