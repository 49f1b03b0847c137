package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestPromise09Verified(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	t.Run("a part that was damaged on its way is sent again", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		b := &corrupter{tap: &tap{inner: objects}, part: 2}
		res := mustUpload(t, b, logs, src, inParts())
		if res.Retries != 1 {
			t.Errorf("%d retries, want 1", res.Retries)
		}
		checkObject(t, objects, data)
	})
	for _, noCRC := range []bool{false, true} {
		t.Run(fmt.Sprintf("an object that is not what was sent, without CRC %t", noCRC), func(t *testing.T) {
			objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}, NoCRC64: noCRC})
			logs, src := checkpoint.NewMemory(), newSource(data)
			b := &liar{tap: &tap{inner: objects}}
			mustFail(t, b, logs, src, inParts(), upload.ErrChecksum)
			_, err := upload.New(b, logs, &upload.Options{Retry: quick}).Upload(t.Context(), key, src, nil)
			if !noCRC && !errors.Is(err, upload.ErrChecksum) {
				t.Errorf("Put: %v, want ErrChecksum", err)
			}
		})
	}
}

// corrupter flips a byte on the first way of one part.
type corrupter struct {
	*tap
	part int
}

func (c *corrupter) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if n != c.part {
		return c.tap.UploadPart(ctx, u, n, body, size)
	}
	c.part = 0
	data, err := io.ReadAll(body)
	if err != nil {
		return backend.Part{}, err
	}
	return c.tap.UploadPart(ctx, u, n, bytes.NewReader(edited(data, 3)), size)
}

// liar publishes something else than it was told.
type liar struct{ *tap }

func (l *liar) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	return l.tap.Complete(ctx, u, append(slices.Clone(parts[:len(parts)-2]), parts[len(parts)-1]), o)
}

func (l *liar) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, a backend.Attributes, o backend.CompleteOptions) (backend.Object, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return backend.Object{}, err
	}
	return l.tap.Put(ctx, key, bytes.NewReader(edited(data, 0)), size, a, o)
}

func TestPromise10Bounded(t *testing.T) {
	allocated := func(size, part int64) (bytes uint64, appends int) {
		logs := &logTap{inner: checkpoint.NewMemory()}
		logs.before = func(c call) error {
			if c.op == "Append" {
				appends++
			}
			return nil
		}
		b := &discard{tap: &tap{inner: newStore()}}
		src := upload.NewSource(zeros{}, size, "zeros", "1")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := upload.New(b, logs, &upload.Options{Threshold: -1, Concurrency: 1}).Upload(t.Context(), key, src, &upload.Request{PartSize: part})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, upload.ErrChecksum) || res.Sent != size {
			t.Fatalf("%v, %d bytes sent", err, res.Sent) // nothing was kept, so nothing can be right
		}
		return after.TotalAlloc - before.TotalAlloc, appends
	}
	small, appends := allocated(16<<20, 4<<20)
	large, more := allocated(512<<20, 128<<20)
	if more != appends {
		t.Errorf("4 parts made %d and %d records", appends, more)
	}
	if large > small+1<<20 {
		t.Errorf("16 MiB allocated %d bytes, 512 MiB %d", small, large)
	}
}

// zeros is an endless source.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// discard reads parts as a transport does, and keeps none.
type discard struct{ *tap }

func (d *discard) UploadPart(_ context.Context, _ backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, 32<<10))
	return backend.Part{Number: n, Size: size, ETag: "x"}, err
}

func (d *discard) Complete(context.Context, backend.Upload, []backend.Part, backend.CompleteOptions) (backend.Object, error) {
	return backend.Object{Key: key, ETag: "x"}, nil
}

func TestPromise11Cancel(t *testing.T) {
	data := bytesOf(1, 10*partSize)
	for _, at := range []call{{"Create", 0}, {"UploadPart", 1}, {"UploadPart", 6}, {"Complete", 0}} {
		t.Run(fmt.Sprintf("in %v", at), func(t *testing.T) {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
			why := errors.New("the user pressed Ctrl-C")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			b := &hanging{tap: &tap{inner: objects}, at: at, reached: func() { cancel(why) }}
			opts := &upload.Options{Concurrency: 4, Threshold: -1, Retry: upload.Retry{BaseDelay: time.Hour}}
			_, err := upload.New(b, logs, opts).Upload(ctx, key, src, inParts())
			if !errors.Is(err, why) {
				t.Fatalf("got %v, want the cause of the context", err)
			}
			goleak.VerifyNone(t)
			if b.count("Abort") > 0 {
				t.Error("a cancelled upload was aborted")
			}
			mustUpload(t, objects, logs, src, inParts())
			checkObject(t, objects, data)
		})
	}
	t.Run("while waiting to try again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			b := &tap{inner: newStore(), before: func(c call) error {
				if c.op == "UploadPart" {
					return &retryLater{time.Hour}
				}
				return nil
			}}
			begin := time.Now()
			_, err := upload.New(b, checkpoint.NewMemory(), options()).Upload(ctx, key, newSource(data), inParts())
			if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
}

type retryLater struct{ d time.Duration }

func (r *retryLater) Error() string             { return "busy" }
func (r *retryLater) RetryAfter() time.Duration { return r.d }

// hanging answers one call only when its context is done.
type hanging struct {
	*tap
	at      call
	reached func()
}

func (h *hanging) hang(ctx context.Context, c call) error {
	if c != h.at {
		return nil
	}
	h.reached()
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Create(ctx context.Context, key string, a backend.Attributes) (backend.Upload, error) {
	if err := h.hang(ctx, call{"Create", 0}); err != nil {
		return backend.Upload{}, err
	}
	return h.tap.Create(ctx, key, a)
}

func (h *hanging) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if err := h.hang(ctx, call{"UploadPart", n}); err != nil {
		return backend.Part{}, err
	}
	return h.tap.UploadPart(ctx, u, n, body, size)
}

func (h *hanging) Complete(ctx context.Context, u backend.Upload, p []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	if err := h.hang(ctx, call{"Complete", 0}); err != nil {
		return backend.Object{}, err
	}
	return h.tap.Complete(ctx, u, p, o)
}

// The engine is given no secret but what a source's ID or an error may hold. That no credential reaches a checkpoint, log line
// or error through the adapter and the SDK is shown in internal/e2e.
func TestPromise12Discreet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, bytesOf(1, 3*partSize), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2 in the content"
	src := newSource([]byte(strings.Repeat(secret, 300)))
	logs, err := checkpoint.NewFile(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var heard bytes.Buffer
	opts := options()
	opts.Logger = slog.New(slog.NewTextHandler(&heard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, err = upload.New(&tap{inner: newStore(), before: stopAt("UploadPart", 4)}, logs, opts).Upload(t.Context(), key, src, inParts())
	if err == nil {
		t.Fatal("want an error")
	}
	seen := heard.String() + err.Error()
	werr := filepath.WalkDir(filepath.Join(dir, "checkpoints"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		seen += string(text)
		return err
	})
	if werr != nil {
		t.Fatal(werr)
	}
	if !strings.Contains(seen, "part") || strings.Contains(seen, secret) {
		t.Errorf("content in a checkpoint, log line or error:\n%s", seen)
	}
}
