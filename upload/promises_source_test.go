package upload_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// One test for each of the engine's twelve promises (README, "What it promises").

func TestPromise01OneVersion(t *testing.T) {
	old := bytesOf(1, 5*partSize+300)

	t.Run("rewritten while it is sent", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(old)
		fresh := edited(edited(old, 10), 4*partSize+1) // in a part that was sent, and in one that was not
		b := &tap{inner: objects, before: func(c call) error {
			if c == (call{"UploadPart", 3}) && src.version == 0 {
				src.rewrite(fresh)
			}
			return nil
		}}
		res := mustUpload(t, b, logs, src, inParts())
		checkObject(t, objects, fresh)
		if want := int64(len(old) + partSize); res.Sent != want {
			t.Errorf("sent %d bytes, want %d: only part 1 changed after it was sent", res.Sent, want)
		}
		checkClean(t, objects, logs)
	})

	t.Run("rewritten within a tick of the clock, so that no stamp tells", func(t *testing.T) {
		for _, mode := range []struct {
			op string
			n  int
			o  *upload.Options
		}{{"UploadPart", 3, options()}, {"Put", 0, &upload.Options{Retry: quick, Concurrency: 1}}} {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(old)
			src.stamp = time.Now()
			fresh := edited(edited(old, 10), 4*partSize+1)
			b := &tap{inner: objects, before: func(c call) error {
				if c == (call{mode.op, mode.n}) {
					src.rewrite(fresh)
					src.version = 0
				}
				return nil
			}}
			if _, err := upload.New(b, logs, mode.o).Upload(t.Context(), key, src, inParts()); err != nil {
				t.Fatal(err)
			}
			checkObject(t, objects, fresh)
		}
	})

	t.Run("grows and shrinks while it is sent", func(t *testing.T) {
		for _, fresh := range [][]byte{bytesOf(1, 8*partSize), old[:2*partSize+1], {}} {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(old)
			b := &tap{inner: objects, before: func(c call) error {
				if c == (call{"UploadPart", 5}) && src.version == 0 {
					src.rewrite(fresh)
				}
				return nil
			}}
			mustUpload(t, b, logs, src, inParts())
			checkObject(t, objects, fresh)
			checkClean(t, objects, logs)
		}
	})

	t.Run("outgrows its parts", func(t *testing.T) {
		objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1, MaxParts: 6}})
		logs, src, fresh := checkpoint.NewMemory(), newSource(old), bytesOf(2, 20*partSize)
		b := &tap{inner: objects, before: func(c call) error {
			if c == (call{"UploadPart", 5}) && src.version == 0 {
				src.rewrite(fresh)
			}
			return nil
		}}
		res := mustUpload(t, b, logs, src, inParts())
		checkObject(t, objects, fresh)
		checkClean(t, objects, logs)
		if len(res.Restarted) != 1 || res.PartSize != 4*partSize {
			t.Errorf("restarted %q with parts of %d", res.Restarted, res.PartSize)
		}
	})

	t.Run("never rests", func(t *testing.T) {
		for _, threshold := range []int64{-1, 1 << 20} {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(old)
			n := 0
			src.onRead = func(int64) { n++; src.rewrite(bytesOf(uint64(n), len(old))) }
			_, err := upload.New(objects, logs, &upload.Options{Concurrency: 1, Threshold: threshold, Retry: quick}).Upload(t.Context(), key, src, inParts())
			if !errors.Is(err, upload.ErrSourceChanged) {
				t.Fatalf("got %v, want ErrSourceChanged", err)
			}
			checkNoObject(t, objects)
			src.onRead = nil
			mustUpload(t, objects, logs, src, inParts())
			checkObject(t, objects, src.data)
			checkClean(t, objects, logs)
		}
	})
}

