//go:build linux || darwin

package upload_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/upload"
)

// A pipe is refused at once, although nobody writes to it, and the error says what to do.
func TestPipeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := upload.OpenFile(path); !errors.Is(err, backend.ErrInvalid) || !strings.Contains(err.Error(), "write it to a file first") {
		t.Errorf("got %v", err)
	}
}
