package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
	"golang.org/x/time/rate"
)

// More defects that the review found; see found_test.go.

func TestFoundNoModified(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	for _, absent := range []bool{false, true} {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		req := inParts()
		req.IfAbsent = absent
		b := noModified{&tap{inner: objects, after: loseOnce("Complete")}}
		res, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, req)
		if err != nil || res.Sent != int64(len(data)) {
			t.Errorf("absent %t: %v, sent %d, %q", absent, err, res.Sent, res.Restarted)
		}
	}
}

// ListParts denied, a part is not what the log says: for ever.
func TestFoundDeniedListAndInvalidPart(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	deny := func(c call) error {
		if c.op == "ListParts" {
			return backend.ErrDenied
		}
		return nil
	}
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
	for u := range objects.Uploads(t.Context(), "") { // a late part of a superseded driver
		objects.UploadPart(t.Context(), u, 1, bytes.NewReader(bytesOf(9, partSize)), partSize)
	}
	var err error
	for range 3 {
		_, err = upload.New(&tap{inner: objects, before: deny}, logs, options()).Upload(t.Context(), key, src, inParts())
	}
	if err != nil {
		t.Errorf("three calls: %v", err)
	}
}

// a late Put of an earlier call, IfAbsent.
func TestFoundLatePut(t *testing.T) {
	data := bytesOf(1, 10)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	o := &upload.Options{Retry: upload.Retry{Attempts: 1}}
	req := &upload.Request{IfAbsent: true}
	_, err := upload.New(&tap{inner: objects, before: stopAt("Put", 0)}, logs, o).Upload(t.Context(), key, src, req)
	if err == nil {
		t.Error("no error")
	}
	b := &tap{inner: objects, before: func(c call) error {
		if c.op == "Put" { // the first call's lands now
			objects.Put(t.Context(), key, bytes.NewReader(data), 10, backend.Attributes{}, backend.CompleteOptions{IfAbsent: true})
		}
		return nil
	}}
	if _, err := upload.New(b, logs, o).Upload(t.Context(), key, src, req); err != nil {
		t.Errorf("the object is ours: %v", err)
	}
}

// strangers of unknown age.

func TestFoundAbortOlderUnknownAge(t *testing.T) {
	objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}, Now: func() time.Time { return time.Time{} }})
	other, _ := objects.Create(t.Context(), key, backend.Attributes{})
	if !other.Initiated.IsZero() {
		t.Fatal(other)
	}
	got, err := upload.New(objects, checkpoint.NewMemory(), options()).AbortOlder(t.Context(), "", 24*time.Hour)
	if len(got) > 0 {
		t.Errorf("aborted another's upload whose age is not known: %v %v", got, err)
	}
}

// the limiter's error is not the context's.
func TestFoundLimiterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
		o := options()
		o.Limiter = rate.NewLimiter(10, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := upload.New(objects, logs, o).Upload(ctx, key, src, inParts())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// a cause.
func TestFoundCause(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("user pressed stop"))
	_, err := upload.New(objects, logs, options()).Upload(ctx, key, src, inParts())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// settle cannot compare, IfAbsent: says exists.
type plainStore struct{ backend.MultipartBackend }

func TestFoundIncomparable(t *testing.T) {
	objects := memory.New(&memory.Options{NoCRC64: true, Info: backend.Info{MinPartSize: 1}})
	logs, src := checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	b := plainStore{&tap{inner: objects, after: loseOnce("Complete")}}
	_, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, &upload.Request{PartSize: partSize, IfAbsent: true})
	if errors.Is(err, backend.ErrExists) && !errors.Is(err, upload.ErrUndecided) {
		t.Errorf("the object is ours, or cannot be told; got %v", err)
	}
}

// one unreadable log hides all others.
type oneBad struct {
	checkpoint.Store
	bad string
}

func (o oneBad) Load(ctx context.Context, id string) ([][]byte, error) {
	if id == o.bad {
		return nil, checkpoint.ErrVersion
	}
	return o.Store.Load(ctx, id)
}

func TestFoundPendingOneBad(t *testing.T) {
	objects, logs := newStore(), bare{checkpoint.NewMemory()}
	for i := range 3 {
		src := newSource(bytesOf(1, 4*partSize))
		src.id = fmt.Sprint(i)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 2)}, logs, src, inParts(), errCut)
	}
	var bad string
	for id := range logs.IDs(t.Context()) {
		bad = id
		break
	}
	n := 0
	for p, err := range upload.New(objects, oneBad{logs, bad}, options()).Pending(t.Context(), "") {
		if err == nil && p.Checkpoint != "" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d listed, want the 2 that can be read", n)
	}
}

// ListParts that lies for ever.
type listLiar struct {
	*memory.Backend
	n int
}

func (l *listLiar) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	if l.n++; l.n > 100000 {
		return nil, false, errors.New("stopped by the test")
	}
	return []backend.Part{{Number: after + 1, Size: 1}}, true, nil
}

func TestFoundListForEver(t *testing.T) {
	l := &listLiar{Backend: newStore()}
	_, err := upload.New(l, checkpoint.NewMemory(), options()).Upload(t.Context(), key, newSource(bytesOf(1, 4*partSize)), inParts())
	if l.n > 10001 {
		t.Errorf("%d pages of a store that takes 10000 parts: %v", l.n, err)
	}
}