func TestPromise02Progress(t *testing.T) {
	data := bytesOf(1, 20*partSize)

	t.Run("a part that the store has and the checkpoint lost is kept wherever it lies", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		lost := &logTap{inner: logs}
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "UploadPart" && c.number%3 == 1 {
				return errCut // parts 1, 4, 7 … never arrive
			}
			return nil
		}}
		_, err := upload.New(b, lost, &upload.Options{Concurrency: 1, Threshold: -1, Retry: upload.Retry{Attempts: 1}}).Upload(t.Context(), key, src, inParts())
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		// By hand, what several workers would have stored, with no word of it in the log.
		up := backend.Upload{Key: key, ID: unfinished(t, objects)[0]}
		for n := 2; n <= 20; n += 3 {
			if _, err := objects.UploadPart(t.Context(), up, n, bytes.NewReader(data[(n-1)*partSize:]), partSize); err != nil {
				t.Fatal(err)
			}
		}
		res := mustUpload(t, objects, logs, src, inParts())
		checkObject(t, objects, data)
		if diff := cmp.Diff([]int64{7 * partSize, 13 * partSize}, []int64{res.Reused, res.Sent}); diff != "" {
			t.Errorf("reused and sent (-want +got):\n%s", diff)
		}
	})

	t.Run("with eight at once, at most eight parts are sent again", func(t *testing.T) {
		const workers = 8
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		opts := &upload.Options{Concurrency: workers, Threshold: -1, Retry: quick}
		var mu sync.Mutex
		stored, dead := 0, false
		b := &tap{inner: objects, after: func(c call, err error) error {
			mu.Lock()
			defer mu.Unlock()
			if c.op == "UploadPart" {
				stored++
				dead = dead || stored == 11
			}
			if dead {
				return errDead
			}
			return err
		}}
		if _, err := upload.New(b, logs, opts).Upload(t.Context(), key, src, inParts()); err == nil {
			t.Fatal("the first call should have failed")
		}
		again := &tap{inner: objects}
		if _, err := upload.New(again, logs, opts).Upload(t.Context(), key, src, inParts()); err != nil {
			t.Fatal(err)
		}
		checkObject(t, objects, data)
		// All that the store had, acknowledged or not, is kept, since it gives CRCs.
		for n, times := range again.sent {
			if b.sent[n] > 0 {
				t.Errorf("part %d was on the store and sent again %d times", n, times)
			}
		}
	})
}

func TestPromise03ContentDecides(t *testing.T) {
	data := bytesOf(1, 10*partSize)
	begun := func(t *testing.T) (*memory.Backend, *checkpoint.Memory, *source) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 9)}, logs, src, inParts(), errCut)
		return objects, logs, src
	}

	t.Run("the same version is trusted unread", func(t *testing.T) {
		objects, logs, src := begun(t)
		src.reads = 0
		res := mustUpload(t, objects, logs, src, inParts())
		if want := int64(2 * partSize); res.Sent != want || src.reads != want {
			t.Errorf("sent %d and read %d bytes, want %d", res.Sent, src.reads, want)
		}
		checkObject(t, objects, data)
	})
	t.Run("a touch costs a local read", func(t *testing.T) {
		objects, logs, src := begun(t)
		src.rewrite(data)
		res := mustUpload(t, objects, logs, src, inParts())
		if res.Sent != 2*partSize || res.Reused != 8*partSize || len(res.Restarted) > 0 {
			t.Errorf("%+v", res)
		}
		checkObject(t, objects, data)
	})
	t.Run("an edited byte costs one part", func(t *testing.T) {
		objects, logs, src := begun(t)
		src.rewrite(edited(data, 4*partSize))
		res := mustUpload(t, objects, logs, src, inParts())
		if res.Sent != 3*partSize {
			t.Errorf("sent %d bytes, want %d", res.Sent, 3*partSize)
		}
		checkObject(t, objects, edited(data, 4*partSize))
	})
	t.Run("another machine, where the file has another name and version", func(t *testing.T) {
		objects, logs := newStore(), checkpoint.NewMemory()
		req := &upload.Request{PartSize: partSize, SourceID: "nightly backup"}
		here, there := newSource(data), newSource(data)
		there.id, there.version = "elsewhere", 77
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 9)}, logs, here, req, errCut)
		if res := mustUpload(t, objects, logs, there, req); res.Sent != 2*partSize {
			t.Errorf("sent %d bytes, want %d", res.Sent, 2*partSize)
		}
	})
	for _, noCRC := range []bool{false, true} {
		t.Run(fmt.Sprintf("a part that someone else replaced is not trusted, without CRC %t", noCRC), func(t *testing.T) {
			objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}, NoCRC64: noCRC})
			logs, src := checkpoint.NewMemory(), newSource(data)
			mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 9)}, logs, src, inParts(), errCut)
			up := backend.Upload{Key: key, ID: unfinished(t, objects)[0]}
			if _, err := objects.UploadPart(t.Context(), up, 2, bytes.NewReader(bytesOf(9, partSize)), partSize); err != nil {
				t.Fatal(err)
			}
			if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 3*partSize {
				t.Errorf("sent %d bytes, want %d", res.Sent, 3*partSize)
			}
			checkObject(t, objects, data)
		})
	}
	t.Run("without CRCs from the store, the log's prove what its ETags match", func(t *testing.T) {
		objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}, NoCRC64: true})
		logs, src := checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 9)}, logs, src, inParts(), errCut)
		src.rewrite(edited(data, 4*partSize))
		if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 3*partSize {
			t.Errorf("sent %d bytes, want %d", res.Sent, 3*partSize)
		}
		checkObject(t, objects, edited(data, 4*partSize))
	})
}

