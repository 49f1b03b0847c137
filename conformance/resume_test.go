package conformance

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
)

func memoryBackend(*testing.T) Backend { return ofMemory(memory.Options{}) }

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

func memoryStore(*testing.T, string) Store {
	return Store{Store: checkpoint.NewMemory(), OneProcess: true}
}

func TestOurEngine(t *testing.T) { TestResume(t, memoryBackend, memoryStore) }
