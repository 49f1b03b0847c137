package conformance

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
)

// MemoryBackend is a fixture of small parts.
func MemoryBackend(*testing.T) Backend { return ofMemory(memory.Options{}) }

func ofMemory(opts memory.Options) Backend {
	opts.Info.MinPartSize = 1
	b := memory.New(&opts)
	return Backend{Backend: b, Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
		r, attrs, err := b.Open(key)
		if err != nil {
			return nil, attrs, err
		}
		data, err := io.ReadAll(r)
		return data, attrs, err
	}}
}
