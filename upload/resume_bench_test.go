package upload_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// stopping is a store at which the process is killed when it sends a given part.
type stopping struct {
	*memory.Backend
	part int
	stop context.CancelFunc
}

func (s *stopping) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if number >= s.part {
		s.stop()
		return backend.Part{}, ctx.Err()
	}
	return s.Backend.UploadPart(ctx, u, number, body, size)
}

// BenchmarkResume is the time from the call to the first part that is sent, where the store has 9999 of 10,000 parts: reading and
// claiming the checkpoint, listing the parts in memory, and planning.
func BenchmarkResume(b *testing.B) {
	const parts = 10_000
	logs, err := checkpoint.NewFile(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	store := &stopping{Backend: newStore(), part: parts}
	up := upload.New(store, logs, &upload.Options{Threshold: -1})
	src := newSource(bytesOf(1, parts))
	stopped := func() {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		store.stop = cancel
		if _, err := up.Upload(ctx, key, src, &upload.Request{PartSize: 1}); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
	stopped()
	b.ReportAllocs()
	for b.Loop() {
		stopped()
	}
}

// BenchmarkContentCheck reads a file whose parts the store has, after its time stamps changed, and compares it with their checksums.
func BenchmarkContentCheck(b *testing.B) {
	const size, part = 256 << 20, 8 << 20
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, bytesOf(1, size), 0o600); err != nil {
		b.Fatal(err)
	}
	store := &stopping{Backend: newStore(), part: size / part}
	up := upload.New(store, &checkpoint.Memory{}, nil)
	stopped := func() {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		store.stop = cancel
		if _, err := up.UploadFile(ctx, key, path, nil); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
	stopped()
	b.SetBytes(size - part)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		then := time.Now().Add(time.Duration(-n-1) * time.Hour)
		if err := os.Chtimes(path, then, then); err != nil {
			b.Fatal(err)
		}
		stopped()
	}
}
