package upload_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// A call that is cancelled while it waits to try again makes no further request, also if the wait is over at the same moment.
func TestFoundRequestAfterCancel(t *testing.T) {
	for range 64 {
		ctx, cancel := context.WithCancel(t.Context())
		loads := 0
		logs := &logTap{inner: checkpoint.NewMemory(), before: func(c call) error {
			if c.op == "Load" {
				loads++
				cancel()
				return errCut
			}
			return nil
		}}
		_, err := upload.New(newStore(), logs, options()).Upload(ctx, key, newSource(bytesOf(1, 10)), inParts())
		if !errors.Is(err, context.Canceled) || loads != 1 {
			t.Fatalf("%d Loads, and %v", loads, err)
		}
	}
}

// The object of a Put whose process died before the answer may be ours, and a store without checksums cannot say.
func TestFoundPutOfADeadProcess(t *testing.T) {
	objects := memory.New(&memory.Options{NoCRC64: true})
	logs, src := checkpoint.NewMemory(), newSource(bytesOf(1, 100))
	dead := false
	die := func(c call, err error) error {
		if dead = dead || c.op == "Put"; dead {
			return errDead
		}
		return err
	}
	first := &logTap{inner: logs, after: die}
	small, absent := &upload.Options{Retry: quick}, &upload.Request{IfAbsent: true}
	if _, err := upload.New(&tap{inner: objects, after: die}, first, small).Upload(t.Context(), key, src, absent); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	_, err := upload.New(objects, logs, small).Upload(t.Context(), key, src, absent)
	if !errors.Is(err, upload.ErrUndecided) || !errors.Is(err, backend.ErrExists) {
		t.Errorf("got %v, want that it cannot be decided", err)
	}
}
