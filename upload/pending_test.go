package upload_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func pendings(t *testing.T, u *upload.Uploader, prefix string) (all []upload.Pending) {
	t.Helper()
	for p, err := range u.Pending(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// interrupted is an upload of a file that stopped after two of four parts.
func interrupted(t *testing.T) (*memory.Backend, *checkpoint.Memory, string) {
	t.Helper()
	objects, logs := newStore(), checkpoint.NewMemory()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, bytesOf(1, 4*partSize), 0o600); err != nil {
		t.Fatal(err)
	}
	req := inParts()
	req.Attributes.ContentType = "text/plain"
	_, err := upload.New(&tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, options()).UploadFile(t.Context(), key, path, req)
	if !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	return objects, logs, path
}

func TestPendingListsAndResumes(t *testing.T) {
	objects, logs, path := interrupted(t)
	stranger, err := objects.Create(t.Context(), "zzz/other", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	u := upload.New(objects, logs, options())
	list := pendings(t, u, "")
	if len(list) != 2 {
		t.Fatalf("got %+v, want two", list)
	}
	p := list[0]
	if p.Key != key || p.Path != path || p.Source != path || p.Parts != 2 || p.Stored != 2*partSize || p.Size != 4*partSize ||
		p.Missing || p.Holder == "" || p.Checkpoint == "" || p.Upload.ID == "" {
		t.Errorf("%+v", p)
	}
	if s := list[1]; s.Key != stranger.Key || s.Upload != stranger || s.Checkpoint != "" {
		t.Errorf("%+v", s)
	}
	if n := len(pendings(t, u, "backups/")); n != 1 {
		t.Errorf("%d under the prefix, want 1", n)
	}

	res, err := u.Resume(t.Context(), p, nil)
	if err != nil || res.Sent != 2*partSize || !res.Resumed {
		t.Fatalf("%+v, %v", res, err)
	}
	if _, attrs, err := objects.Open(key); err != nil || attrs.ContentType != "text/plain" {
		t.Errorf("resumed with %+v, %v", attrs, err)
	}
	if diff := cmp.Diff([]string{stranger.ID}, unfinished(t, objects)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := u.Resume(t.Context(), list[1], nil); !errors.Is(err, backend.ErrInvalid) {
		t.Errorf("resume of an upload without a checkpoint: %v", err)
	}
}

func TestPendingMissingOnTheStore(t *testing.T) {
	objects, logs, _ := interrupted(t)
	expire(t, objects)
	if list := pendings(t, upload.New(objects, logs, options()), ""); len(list) != 1 || !list[0].Missing {
		t.Errorf("%+v", list)
	}
}

func TestPendingOfAnotherStoreIsNotListed(t *testing.T) {
	_, logs, _ := interrupted(t)
	other := &elsewhereBackend{tap{inner: newStore()}}
	if list := pendings(t, upload.New(other, logs, options()), ""); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

func TestAbort(t *testing.T) {
	objects, logs, _ := interrupted(t)
	u := upload.New(objects, logs, options())
	p := pendings(t, u, "")[0]

	id := p.Checkpoint
	unlock, err := logs.Lock(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Abort(t.Context(), p); !errors.Is(err, checkpoint.ErrInUse) {
		t.Errorf("abort of a locked upload: %v", err)
	}
	if aborted, err := u.AbortOlder(t.Context(), "", -time.Hour); err != nil || len(aborted) > 0 {
		t.Errorf("abort of old uploads, one of them locked: %v, %v", aborted, err)
	}
	if len(unfinished(t, objects)) != 1 {
		t.Fatal("a locked upload was touched")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := u.Abort(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	checkClean(t, objects, logs)
}

// Where the store cannot lock, an abort claims the log, and the driver stops.
func TestAbortUnderADriver(t *testing.T) {
	objects, logs, src := newStore(), &logTap{inner: checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	u := upload.New(objects, logs, options())
	b := &tap{inner: objects, after: func(c call, err error) error {
		if c == (call{"UploadPart", 2}) {
			for _, p := range pendings(t, u, "") {
				if err := u.Abort(t.Context(), p); err != nil {
					t.Error(err)
				}
			}
		}
		return err
	}}
	mustFail(t, b, logs, src, inParts(), upload.ErrSuperseded)
	checkNoObject(t, objects)
	checkClean(t, objects, logs)
}

func TestAbortOlder(t *testing.T) {
	objects, logs, _ := interrupted(t)
	if _, err := objects.Create(t.Context(), "zzz/other", backend.Attributes{}); err != nil {
		t.Fatal(err)
	}
	u := upload.New(objects, logs, options())
	if aborted, err := u.AbortOlder(t.Context(), "", time.Hour); err != nil || len(aborted) != 0 {
		t.Errorf("young ones: %v, %v", aborted, err)
	}
	if aborted, err := u.AbortOlder(t.Context(), "backups/", -time.Hour); err != nil || len(aborted) != 1 {
		t.Errorf("under a prefix: %v, %v", aborted, err)
	}
	if aborted, err := u.AbortOlder(t.Context(), "", -time.Hour); err != nil || len(aborted) != 1 {
		t.Errorf("all: %v, %v", aborted, err)
	}
	checkClean(t, objects, logs)
}

// A lost answer of Create may leave an upload without parts. The log says that there may be one, the store's list shows it, and
// nothing adopts it.
func TestPendingAfterALostCreate(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 2*partSize))
	dead := &tap{inner: objects, after: func(c call, err error) error {
		if c.op == "Create" {
			return errLost
		}
		return err
	}}
	opts := options()
	opts.Retry.Attempts = 1
	if _, err := upload.New(dead, logs, opts).Upload(t.Context(), key, src, inParts()); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	list := pendings(t, upload.New(objects, logs, options()), "")
	if len(list) != 2 || list[0].Checkpoint == "" || list[0].Upload.ID != "" || list[1].Checkpoint != "" {
		t.Fatalf("%+v", list)
	}
	mustUpload(t, objects, logs, src, inParts())
	if n := len(unfinished(t, objects)); n != 1 {
		t.Errorf("%d unfinished uploads, want the empty one", n)
	}
}

// Where no answer was lost, there is nothing that may have been left, and no log is kept of it.
func TestNoLogOfAnUploadThatCannotBegin(t *testing.T) {
	for _, why := range []error{backend.ErrUnreachable, backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled} {
		objects, logs := newStore(), checkpoint.NewMemory()
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "Create" {
				return why
			}
			return nil
		}}
		mustFail(t, b, logs, newSource(bytesOf(1, 2*partSize)), inParts(), why)
		checkClean(t, objects, logs)
	}
}
