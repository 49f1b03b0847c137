package upload_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// cutInHalf uploads over a line that is reset after 3 MiB, and stops when half of the source is there.
func cutInHalf(t *testing.T, l *link, logs checkpoint.Store, size int64) *upload.Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := &upload.Request{Progress: func(p upload.Progress) {
		if p.Stored > size/2 {
			cancel()
		}
	}}
	res, err := upload.New(l, logs, nil).Upload(ctx, key, upload.NewSource(pattern{}, size, "pattern", "1"), req)
	if !errors.Is(err, context.Canceled) || res.PartSize >= 3<<20 {
		t.Fatalf("%v, part size %d", err, res.PartSize)
	}
	return res
}

// A plan that was changed is on record: who resumes sends what is missing, in parts of the new size.
func TestChangedPlanIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20})
		logs := checkpoint.NewMemory()
		first := cutInHalf(t, l, logs, size)
		again := l.over(t, upload.New(l, logs, nil), key, size, nil)
		if again.PartSize != first.PartSize || !again.Resumed || len(again.Restarted) > 0 {
			t.Errorf("part size %d, then %d: %+v", first.PartSize, again.PartSize, again.Result)
		}
		// What was under way is all that is sent again.
		if again.Reused < first.Stored || again.Reused > first.Stored+64<<20 {
			t.Errorf("%d bytes were stored, %d reused", first.Stored, again.Reused)
		}
	})
}

// The record of the change is lost with a damaged log. Parts whose place is not proven by content are sent again; the object is right.
func TestChangedPlanIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20})
		logs := checkpoint.NewMemory()
		cutInHalf(t, l, logs, size)
		l.cutAfter = 0
		damaged := &forgetful{Store: logs, what: []byte(`"kind":"plan"`)}
		again := l.over(t, upload.New(l, damaged, nil), key, size, nil)
		if damaged.forgot == 0 {
			t.Fatal("no record of a changed plan in the log")
		}
		if !again.Resumed || again.PartSize != upload.DefaultPartSize {
			t.Errorf("%+v", again.Result)
		}
	})
}

// forgetful is a store whose logs are damaged: records with certain bytes are gone.
type forgetful struct {
	checkpoint.Store
	what   []byte
	forgot int
}

func (f *forgetful) Load(ctx context.Context, id string) ([][]byte, error) {
	records, err := f.Store.Load(ctx, id)
	if err != nil || len(records) == 0 || f.forgot > 0 {
		return records, err
	}
	all, last := len(records), records[len(records)-1]
	kept := records[:0]
	for _, r := range records {
		if bytes.Contains(r, f.what) {
			f.forgot++
		} else {
			kept = append(kept, r)
		}
	}
	// From now on the log has what is returned.
	if err := f.Store.Delete(ctx, id, all, last); err != nil {
		return nil, err
	}
	for i, r := range kept {
		if err := f.Store.Append(ctx, id, i, r); err != nil {
			return nil, err
		}
	}
	return kept, checkpoint.ErrDamaged
}

// The change is durable before the first part is sent under it.
func TestChangedPlanIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20})
		inner := checkpoint.NewMemory()
		dirty := false
		logs := &planTap{Store: inner, onPlan: func() { dirty = true }, onSync: func() { dirty = false }}
		l.onPart = func(size int64) {
			if dirty || size < 3<<20 && logs.plans == 0 {
				t.Errorf("a part of %d bytes before the plan was synced", size)
			}
		}
		l.over(t, upload.New(l, logs, nil), key, 64<<20, nil)
		if logs.plans == 0 {
			t.Error("the plan was not changed")
		}
	})
}

type planTap struct {
	checkpoint.Store
	plans          int
	onPlan, onSync func()
}

func (p *planTap) Append(ctx context.Context, id string, at int, rec []byte) error {
	if bytes.Contains(rec, []byte(`"kind":"plan"`)) {
		p.plans++
		p.onPlan()
	}
	return p.Store.Append(ctx, id, at, rec)
}

func (p *planTap) Sync(context.Context, string) error {
	p.onSync()
	return nil
}

// A store whose parts must be equal keeps them, and the upload fails in the end.
func TestEqualPartsAreNotDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20, equal: true})
		src := upload.NewSource(pattern{}, 64<<20, "pattern", "1")
		res, err := l.uploader(nil).Upload(t.Context(), key, src, nil)
		if !errors.Is(err, errReset) || res.PartSize != upload.DefaultPartSize {
			t.Errorf("%v, part size %d", err, res.PartSize)
		}
	})
}

