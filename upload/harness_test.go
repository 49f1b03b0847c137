package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key      = "backups/2026/big.iso"
	partSize = 1000
)

// quick retries without waiting.
var quick = upload.Retry{Attempts: 3, BaseDelay: 1, MaxDelay: 1}

// newStore is an object store for parts of any size.
func newStore() *memory.Backend {
	return memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1, Location: "memory:test"}})
}

// bytesOf returns n bytes that look random and depend on seed.
func bytesOf(seed uint64, n int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

// source is a Source that tests rewrite. Its version is a counter, as good as that of a file, unless a test keeps it.
type source struct {
	mu      sync.Mutex
	data    []byte
	version int
	stamp   time.Time // zero: an old one
	id      string
	onRead  func(off int64) // called before each read, without the lock
	reads   int64           // bytes
}

func newSource(data []byte) *source { return &source{data: slices.Clone(data), id: "test source"} }

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.onRead != nil {
		s.onRead(off)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := bytes.NewReader(s.data).ReadAt(p, off)
	s.reads += int64(n)
	return n, err
}

func (s *source) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.data))
}

func (s *source) ID() string { return s.id }

func (s *source) Version() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("v%d", s.version), nil
}

func (s *source) Stamp() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp
}

// rewrite changes the content, and the version unless keep.
func (s *source) rewrite(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = slices.Clone(data)
	s.version++
}

// edited returns data with one byte changed.
func edited(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[at] ^= 0x55
	return data
}

var (
	errCut  = errors.New("connection cut")
	errLost = errors.New("answer lost")
	errDead = errors.New("the process is dead")
)

// call is one call to a store of objects or of checkpoints.
type call struct {
	op     string
	number int // of the part, 0 for other calls
}

// tap passes calls to a store, and lets a test fail them. It does not let As through: it must see every call.
type tap struct {
	inner  *memory.Backend
	before func(call) error        // an error is the answer, and the call has no effect
	after  func(call, error) error // its error is the answer to a call that had its effect

	mu    sync.Mutex
	calls []call
	sent  map[int]int // how often each part was stored
}

func (t *tap) around(c call, f func() error) error {
	t.mu.Lock()
	t.calls = append(t.calls, c)
	t.mu.Unlock()
	if t.before != nil {
		if err := t.before(c); err != nil {
			return err
		}
	}
	err := f()
	if t.after != nil {
		return t.after(c, err)
	}
	return err
}

func (t *tap) count(op string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.calls {
		if c.op == op {
			n++
		}
	}
	return n
}

func (t *tap) Info() backend.Info { return t.inner.Info() }

func (t *tap) Create(ctx context.Context, key string, attrs backend.Attributes) (u backend.Upload, err error) {
	err = t.around(call{"Create", 0}, func() error { u, err = t.inner.Create(ctx, key, attrs); return err })
	return u, err
}

func (t *tap) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (p backend.Part, err error) {
	err = t.around(call{"UploadPart", number}, func() error {
		p, err = t.inner.UploadPart(ctx, u, number, body, size)
		if err == nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.sent == nil {
				t.sent = map[int]int{}
			}
			t.sent[number]++
		}
		return err
	})
	return p, err
}

func (t *tap) ListParts(ctx context.Context, u backend.Upload, after int) (p []backend.Part, more bool, err error) {
	err = t.around(call{"ListParts", 0}, func() error { p, more, err = t.inner.ListParts(ctx, u, after); return err })
	return p, more, err
}

func (t *tap) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (o backend.Object, err error) {
	err = t.around(call{"Complete", 0}, func() error { o, err = t.inner.Complete(ctx, u, parts, opts); return err })
	return o, err
}

func (t *tap) Abort(ctx context.Context, u backend.Upload) error {
	return t.around(call{"Abort", 0}, func() error { return t.inner.Abort(ctx, u) })
}

func (t *tap) Stat(ctx context.Context, key string) (o backend.Object, err error) {
	err = t.around(call{"Stat", 0}, func() error { o, err = t.inner.Stat(ctx, key); return err })
	return o, err
}

func (t *tap) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, a backend.Attributes, opts backend.CompleteOptions) (o backend.Object, err error) {
	err = t.around(call{"Put", 0}, func() error { o, err = t.inner.Put(ctx, key, body, size, a, opts); return err })
	return o, err
}

func (t *tap) ETag(parts []backend.Part) (string, bool) { return t.inner.ETag(parts) }

