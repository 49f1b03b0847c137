package memory_test

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) {
	conformance.TestBackend(t, func(t *testing.T) conformance.Backend {
		b := memory.New(nil)
		return conformance.Backend{Backend: b, Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
			r, attrs, err := b.Open(key)
			if err != nil {
				return nil, attrs, err
			}
			data, err := io.ReadAll(r)
			return data, attrs, err
		}}
	})
}