// A source that needs all the parts that a store takes cannot be cut smaller.
func TestPartsAreNotDividedBeyondWhatTheStoreTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20, maxParts: 9})
		src := upload.NewSource(pattern{}, 64<<20, "pattern", "1")
		res, err := l.uploader(nil).Upload(t.Context(), key, src, nil)
		if !errors.Is(err, errReset) || res.PartSize != upload.DefaultPartSize {
			t.Errorf("%v, part size %d", err, res.PartSize)
		}
	})
}

var _ backend.MultipartBackend = (*link)(nil)

// The short end of a source was stored before the change, and has the size of a new part of its number. It is of another place.
func TestEndOfTheFormerPlanIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20})
		u := l.uploader(&upload.Options{Concurrency: 16})
		if s := l.over(t, u, key, 64<<20+512<<10, nil); s.PartSize != 512<<10 {
			t.Errorf("part size %d", s.PartSize)
		}
	})
}

// cutting is a line that cuts tries of the first part after so many bytes each, and then no more.
type cutting struct {
	*link
	after []int64
}

func (c *cutting) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	c.mu.Lock()
	if n != 1 || len(c.after) == 0 {
		c.mu.Unlock()
		return c.link.UploadPart(ctx, u, n, body, size)
	}
	after := c.after[0]
	c.after = c.after[1:]
	c.mu.Unlock()
	if err := wait(ctx, time.Second); err != nil {
		return backend.Part{}, err
	}
	if _, err := io.CopyN(io.Discard, body, after); err != nil {
		return backend.Part{}, err
	}
	return backend.Part{}, errReset
}

// A part is divided when it was cut again and again, far enough from its beginning, and no other got through meanwhile.
func TestWhatDivides(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		workers  int
		after    []int64
		partSize int64
	}{
		"three cuts":                        {1, []int64{3 * mib, 3 * mib, 3 * mib}, mib / 2},
		"two cuts":                          {1, []int64{3 * mib, 3 * mib}, 8 * mib},
		"three cuts while others pass":      {2, []int64{3 * mib, 3 * mib, 3 * mib, 3 * mib}, 8 * mib}, // the first is cut for being behind
		"resets at the beginning":           {1, []int64{1000, 1000, 1000, 1000, 1000}, 8 * mib},
		"a reset at the beginning, between": {1, []int64{3 * mib, 1000, 3 * mib, 3 * mib}, mib / 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &cutting{newLink(&link{rtt: 10 * time.Millisecond, rate: 50 * megabyte}), c.after}
				res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Concurrency: c.workers}).
					Upload(t.Context(), key, upload.NewSource(pattern{}, 256*mib, "pattern", "1"), nil)
				if err != nil || res.PartSize != c.partSize || len(b.after) > 0 {
					t.Errorf("%v, part size %d, want %d", err, res.PartSize, c.partSize)
				}
				if res.CRC64 != patternSum(256*mib) {
					t.Error("the object is not the source")
				}
			})
		})
	}
}

// A store that keeps a part waiting, whatever others do, is given its time after the first cut.
func TestSlowByNatureIsCutOnce(t *testing.T) {
	for name, read := range map[string]bool{"body": false, "answer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &waiting{link: newLink(&link{rtt: 10 * time.Millisecond, rate: 50 * megabyte}), read: read}
				res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Concurrency: 4}).
					Upload(t.Context(), key, upload.NewSource(pattern{}, 2<<30, "pattern", "1"), nil)
				if err != nil || b.tries != 2 || res.Retries != 1 || res.Hedged != 0 {
					t.Errorf("%v, %d tries, %+v", err, b.tries, res)
				}
			})
		})
	}
}

// waiting keeps the second part waiting for four seconds, before its body is read or after.
type waiting struct {
	*link
	read  bool
	tries int
}

func (w *waiting) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (p backend.Part, err error) {
	if n != 2 {
		return w.link.UploadPart(ctx, u, n, body, size)
	}
	w.mu.Lock()
	w.tries++
	w.mu.Unlock()
	if w.read {
		p, err = w.link.UploadPart(ctx, u, n, body, size)
	}
	if werr := wait(ctx, 4*time.Second); werr != nil {
		return p, werr
	}
	if !w.read {
		return w.link.UploadPart(ctx, u, n, body, size)
	}
	return p, err
}
