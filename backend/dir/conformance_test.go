package dir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/dir"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) { conformance.TestBackend(t, fixture) }

func TestResume(t *testing.T) {
	conformance.TestResume(t, fixture, func(*testing.T, string) conformance.Store {
		return conformance.Store{Store: checkpoint.NewMemory(), OneProcess: true}
	})
}

func fixture(t *testing.T) conformance.Backend {
	root := t.TempDir()
	read := func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(key)))
		if errors.Is(err, fs.ErrNotExist) {
			err = backend.ErrNotFound
		}
		return data, backend.Attributes{}, err
	}
	open := func() backend.MultipartBackend { return newBackend(t, root) }
	return conformance.Backend{Backend: open(), Read: read, Open: open}
}

func newBackend(t *testing.T, root string) *dir.Backend {
	b, err := dir.New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
