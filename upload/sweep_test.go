package upload_test

import (
	"context"
	"io"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/conformance"
)

// TestEveryInterruption makes everything go wrong with uploads, at every call and with pairs of calls, on stores that tell of their
// content what OSS does, that tell less, that do no more than they must, and that take no more parts than the source has.
func TestEveryInterruption(t *testing.T) {
	for _, s := range []struct {
		name string
		opts memory.Options
		with func(*memory.Backend) backend.MultipartBackend
	}{
		{"CRC-64", memory.Options{}, func(b *memory.Backend) backend.MultipartBackend { return b }},
		{"three parts at most", memory.Options{Info: backend.Info{MaxParts: 3}}, func(b *memory.Backend) backend.MultipartBackend { return b }},
		{"ETags", memory.Options{NoCRC64: true}, func(b *memory.Backend) backend.MultipartBackend { return b }},
		{"bare", memory.Options{NoCRC64: true}, func(b *memory.Backend) backend.MultipartBackend { return struct{ backend.MultipartBackend }{b} }},
	} {
		t.Run(s.name, func(t *testing.T) {
			newBackend := func(*testing.T) conformance.Backend {
				opts := s.opts // fixtures are made by several subtests at once
				opts.Info.MinPartSize = 1
				b := memory.New(&opts)
				return conformance.Backend{Backend: s.with(b), Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
					r, attrs, err := b.Open(key)
					if err != nil {
						return nil, attrs, err
					}
					data, err := io.ReadAll(r)
					return data, attrs, err
				}}
			}
			conformance.TestResume(t, newBackend, nil)
		})
	}
}
