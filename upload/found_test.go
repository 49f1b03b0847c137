package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
	"golang.org/x/time/rate"
)

// Defects that a review found, each by a test that failed; docs/track-record.md has the list.

func kindOf(rec []byte) string {
	var r struct{ Kind string }
	json.Unmarshal(rec, &r)
	return r.Kind
}

// recTap sees the record of each Append.
type recTap struct {
	checkpoint.Store
	after func(at int, rec []byte, err error) error
}

func (t *recTap) Append(ctx context.Context, id string, at int, rec []byte) error {
	err := t.Store.Append(ctx, id, at, rec)
	if t.after != nil {
		return t.after(at, rec, err)
	}
	return err
}

// only the four methods
type bare struct{ checkpoint.Store }

func try(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// the answer to the upload record is lost, and a newer claim follows.
func TestFoundBeforeNewerClaim(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(data)
	done := false
	l := &recTap{Store: logs, after: func(at int, rec []byte, err error) error {
		if !done && kindOf(rec) == "upload" {
			done = true
			mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 2)}, logs, src, inParts(), errCut)
			return errLost
		}
		return err
	}}
	if p := try(func() {
		_, err := upload.New(objects, l, options()).Upload(t.Context(), key, src, inParts())
		if !errors.Is(err, upload.ErrSuperseded) {
			t.Error(err)
		}
	}); p != nil {
		t.Errorf("panic: %v", p)
	}
}

// dropper drops record i of a log once, as a repaired damage.
type dropper struct {
	checkpoint.Store
	kind string
	nth  int
	done bool
}

func (d *dropper) Load(ctx context.Context, id string) ([][]byte, error) {
	recs, err := d.Store.Load(ctx, id)
	if d.done || err != nil {
		return recs, err
	}
	n := 0
	for i, r := range recs {
		if kindOf(r) == d.kind {
			if n++; n == d.nth {
				d.done = true
				d.Store.Delete(ctx, id, len(recs), recs[len(recs)-1])
				recs = slices.Delete(slices.Clone(recs), i, i+1)
				for j, r := range recs {
					if err := d.Store.Append(ctx, id, j, r); err != nil {
						return nil, err
					}
				}
				return recs, checkpoint.ErrDamaged
			}
		}
	}
	return recs, nil
}

// a damaged claim.
func TestFoundDamagedRecord(t *testing.T) {
	data := bytesOf(1, 10*partSize)
	for _, k := range []string{"claim", "intent", "upload", "part"} {
		t.Run(k, func(t *testing.T) {
			objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(data)
			mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 9)}, logs, src, inParts(), errCut)
			res := mustUpload(t, objects, &dropper{Store: logs, kind: k, nth: 1}, src, inParts())
			if res.Sent > 2*partSize {
				t.Errorf("sent %d of %d; %q", res.Sent, len(data), res.Restarted)
			}
			checkClean(t, objects, logs)
		})
	}
}

func completedLost(t *testing.T, objects *memory.Backend, logs checkpoint.Store, src upload.Source, req *upload.Request) {
	t.Helper()
	dead := false
	b := &tap{inner: objects, after: func(c call, err error) error {
		if dead = dead || c.op == "Complete"; dead {
			return errLost
		}
		return err
	}}
	mustFail(t, b, logs, src, req, errLost)
}

// completing lost to damage: IfAbsent.
func TestFoundCompletingDamaged(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	t.Run("IfAbsent", func(t *testing.T) {
		objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(data)
		req := &upload.Request{PartSize: partSize, IfAbsent: true}
		completedLost(t, objects, logs, src, req)
		if res := mustUpload(t, objects, &dropper{Store: logs, kind: "completing", nth: 1}, src, req); res.Sent != 0 {
			t.Error(res.Sent)
		}
	})
	t.Run("damage seen by Pending", func(t *testing.T) {
		objects, logs, src := newStore(), bare{checkpoint.NewMemory()}, newSource(data)
		completedLost(t, objects, logs, src, inParts())
		d := &dropper{Store: logs, kind: "completing", nth: 1}
		u := upload.New(objects, d, options())
		for _, err := range u.Pending(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
		}
		if res := mustUpload(t, objects, d, src, inParts()); res.Sent != 0 {
			t.Errorf("sent %d %q", res.Sent, res.Restarted)
		}
	})
}