func (t *tap) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return t.inner.Uploads(ctx, prefix)
}

// logTap does for a checkpoint store what tap does for an object store. It is no Locker, so that drivers meet.
type logTap struct {
	inner  checkpoint.Store
	before func(call) error
	after  func(call, error) error
}

func (t *logTap) around(c call, f func() error) error {
	if t.before != nil {
		if err := t.before(c); err != nil {
			return err
		}
	}
	err := f()
	if t.after != nil {
		return t.after(c, err)
	}
	return err
}

func (t *logTap) Load(ctx context.Context, id string) (recs [][]byte, err error) {
	err = t.around(call{"Load", 0}, func() error { recs, err = t.inner.Load(ctx, id); return err })
	return recs, err
}

func (t *logTap) Append(ctx context.Context, id string, at int, rec []byte) error {
	return t.around(call{"Append", at}, func() error { return t.inner.Append(ctx, id, at, rec) })
}

func (t *logTap) Delete(ctx context.Context, id string, at int, last []byte) error {
	return t.around(call{"Delete", at}, func() error { return t.inner.Delete(ctx, id, at, last) })
}

func (t *logTap) IDs(ctx context.Context) iter.Seq2[string, error] { return t.inner.IDs(ctx) }

func (t *logTap) Sync(context.Context, string) error {
	return t.around(call{"Sync", 0}, func() error { return nil })
}

// options for parts of 1000 bytes, one at a time.
func options() *upload.Options {
	return &upload.Options{Concurrency: 1, Threshold: -1, Retry: quick}
}

func inParts() *upload.Request { return &upload.Request{PartSize: partSize} }

// mustUpload uploads and expects success.
func mustUpload(t *testing.T, b backend.MultipartBackend, store checkpoint.Store, src upload.Source, req *upload.Request) *upload.Result {
	t.Helper()
	res, err := upload.New(b, store, options()).Upload(t.Context(), key, src, req)
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	return res
}

// mustFail uploads and expects an error that is want.
func mustFail(t *testing.T, b backend.MultipartBackend, store checkpoint.Store, src upload.Source, req *upload.Request, want error) *upload.Result {
	t.Helper()
	res, err := upload.New(b, store, options()).Upload(t.Context(), key, src, req)
	if !errors.Is(err, want) {
		t.Fatalf("upload: got error %v, want one that is %v", err, want)
	}
	return res
}

func content(t *testing.T, b *memory.Backend) []byte {
	t.Helper()
	r, _, err := b.Open(key)
	if err != nil {
		t.Fatalf("open the object: %v", err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read the object: %v", err)
	}
	return data
}

func checkObject(t *testing.T, b *memory.Backend, want []byte) {
	t.Helper()
	if got := content(t, b); !bytes.Equal(got, want) {
		t.Errorf("the object has %d bytes and differs from the source's %d", len(got), len(want))
	}
}

func checkNoObject(t *testing.T, b *memory.Backend) {
	t.Helper()
	if _, err := b.Stat(t.Context(), key); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Stat: %v, want no object", err)
	}
}

// checkClean expects no unfinished upload on the store and no log.
func checkClean(t *testing.T, b *memory.Backend, store checkpoint.Store) {
	t.Helper()
	if diff := cmp.Diff([]string(nil), unfinished(t, b)); diff != "" {
		t.Errorf("unfinished uploads (-want +got):\n%s", diff)
	}
	for id, err := range store.IDs(t.Context()) {
		t.Errorf("a log is left: %s %v", id, err)
	}
}

func unfinished(t *testing.T, b *memory.Backend) (ids []string) {
	t.Helper()
	for u, err := range b.Uploads(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	return ids
}

// stopAt fails the calls that match, from the first on, as a store does that cannot be reached any more.
func stopAt(op string, number int) func(call) error {
	down := false
	return func(c call) error {
		if c.op == op && (number == 0 || c.number == number) {
			down = true
		}
		if down {
			return errCut
		}
		return nil
	}
}

// loseOnce loses the answer of the first call of op.
func loseOnce(op string) func(call, error) error {
	done := false
	return func(c call, err error) error {
		if c.op == op && !done && err == nil {
			done = true
			return errLost
		}
		return err
	}
}

func logLeft(logs *checkpoint.Memory) bool {
	for range logs.IDs(context.Background()) {
		return true
	}
	return false
}
