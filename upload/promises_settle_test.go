package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestPromise05NoLeaks(t *testing.T) {
	data := bytesOf(1, 4*partSize)

	t.Run("the ID is durable before part 1", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		for range 5 {
			mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 1)}, logs, src, inParts(), errCut)
		}
		if n := len(unfinished(t, objects)); n != 1 {
			t.Errorf("five failed starts left %d uploads, want the one that goes on", n)
		}
		mustUpload(t, objects, logs, src, inParts())
		checkClean(t, objects, logs)
	})
	t.Run("intent and ID are synced before they are needed", func(t *testing.T) {
		objects := newStore()
		var order []string
		var mu sync.Mutex
		see := func(c call) error {
			mu.Lock()
			defer mu.Unlock()
			if c.op == "Sync" || c.op == "Create" || c.op == "Complete" || c == (call{"UploadPart", 1}) {
				order = append(order, c.op)
			}
			return nil
		}
		mustUpload(t, &tap{inner: objects, before: see}, &logTap{inner: checkpoint.NewMemory(), before: see}, newSource(data), inParts())
		want := []string{"Sync", "Create", "Sync", "UploadPart", "Sync", "Complete"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a fresh ID that cannot be recorded is aborted", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		full := errors.New("disk full")
		l := &logTap{inner: logs, before: func(c call) error {
			if c.op == "Append" && c.number >= 2 {
				return full
			}
			return nil
		}}
		mustFail(t, objects, l, src, inParts(), full)
		if left := unfinished(t, objects); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("a driver refused while recording a fresh ID aborts that upload", func(t *testing.T) {
		objects, logs, src := newStore(), &logTap{inner: checkpoint.NewMemory()}, newSource(data)
		b := &tap{inner: objects, after: func(c call, err error) error {
			if c.op == "Create" {
				mustUpload(t, objects, logs, src, inParts())
			}
			return err
		}}
		mustFail(t, b, logs, src, inParts(), upload.ErrSuperseded)
		checkClean(t, objects, logs)
	})
	t.Run("given up means aborted, also when the caller has gone and a part outlives the abort", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		ctx, cancel := context.WithCancel(t.Context())
		aborts := 0
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "Abort" {
				cancel()
				if aborts++; aborts == 1 {
					return nil
				}
			}
			return nil
		}}
		slow := &survivor{tap: b, aborts: 2}
		req := inParts()
		req.Attributes.ContentType = "application/x-iso9660-image"
		if _, err := upload.New(slow, logs, options()).Upload(ctx, key, src, req); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if left := unfinished(t, objects); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		mustUpload(t, objects, logs, src, req)
		checkClean(t, objects, logs)
	})
	t.Run("what the store does not let us abort stays in the log", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "Abort" {
				return backend.ErrDenied
			}
			return nil
		}}
		req := inParts()
		req.Attributes.ContentType = "text/plain"
		res := mustUpload(t, b, logs, src, req)
		if len(res.Left) != 1 || !slices.Equal(res.Denied, []string{"Abort"}) {
			t.Errorf("left %v, denied %v", res.Left, res.Denied)
		}
		u := upload.New(objects, logs, options())
		for p, err := range u.Pending(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Abort(t.Context(), p); err != nil {
				t.Error(err)
			}
		}
		checkClean(t, objects, logs)
	})
	t.Run("another's upload of the key is neither adopted nor aborted", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		other, err := objects.Create(t.Context(), key, backend.Attributes{})
		if err != nil {
			t.Fatal(err)
		}
		mustUpload(t, objects, logs, src, inParts())
		if diff := cmp.Diff([]string{other.ID}, unfinished(t, objects)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// survivor is a store on which an upload survives some aborts.
type survivor struct {
	*tap
	aborts int
}

func (s *survivor) Abort(ctx context.Context, u backend.Upload) error {
	if s.aborts--; s.aborts >= 0 {
		return s.around(call{"Abort", 0}, func() error { return nil })
	}
	return s.tap.Abort(ctx, u)
}

func TestPromise06LostAnswerIsSettled(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	completed := func(t *testing.T, req *upload.Request) (*memory.Backend, *checkpoint.Memory, *source) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		dead := false
		b := &tap{inner: objects, after: func(c call, err error) error {
			if dead = dead || c.op == "Complete"; dead {
				return errLost
			}
			return err
		}}
		mustFail(t, b, logs, src, req, errLost)
		checkObject(t, objects, data)
		return objects, logs, src
	}
	ifAbsent := &upload.Request{PartSize: partSize, IfAbsent: true}

	for _, req := range []*upload.Request{inParts(), ifAbsent} {
		t.Run(fmt.Sprintf("within a call, IfAbsent %t", req.IfAbsent), func(t *testing.T) {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
			b := &tap{inner: objects, after: loseOnce("Complete")}
			res := mustUpload(t, b, logs, src, req)
			if res.Sent != int64(len(data)) || b.count("Create") != 1 {
				t.Errorf("sent %d bytes in %d uploads", res.Sent, b.count("Create"))
			}
			checkClean(t, objects, logs)
		})
		t.Run(fmt.Sprintf("in an earlier process, IfAbsent %t", req.IfAbsent), func(t *testing.T) {
			objects, logs, src := completed(t, req)
			if res := mustUpload(t, objects, logs, src, req); res.Sent != 0 || *res.Object.CRC64 != res.CRC64 {
				t.Errorf("%+v", res)
			}
			checkClean(t, objects, logs)
		})
	}
	t.Run("existence proves nothing", func(t *testing.T) {
		objects, logs, src := completed(t, inParts())
		if _, err := objects.Put(t.Context(), key, bytes.NewReader(data[1:]), 3, backend.Attributes{}, backend.CompleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != int64(len(data)) {
			t.Errorf("sent %d bytes", res.Sent)
		}
		checkObject(t, objects, data)
	})
	t.Run("an object from before the upload is not it", func(t *testing.T) {
		now := time.Now()
		objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1}, Now: func() time.Time { return now }})
		logs, src := checkpoint.NewMemory(), newSource(data)
		mustUpload(t, objects, logs, src, inParts()) // the same content, an hour ago
		now = now.Add(time.Hour)
		mustFail(t, &tap{inner: objects, before: stopAt("Complete", 0)}, logs, src, inParts(), errCut)
		expire(t, objects)
		b := &tap{inner: objects}
		if mustUpload(t, b, logs, src, inParts()); b.count("Complete") != 1 {
			t.Error("the old object was taken for the new one")
		}
	})
	t.Run("never completed", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		expire(t, objects)
		b := &tap{inner: objects}
		res := mustUpload(t, b, logs, src, inParts())
		if len(res.Restarted) != 1 || res.Sent != int64(len(data)) || b.count("Stat") != 0 {
			t.Errorf("%+v", res)
		}
		checkObject(t, objects, data)
		checkClean(t, objects, logs)
	})
	t.Run("Stat is denied", func(t *testing.T) {
		deny := func(c call) error {
			if c.op == "Stat" {
				return backend.ErrDenied
			}
			return nil
		}
		objects, logs, src := completed(t, inParts())
		res := mustUpload(t, &tap{inner: objects, before: deny}, logs, src, inParts())
		if res.Sent != int64(len(data)) || !slices.Contains(res.Denied, "Stat") {
			t.Errorf("%+v", res)
		}
		objects, logs, src = completed(t, ifAbsent)
		mustFail(t, &tap{inner: objects, before: deny}, logs, src, ifAbsent, upload.ErrUndecided)
		res = mustUpload(t, objects, logs, src, ifAbsent)
		if res.Sent != 0 {
			t.Errorf("%+v", res)
		}
	})
	t.Run("IfAbsent, and the object is another's", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		theirs := bytesOf(5, 99)
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "Complete" {
				_, err := objects.Put(t.Context(), key, bytes.NewReader(theirs), 99, backend.Attributes{}, backend.CompleteOptions{})
				return err
			}
			return nil
		}}
		mustFail(t, b, logs, src, ifAbsent, backend.ErrExists)
		checkObject(t, objects, theirs)
		checkClean(t, objects, logs)
		if b := (&tap{inner: objects}); mustFail(t, b, logs, src, ifAbsent, backend.ErrExists).Sent != 0 || b.count("Create") != 0 {
			t.Error("it began an upload that the object forbids")
		}
		checkClean(t, objects, logs)
	})
	t.Run("a completed source that changed since is sent", func(t *testing.T) {
		objects, logs, src := completed(t, inParts())
		src.rewrite(edited(data, 7))
		mustUpload(t, objects, logs, src, inParts())
		checkObject(t, objects, src.data)
		checkClean(t, objects, logs)
	})
	t.Run("a Put", func(t *testing.T) {
		for _, absent := range []bool{false, true} {
			objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
			u := upload.New(&tap{inner: objects, after: loseOnce("Put")}, logs, &upload.Options{Retry: quick})
			if _, err := u.Upload(t.Context(), key, src, &upload.Request{IfAbsent: absent}); err != nil {
				t.Errorf("IfAbsent %t: %v", absent, err)
			}
			checkObject(t, objects, data)
			checkClean(t, objects, logs)
		}
	})
}

// expire aborts all uploads, as a lifecycle rule of the store would.
func expire(t *testing.T, objects *memory.Backend) {
	t.Helper()
	for u := range objects.Uploads(t.Context(), "") {
		if err := objects.Abort(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
}