func TestPromise04OneDriver(t *testing.T) {
	data := bytesOf(1, 6*partSize)

	t.Run("where the store can lock, the second is refused and told by whom", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		b := &tap{inner: objects, before: func(c call) error {
			if c == (call{"UploadPart", 3}) {
				_, err := upload.New(objects, logs, options()).Upload(t.Context(), key, src, inParts())
				var inUse *checkpoint.InUseError
				if !errors.As(err, &inUse) || inUse.Holder == "" {
					t.Errorf("the second got %v, want an InUseError with a holder", err)
				}
			}
			return nil
		}}
		res := mustUpload(t, b, logs, src, inParts())
		if res.Sent != int64(len(data)) {
			t.Errorf("sent %d of %d bytes", res.Sent, len(data))
		}
		checkObject(t, objects, data)
	})

	t.Run("what the older wrote after the newer came does not count", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		var id string
		for i := range logs.IDs(t.Context()) {
			id = i
		}
		recs, err := logs.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, claim, _ := strings.Cut(string(recs[0]), `"claim":"`)
		claim, _, _ = strings.Cut(claim, `"`)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 5)}, logs, src, inParts(), errCut)
		recs, err = logs.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		late := fmt.Sprintf(`{"kind":"gone","claim":%q,"upload":%q}`, claim, unfinished(t, objects)[0])
		if err := logs.Append(t.Context(), id, len(recs), []byte(late)); err != nil {
			t.Fatal(err)
		}
		if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 2*partSize {
			t.Errorf("sent %d bytes, want %d", res.Sent, 2*partSize)
		}
		checkClean(t, objects, logs)
	})

	t.Run("where it cannot, the newer takes over and the older stops", func(t *testing.T) {
		// The newer comes at each call of the older.
		for at := 1; at <= 12; at++ {
			objects, logs, src := newStore(), &logTap{inner: checkpoint.NewMemory()}, newSource(data)
			newer := int64(0)
			n := 0
			b := &tap{inner: objects, after: func(_ call, err error) error {
				if n++; n == at {
					newer = mustUpload(t, objects, logs, src, inParts()).Sent
				}
				return err
			}}
			older, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, inParts())
			if at < n && !errors.Is(err, upload.ErrSuperseded) && at <= len(data)/partSize {
				t.Errorf("newer at call %d: the older got %v, want ErrSuperseded", at, err)
			}
			checkObject(t, objects, data)
			if total, limit := older.Sent+newer, int64(len(data)+partSize); at > 1 && at <= 8 && total > limit {
				t.Errorf("newer at call %d: %d bytes sent, want at most %d", at, total, limit)
			}
			checkClean(t, objects, logs)
		}
	})
}
