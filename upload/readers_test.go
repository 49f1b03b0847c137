package upload_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// Parts are compared on all processors, unless one thing at a time was asked for.
func TestReaders(t *testing.T) {
	const processors = 5
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	for concurrency, want := range map[int]int{1: 1, 2: processors, processors + 2: processors + 2} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := bytesOf(1, 10*partSize)
				objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
				mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 10)}, logs, src, inParts(), errCut)
				src.rewrite(data)
				var reading, most atomic.Int64
				src.onRead = func(off int64) {
					if off >= 9*partSize {
						return // the part that is sent
					}
					now := reading.Add(1)
					defer reading.Add(-1)
					for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
					}
					<-time.After(time.Second)
				}
				opts := &upload.Options{Concurrency: concurrency, Threshold: -1, Retry: quick}
				if _, err := upload.New(objects, logs, opts).Upload(t.Context(), key, src, inParts()); err != nil {
					t.Fatal(err)
				}
				if got := most.Load(); got != int64(want) {
					t.Errorf("%d parts were read at once, want %d", got, want)
				}
			})
		})
	}
}
