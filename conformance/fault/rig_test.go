package fault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "a key"

var content = []byte("ten bytes!")

// tally counts the calls of each method that returned nil.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) count(op string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.n[op]++
	}
}

func (t *tally) of(op string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[op]
}

// objects is a store of objects with all optional interfaces.
type objects struct {
	*memory.Backend
	*tally
}

func (o objects) Create(ctx context.Context, key string, a backend.Attributes) (backend.Upload, error) {
	u, err := o.Backend.Create(ctx, key, a)
	o.count("Create", err)
	return u, err
}

func (o objects) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	p, err := o.Backend.UploadPart(ctx, u, n, body, size)
	o.count("UploadPart", err)
	return p, err
}

func (o objects) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	parts, _, err := o.Backend.ListParts(ctx, u, after)
	o.count("ListParts", err)
	return parts, true, err // as if there were more, so that a value that leaks is seen
}

func (o objects) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	obj, err := o.Backend.Complete(ctx, u, parts, opts)
	o.count("Complete", err)
	return obj, err
}

func (o objects) Abort(ctx context.Context, u backend.Upload) error {
	err := o.Backend.Abort(ctx, u)
	o.count("Abort", err)
	return err
}

func (o objects) Stat(ctx context.Context, key string) (backend.Object, error) {
	obj, err := o.Backend.Stat(ctx, key)
	o.count("Stat", err)
	return obj, err
}

func (o objects) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, a backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	obj, err := o.Backend.Put(ctx, key, body, size, a, opts)
	o.count("Put", err)
	return obj, err
}

// logs is a store of checkpoints that is a Locker and a Syncer.
type logs struct {
	*checkpoint.Memory
	*tally
}

func (l logs) Load(ctx context.Context, id string) ([][]byte, error) {
	records, err := l.Memory.Load(ctx, id)
	l.count("Load", err)
	return records, err
}

func (l logs) Append(ctx context.Context, id string, at int, rec []byte) error {
	err := l.Memory.Append(ctx, id, at, rec)
	l.count("Append", err)
	return err
}

func (l logs) Delete(ctx context.Context, id string, at int, last []byte) error {
	err := l.Memory.Delete(ctx, id, at, last)
	l.count("Delete", err)
	return err
}

func (l logs) Sync(context.Context, string) error {
	l.count("Sync", nil)
	return nil
}

func (l logs) Lock(ctx context.Context, id string) (func() error, error) {
	unlock, err := l.Memory.Lock(ctx, id)
	l.count("Lock", err)
	return unlock, err
}

// bytesOnly is a source without a Stamper.
type bytesOnly struct {
	upload.Source
	*tally
}

func (s bytesOnly) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Source.ReadAt(p, off)
	if len(p) == len(content) { // half of a torn one is none
		s.count("ReadAt", err)
	}
	return n, err
}

func (s bytesOnly) Version() (string, error) {
	v, err := s.Source.Version()
	s.count("Version", err)
	return v, err
}

// rig has all that can be wrapped, in a state in which one call of each operation succeeds.
type rig struct {
	*tally
	objects objects
	logs    logs
	source  bytesOnly
	up      backend.Upload // with part 1, which is content
	part    backend.Part
	rec     []byte // the only record of log "id"
}

func newRig(t *testing.T) *rig {
	t.Helper()
	count := &tally{n: map[string]int{}}
	r := &rig{
		tally:   count,
		objects: objects{memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}}), count},
		logs:    logs{checkpoint.NewMemory(), count},
		source:  bytesOnly{upload.NewSource(bytes.NewReader(content), int64(len(content)), "the source", "v1"), count},
		rec:     []byte(`{"a":1}`),
	}
	var err error
	if r.up, err = r.objects.Backend.Create(t.Context(), key, backend.Attributes{}); err == nil {
		r.part, err = r.objects.Backend.UploadPart(t.Context(), r.up, 1, bytes.NewReader(content), int64(len(content)))
	}
	if err == nil {
		_, err = r.objects.Backend.Put(t.Context(), "there", bytes.NewReader(content), int64(len(content)), backend.Attributes{}, backend.CompleteOptions{})
	}
	if err == nil {
		err = r.logs.Memory.Append(t.Context(), "id", 0, r.rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// call makes the call of op for the process, and says whether a value came with the answer.
func (r *rig) call(ctx context.Context, p *fault.Process, op string) (value bool, err error) {
	b, s, src := p.Backend(r.objects), p.Store(r.logs), p.Source(r.source)
	body, size := bytes.NewReader(content), int64(len(content))
	switch op {
	case "Create":
		u, err := b.Create(ctx, key, backend.Attributes{})
		return u != backend.Upload{}, err
	case "UploadPart":
		part, err := b.UploadPart(ctx, r.up, 2, body, size)
		return part != backend.Part{}, err
	case "ListParts":
		parts, more, err := b.ListParts(ctx, r.up, 0)
		return parts != nil || more, err
	case "Complete":
		obj, err := b.Complete(ctx, r.up, []backend.Part{r.part}, backend.CompleteOptions{})
		return obj != backend.Object{}, err
	case "Abort":
		return false, b.Abort(ctx, r.up)
	case "Stat":
		obj, err := b.Stat(ctx, "there")
		return obj != backend.Object{}, err
	case "Put":
		put, ok := backend.As[backend.Putter](b)
		if !ok {
			return false, errors.New("no Putter")
		}
		obj, err := put.Put(ctx, key, body, size, backend.Attributes{}, backend.CompleteOptions{IfAbsent: true})
		return obj != backend.Object{}, err
	case "Load":
		records, err := s.Load(ctx, "id")
		return records != nil, err
	case "Append":
		return false, s.Append(ctx, "id", 1, r.rec)
	case "Delete":
		return false, s.Delete(ctx, "id", 1, r.rec)
	case "Sync":
		return false, s.(checkpoint.Syncer).Sync(ctx, "id")
	case "Lock":
		unlock, err := s.(checkpoint.Locker).Lock(ctx, "id")
		return unlock != nil, err
	case "ReadAt":
		n, err := src.ReadAt(make([]byte, len(content)), 0)
		return n > 0, err
	case "Version":
		v, err := src.Version()
		return v != "", err
	}
	panic(op)
}

// sentinels are the errors that promise something.
var sentinels = []error{
	backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart, backend.ErrDenied, backend.ErrInvalid,
	backend.ErrThrottled, backend.ErrUnreachable, checkpoint.ErrConflict, checkpoint.ErrDamaged, checkpoint.ErrVersion,
	checkpoint.ErrInvalid, checkpoint.ErrInUse,
}

// sentinel is the sentinel that err is; nil if it is none, which is to say that the outcome is unknown.
func sentinel(err error) error {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return s
		}
	}
	return nil
}