// cancel while something is given up on a store that cannot be reached.
func TestFoundCancelInGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 2)}, logs, src, inParts(), errCut)
		ctx, cancel := context.WithCancel(t.Context())
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "Abort" {
				cancel()
				return errCut
			}
			return nil
		}}
		req := inParts()
		req.Attributes.ContentType = "a/b"
		o := options()
		o.Retry = upload.Retry{BaseDelay: 400 * time.Millisecond}
		begun := time.Now()
		_, err := upload.New(b, logs, o).Upload(ctx, key, src, req)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// existsAtEnd: op of the error.
func TestFoundListErrorAfterExists(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	n := 0
	b := &tap{inner: objects, before: func(c call) error {
		switch c.op {
		case "Complete":
			return backend.ErrExists
		case "ListParts":
			if n++; n > 1 {
				return errCut
			}
		}
		return nil
	}}
	_, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, &upload.Request{PartSize: partSize, IfAbsent: true})
	var e *upload.Error
	if errors.As(err, &e); e.Op == "upload" {
		t.Errorf("%v", err)
	}
}

// a Find whose one Load fails.
func TestFoundLoadOnce(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	loads, lost := 0, false
	l := &logTap{inner: logs,
		before: func(c call) error {
			if c.op == "Load" {
				if loads++; loads == 2 {
					return errCut
				}
			}
			return nil
		},
		after: func(c call, err error) error {
			if c.op == "Append" && c.number == 4 && !lost {
				lost = true
				return errLost
			}
			return err
		}}
	_, err := upload.New(objects, l, options()).Upload(t.Context(), key, src, inParts())
	if err != nil {
		t.Errorf("%q", err)
	}
}

// source error that is a sentinel.
type denySource struct{ *source }

func (denySource) ReadAt(p []byte, off int64) (int, error) {
	return 0, fmt.Errorf("copy from the other bucket: %w", backend.ErrNoSuchUpload)
}

func TestFoundSourceSentinel(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	res, err := upload.New(objects, logs, options()).Upload(t.Context(), key, denySource{src}, inParts())
	if !errors.Is(err, upload.ErrSource) || len(res.Restarted) > 0 {
		t.Errorf("%v, restarted %q", err, res.Restarted)
	}
	if n := len(unfinished(t, objects)); n > 1 || (n == 1 && !logLeft(logs.Store.(*checkpoint.Memory))) {
		t.Errorf("%d uploads left", n)
	}
}

// claim key mismatch (another upload's log under this id).
func TestFoundForeignLog(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(data)
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)
	l := &mangle{Store: logs, f: func(recs [][]byte) {
		for i, r := range recs {
			if kindOf(r) == "claim" {
				var m map[string]any
				json.Unmarshal(r, &m)
				m["key"] = "other"
				recs[i], _ = json.Marshal(m)
				break
			}
		}
	}}
	res, err := upload.New(objects, l, options()).Upload(t.Context(), key, src, inParts())
	if err != nil {
		t.Errorf("%v, %+v", err, res)
	}
	if _, err := objects.Stat(t.Context(), "other"); err == nil {
		t.Error("completed another key")
	}
	checkClean(t, objects, logs)
}

// a Put of a source that is rewritten, longer, between its stat and its first read: a truncated object, and nil.
func TestFoundPutTruncates(t *testing.T) {
	old, fresh := bytesOf(1, 3000), bytesOf(2, 4000)
	src, once := newSource(old), false
	src.onRead = func(int64) {
		if !once {
			once = true
			src.rewrite(fresh) // the version changes too
		}
	}
	objects := newStore()
	res, err := upload.New(objects, checkpoint.NewMemory(), &upload.Options{Retry: quick}).Upload(t.Context(), key, src, nil)
	if got := content(t, objects); !bytes.Equal(got, old) && !bytes.Equal(got, fresh) {
		t.Errorf("error %v, sent %d: the object is the first %d bytes of the new content: %t", err, res.Sent, len(got), bytes.Equal(got, fresh[:len(got)]))
	}
}

// create's abort fails: nobody knows of the upload.
func TestFoundCreateAbortFails(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4000))
	full := errors.New("disk full")
	l := &logTap{inner: logs, before: func(c call) error {
		if c.op == "Append" && c.number >= 2 {
			return full
		}
		return nil
	}}
	b := &tap{inner: objects, before: func(c call) error {
		if c.op == "Abort" {
			return backend.ErrDenied
		}
		return nil
	}}
	res := mustFail(t, b, l, src, inParts(), full)
	if n := len(unfinished(t, objects)); n == 1 && len(res.Left) == 0 && !logLeft(logs.Store.(*checkpoint.Memory)) {
		t.Errorf("an upload is left, and neither Result.Left nor a log says so")
	}
}

// an upload that takes a moment to go.
func TestFoundSlowAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4000))
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		slow := &survivor{tap: &tap{inner: objects}, aborts: 7} // 7 answers within microseconds; a second for the store
		req := inParts()
		req.Attributes.ContentType = "a/b"
		o := options()
		o.Retry = upload.Retry{BaseDelay: time.Second}
		begun := time.Now()
		_, err := upload.New(slow, logs, o).Upload(t.Context(), key, src, req)
		if err != nil && time.Since(begun) < 100*time.Millisecond {
			t.Errorf("gave up after %v: %v", time.Since(begun), err)
		}
	})
}

// other attributes, IfAbsent, and the first Complete had landed: all is sent only to be refused.
func TestFoundSentInVain(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4000))
	req := inParts()
	req.IfAbsent = true
	completedLost(t, objects, logs, src, req)
	req.Attributes.ContentType = "a/b"
	if res := mustFail(t, objects, logs, src, req, backend.ErrExists); res.Sent > 0 {
		t.Errorf("sent %d bytes under an object that exists", res.Sent)
	}
}