// Complete is done, Stat fails.
func TestFoundStatFailsAfterComplete(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	objects := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 1, Location: "memory:test"}})
	logs, src := checkpoint.NewMemory(), newSource(data)
	b := &tap{inner: objects, before: func(c call) error {
		if c.op == "Stat" {
			return errCut
		}
		return nil
	}}
	_, err := upload.New(noSum{b}, logs, options()).Upload(t.Context(), key, src, inParts())
	if err == nil {
		t.Error("nobody knows what the object is, and no error")
	}
	res := mustUpload(t, objects, logs, src, inParts())
	if res.Sent != 0 {
		t.Errorf("the object was there and right, %d bytes sent again, error was %v", res.Sent, err)
	}
}

// noSum answers Complete without checksum or ETag (a callback's answer), Stat has both.
type noSum struct{ *tap }

func (n noSum) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	obj, err := n.tap.Complete(ctx, u, parts, o)
	obj.CRC64, obj.ETag = nil, ""
	return obj, err
}

type mangle struct {
	checkpoint.Store
	f func([][]byte)
}

func (m *mangle) Load(ctx context.Context, id string) ([][]byte, error) {
	recs, err := m.Store.Load(ctx, id)
	m.f(recs)
	return recs, err
}

// a Put of a source that flips, with versions that say so.
func TestFoundPutMix(t *testing.T) {
	const half = 64 << 10
	a, b := bytes.Repeat([]byte("a"), 2*half), bytes.Repeat([]byte("b"), 2*half)
	src := newSource(a)
	src.onRead = func(off int64) {
		if off < half {
			src.rewrite(a)
		} else {
			src.rewrite(b)
		}
	}
	objects, logs := newStore(), checkpoint.NewMemory()
	u := upload.New(objects, logs, &upload.Options{Concurrency: 1, Retry: quick, Limiter: rate.NewLimiter(1<<40, 64<<10)})
	_, err := u.Upload(t.Context(), key, src, nil)
	if errors.Is(err, upload.ErrSourceChanged) {
		return
	}
	got := content(t, objects)
	if !bytes.Equal(got, a) && !bytes.Equal(got, b) {
		t.Errorf("err %v, a mix was published: %c...%c, version %d", err, got[0], got[len(got)-1], src.version)
	}
}

// retry delay overflow.
func TestFoundDelayPanics(t *testing.T) {
	objects, src := newStore(), newSource(bytesOf(1, 10))
	n := 0
	b := &tap{inner: objects, before: func(c call) error {
		if n++; c.op == "Create" && n < 60 {
			return errCut
		}
		return nil
	}}
	o := &upload.Options{Threshold: -1, Retry: upload.Retry{Attempts: 100, BaseDelay: 5e9, MaxDelay: 1}}
	if p := try(func() {
		_, err := upload.New(b, checkpoint.NewMemory(), o).Upload(t.Context(), key, src, inParts())
		if err != nil {
			t.Error(err)
		}
	}); p != nil {
		t.Errorf("panic: %v", p)
	}
}

// IDs that are not UTF-8.
func TestFoundNotUTF8(t *testing.T) {
	a, c := newSource(bytesOf(1, 4*partSize)), newSource(bytesOf(2, 4*partSize))
	a.id, c.id = "/data/caf\xe9.iso", "/data/caf\xe8.iso"
	objects, logs := newStore(), checkpoint.NewMemory()
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, a, inParts(), errCut)
	mustUpload(t, objects, logs, c, inParts())
	checkObject(t, objects, c.data)
}

// Expires in another zone, metadata in another case.
func TestFoundSameAttributes(t *testing.T) {
	src := newSource(bytesOf(1, 4*partSize))
	for _, k := range []string{"zone", "case"} {
		objects, logs := newStore(), checkpoint.NewMemory()
		r1, r2 := inParts(), inParts()
		if k == "zone" {
			at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			r1.Attributes.Expires, r2.Attributes.Expires = at, at.In(time.FixedZone("CST", 8*3600))
		} else {
			r1.Attributes.Metadata, r2.Attributes.Metadata = map[string]string{"Owner": "me"}, map[string]string{"owner": "me"}
		}
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, r1, errCut)
		if res := mustUpload(t, objects, logs, src, r2); len(res.Restarted) > 0 {
			t.Errorf("%s: %q", k, res.Restarted)
		}
	}
}

// Modified unknown.
type noModified struct{ *tap }

func (n noModified) Stat(ctx context.Context, key string) (backend.Object, error) {
	o, err := n.tap.Stat(ctx, key)
	o.Modified = time.Time{}
	return o, err
}
