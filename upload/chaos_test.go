package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// world is a store of objects and one of checkpoints that fail in every way: a call is refused, its answer is lost, it takes effect
// later, or its process dies with it. What takes effect later does so before any later call, or at the end.
type world struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	objects *memory.Backend
	logs    *checkpoint.Memory
	src     *source
	late    []func()
	lost    int // answers of Create, and processes that died: each may leave one empty upload
	edits   int
}

// handle is what one process has of the world.
type handle struct {
	w    *world
	rate float64 // of calls that fail
	left int     // calls until it dies; negative: never
}

// do makes a call: now, now with its answer lost, later, or never.
func (h *handle) do(now func() error, later func()) error {
	w := h.w
	w.mu.Lock()
	for len(w.late) > 0 && w.rnd.Float64() < 0.3 {
		i := w.rnd.IntN(len(w.late))
		f := w.late[i]
		w.late = append(w.late[:i], w.late[i+1:]...)
		f()
	}
	if w.edits > 0 && w.rnd.Float64() < 0.02 {
		w.edits--
		w.src.rewrite(edited(w.src.data, w.rnd.IntN(len(w.src.data))))
	}
	if h.left == 0 {
		w.mu.Unlock()
		return errDead
	}
	if h.left--; h.left == 0 {
		w.lost++
	}
	fate := 1.0
	if h.rate > 0 {
		fate = w.rnd.Float64() / h.rate
	}
	died := h.left == 0 && w.rnd.IntN(2) == 0
	w.mu.Unlock()
	switch {
	case died, fate < 0.25:
		return errCut
	case fate < 0.5:
		return errors.Join(errLost, lost(now()))
	case fate < 0.75:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late = append(w.late, later)
		return errLost
	}
	return now()
}

// lost hides what happened; the caller must not learn it.
func lost(error) error { return nil }

func (h *handle) Info() backend.Info { return h.w.objects.Info() }

func (h *handle) Create(ctx context.Context, key string, a backend.Attributes) (u backend.Upload, err error) {
	err = h.do(func() error { u, err = h.w.objects.Create(ctx, key, a); return err },
		func() { h.w.objects.Create(context.Background(), key, a) })
	if err != nil {
		h.w.mu.Lock()
		h.w.lost++
		h.w.mu.Unlock()
	}
	return u, err
}

func (h *handle) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (p backend.Part, err error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return p, err
	}
	err = h.do(func() error { p, err = h.w.objects.UploadPart(ctx, u, n, bytes.NewReader(data), size); return err },
		func() { h.w.objects.UploadPart(context.Background(), u, n, bytes.NewReader(data), size) })
	return p, err
}

func (h *handle) ListParts(ctx context.Context, u backend.Upload, after int) (p []backend.Part, more bool, err error) {
	err = h.do(func() error { p, more, err = h.w.objects.ListParts(ctx, u, after); return err }, func() {})
	return p, more, err
}

func (h *handle) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (o backend.Object, err error) {
	err = h.do(func() error { o, err = h.w.objects.Complete(ctx, u, parts, opts); return err },
		func() { h.w.objects.Complete(context.Background(), u, parts, opts) })
	return o, err
}

func (h *handle) Abort(ctx context.Context, u backend.Upload) error {
	return h.do(func() error { return h.w.objects.Abort(ctx, u) }, func() { h.w.objects.Abort(context.Background(), u) })
}

func (h *handle) Stat(ctx context.Context, key string) (o backend.Object, err error) {
	err = h.do(func() error { o, err = h.w.objects.Stat(ctx, key); return err }, func() {})
	return o, err
}

func (h *handle) ETag(parts []backend.Part) (string, bool) { return h.w.objects.ETag(parts) }

// logHandle is the checkpoint store of a handle.
type logHandle struct{ *handle }

func (h logHandle) Load(ctx context.Context, id string) (recs [][]byte, err error) {
	err = h.do(func() error { recs, err = h.w.logs.Load(ctx, id); return err }, func() {})
	return recs, err
}

func (h logHandle) Append(ctx context.Context, id string, at int, rec []byte) error {
	rec = bytes.Clone(rec)
	return h.do(func() error { return h.w.logs.Append(ctx, id, at, rec) }, func() { h.w.logs.Append(context.Background(), id, at, rec) })
}

