package upload_test

import (
	"errors"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// Defects of several drivers and of late records, that the review and the chaos test found; see found_test.go.

// The log is deleted and written anew to the same length: the position alone fences nothing.
func TestFoundLogReuse(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	drive := func(b backend.MultipartBackend) error {
		_, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, inParts())
		return err
	}
	third := make(chan error, 1)
	atCreate, goOn := make(chan struct{}), make(chan struct{})
	c := &tap{inner: objects, before: func(c call) error {
		if c.op == "Create" {
			close(atCreate)
			<-goOn
		}
		return nil
	}}
	first := true
	a := &tap{inner: objects, after: func(k call, err error) error {
		if k.op == "Create" && first {
			first = false
			if err := drive(objects); err != nil { // the second takes over, completes and deletes the log
				t.Error(err)
			}
			go func() { third <- drive(c) }() // the third begins again: claim, intent, Create
			<-atCreate
		}
		return err
	}}
	if err := drive(a); !errors.Is(err, upload.ErrSuperseded) {
		t.Errorf("the first: %v", err)
	}
	close(goOn)
	if err := <-third; err != nil {
		t.Errorf("the third: %v", err)
	}
	checkClean(t, objects, logs)
}

// A Result says how far a call came that failed.
func TestFoundResultOfAFailure(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	res := mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
	if res.Stored != 2*partSize || res.Parts != 4 || res.PartSize != partSize {
		t.Errorf("%+v", res)
	}
	if res = mustUpload(t, objects, logs, src, inParts()); res.Stored != 4*partSize || res.Parts != 4 {
		t.Errorf("%+v", res)
	}
}

// After an upload that an earlier call had completed, Result and Progress say that all was there.
func TestFoundProgressOfASettledUpload(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	completedLost(t, objects, logs, src, inParts())
	var last upload.Progress
	req := inParts()
	req.Progress = func(p upload.Progress) { last = p }
	res := mustUpload(t, objects, logs, src, req)
	if last.Parts != 4 || last.PartsDone != 4 || last.Stored != 4*partSize || res.Reused != 4*partSize {
		t.Errorf("%+v, reused %d", last, res.Reused)
	}
}

// The log is deleted and written anew to the same length between a driver's reading and its claim.
func TestFoundClaimInAnotherLog(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	stop := func() { // after claim, intent and ID
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 1)}, logs, src, inParts(), errCut)
	}
	stop()
	first := true
	l := &logTap{inner: logs, before: func(c call) error {
		if c.op == "Append" && first {
			first = false
			mustUpload(t, objects, logs, src, inParts())
			stop()
		}
		return nil
	}}
	mustUpload(t, objects, l, src, inParts())
	checkClean(t, objects, logs)
}

// The record of a fresh upload arrives, its answer does not, and a newer driver goes on with the upload: the older stops, and
// does not abort what the newer works on.
func TestFoundAbortOfAnUploadInUse(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	n := 0
	l := &logTap{inner: logs, after: func(c call, err error) error {
		if c.op == "Append" {
			if n++; n == 3 { // claim, intent, ID
				mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)
				return errLost
			}
		}
		return err
	}}
	mustFail(t, objects, l, src, inParts(), upload.ErrSuperseded)
	if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != partSize {
		t.Errorf("sent %d bytes again, restarted %q", res.Sent, res.Restarted)
	}
	checkClean(t, objects, logs)
}

// A record of a former driver arrives just before the log is deleted.
func TestFoundLateRecordAtTheEnd(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 4*partSize))
	first := true
	l := &logTap{inner: logs, before: func(c call) error {
		if c.op != "Delete" || !first {
			return nil
		}
		first = false
		var id string
		for i := range logs.IDs(t.Context()) {
			id = i
		}
		return logs.Append(t.Context(), id, c.number, []byte(`{"kind":"gone","claim":"of somebody dead","upload":"x"}`))
	}}
	mustUpload(t, objects, l, src, inParts())
	checkClean(t, objects, logs)
}

// A newer driver takes over from one that is busy writing records.
func TestFoundTakeOver(t *testing.T) {
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(bytesOf(1, 4*partSize))
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 2)}, logs, src, inParts(), errCut)
	n := 0
	l := &logTap{inner: logs, before: func(c call) error {
		if c.op != "Append" || n == 20 {
			return nil
		}
		n++ // the older appends a record between each Load and Append of the newer
		var id string
		for i := range logs.IDs(t.Context()) {
			id = i
		}
		recs, err := logs.Load(t.Context(), id)
		if err != nil {
			return err
		}
		return logs.Append(t.Context(), id, len(recs), recs[len(recs)-1])
	}}
	mustUpload(t, objects, l, src, inParts())
}
