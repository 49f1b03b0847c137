package dir_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/dir"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) { conformance.TestBackend(t, fixture) }

func TestResume(t *testing.T) { conformance.TestResume(t, fixture, nil) }

func fixture(t *testing.T) conformance.Backend {
	root := t.TempDir()
	open := func() backend.MultipartBackend { return newBackend(t, root) }
	return conformance.Backend{Backend: open(), Open: open, Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(key)))
		return data, backend.Attributes{}, err
	}}
}

func newBackend(t *testing.T, root string) *dir.Backend {
	b, err := dir.New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