func (h logHandle) Delete(ctx context.Context, id string, at int, last []byte) error {
	last = bytes.Clone(last)
	return h.do(func() error { return h.w.logs.Delete(ctx, id, at, last) }, func() { h.w.logs.Delete(context.Background(), id, at, last) })
}

func (h logHandle) IDs(ctx context.Context) iter.Seq2[string, error] { return h.w.logs.IDs(ctx) }

// TestChaos: processes come and go, some at the same time, on stores that fail in every way, while the source is edited. When all
// is calm again, one more call makes the object equal to the source, and nothing but what lost Creates left is left.
// TIDEMARK_SEED and TIDEMARK_SEEDS set the first seed and how many.
func TestChaos(t *testing.T) {
	first, seeds := uint64(1), 300
	for name, set := range map[string]func(uint64){"TIDEMARK_SEED": func(n uint64) { first, seeds = n, 1 }, "TIDEMARK_SEEDS": func(n uint64) { seeds = int(n) }} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			set(n)
		}
	}
	for seed := first; seed < first+uint64(seeds); seed++ {
		t.Run(fmt.Sprintf("TIDEMARK_SEED=%d", seed), func(t *testing.T) { chaos(t, seed) })
	}
}

func chaos(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	// The store's clock goes fast, so that one upload's object is not taken for another's of the same seconds.
	var seconds atomic.Int64
	objects := memory.New(&memory.Options{Info: newStore().Info(), Now: func() time.Time { return time.Unix(10*seconds.Add(1), 0) }})
	w := &world{rnd: rnd, objects: objects, logs: checkpoint.NewMemory(), src: newSource(bytesOf(seed, 1+rnd.IntN(8*partSize))), edits: rnd.IntN(4)}
	opts := options()
	opts.Concurrency = rnd.IntN(4) // 0: what pays
	req := inParts()
	for range 1 + rnd.IntN(4) {
		if rnd.IntN(3) == 0 {
			req.Attributes.ContentType = fmt.Sprint("type/", rnd.IntN(3))
		}
		drivers := make([]*handle, 1+rnd.IntN(2))
		for i := range drivers {
			drivers[i] = &handle{w: w, rate: rnd.Float64() * 0.5, left: 1 + rnd.IntN(60)}
		}
		r := *req
		var wg sync.WaitGroup
		for _, h := range drivers {
			wg.Go(func() { // whatever comes of it
				upload.New(h, logHandle{h}, opts).Upload(context.Background(), key, w.src, &r)
			})
		}
		wg.Wait()
	}
	w.edits = 0
	calm := &handle{w: w, left: -1} // what is late may still land
	res, err := upload.New(calm, logHandle{calm}, opts).Upload(t.Context(), key, w.src, req)
	if errors.Is(err, upload.ErrSuperseded) { // by a claim, or a deletion, that was late
		res, err = upload.New(calm, logHandle{calm}, opts).Upload(t.Context(), key, w.src, req)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range w.late {
		f()
	}
	checkObject(t, w.objects, w.src.data)
	if _, attrs, _ := w.objects.Open(key); attrs.ContentType != req.Attributes.ContentType {
		t.Errorf("content type %q, want %q", attrs.ContentType, req.Attributes.ContentType)
	}
	if res.CRC64 != *res.Object.CRC64 {
		t.Errorf("%+v", res)
	}
	left := unfinished(t, w.objects)
	for _, id := range left {
		if parts, _, err := w.objects.ListParts(t.Context(), backend.Upload{Key: key, ID: id}, 0); err != nil || len(parts) > 0 {
			t.Errorf("upload %s with %d parts is left: %v", id, len(parts), err)
		}
	}
	if len(left) > w.lost {
		t.Errorf("%d empty uploads are left by %d deaths and lost answers of Create", len(left), w.lost)
	}
	for id := range w.logs.IDs(t.Context()) {
		// A claim whose answer was lost may arrive at the end, or when all is over. Nobody can know that its process is dead,
		// so the log is left to it; the next call settles it.
		recs, err := w.logs.Load(t.Context(), id)
		if err != nil || !bytes.Contains(recs[len(recs)-1], []byte(`"kind":"claim"`)) {
			t.Errorf("a log is left: %s, %v", recs, err)
		}
	}
}
