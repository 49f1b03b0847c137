package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := bytesOf(1, 10*partSize)
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)

		var seen []upload.Progress
		var busy sync.Mutex
		completed := false
		b := &tap{inner: objects,
			before: func(c call) error {
				if c.op == "UploadPart" {
					<-time.After(time.Second) // of the bubble's clock
				}
				return nil
			},
			after: func(c call, err error) error {
				completed = completed || c.op == "Complete"
				return err
			}}
		req := inParts()
		req.Progress = func(p upload.Progress) {
			if !busy.TryLock() {
				t.Error("called from two goroutines at once")
				return
			}
			defer busy.Unlock()
			if p.Done && !completed {
				t.Error("done before Complete")
			}
			seen = append(seen, p)
		}
		if _, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, req); err != nil {
			t.Fatal(err)
		}
		if len(seen) < 30 {
			t.Fatalf("%d snapshots in 7 s", len(seen))
		}
		for i := 1; i < len(seen); i++ {
			if seen[i].Stored < seen[i-1].Stored || seen[i-1].Done {
				t.Errorf("snapshot %d: %+v after %+v", i, seen[i], seen[i-1])
			}
		}
		last := seen[len(seen)-1]
		if !last.Done || last.Stored != last.Total || last.Reused != 3*partSize || last.Sent != 7*partSize || last.InFlight != 0 ||
			last.Parts != 10 || last.PartsDone != 10 || last.PartsBusy != 0 || last.Left != 0 {
			t.Errorf("at the end: %+v", last)
		}
		middle := seen[len(seen)*2/3]
		if middle.Rate < 0.8*partSize || middle.Rate > 1.1*partSize || middle.Left < 2*time.Second || middle.Left > 5*time.Second {
			t.Errorf("one part a second: %+v", middle)
		}
	})
}

func TestProgressDoesNotHoldUpTheTransfer(t *testing.T) {
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 5*partSize))
	done := make(chan struct{})
	b := &tap{inner: objects, after: func(c call, err error) error {
		if c.op == "Complete" {
			close(done)
		}
		return err
	}}
	req := inParts()
	req.Progress = func(upload.Progress) { <-done } // a listener that hangs until all is sent
	mustUpload(t, b, logs, src, req)
}

func TestProgressOfAFailureIsNotDone(t *testing.T) {
	var last upload.Progress
	req := inParts()
	req.Progress = func(p upload.Progress) { last = p }
	mustFail(t, &tap{inner: newStore(), before: stopAt("Complete", 0)}, checkpoint.NewMemory(), newSource(bytesOf(1, 3*partSize)), req, errCut)
	if last.Done || last.Stored != 3*partSize {
		t.Errorf("%+v", last)
	}
}

func TestRetryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := 0
		b := &tap{inner: newStore(), before: func(c call) error {
			if c.op == "Create" && fails < 2 {
				fails++
				return &retryLater{time.Minute}
			}
			return nil
		}}
		begin := time.Now()
		res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(t.Context(), key, newSource(bytesOf(1, 10)), inParts())
		if err != nil || res.Retries != 2 {
			t.Fatalf("%+v, %v", res, err)
		}
		if took := time.Since(begin); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("took %v, the store asked for two minutes", took)
		}
	})
}

func TestRetryBacksOffAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tap{inner: newStore(), before: func(c call) error {
			if c.op == "Create" {
				return errCut
			}
			return nil
		}}
		begin := time.Now()
		_, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1, Retry: upload.Retry{Attempts: 10, MaxDelay: 5 * time.Second}}).
			Upload(t.Context(), key, newSource(bytesOf(1, 10)), inParts())
		if !errors.Is(err, errCut) || b.count("Create") != 10 {
			t.Errorf("%v after %d tries", err, b.count("Create"))
		}
		if took := time.Since(begin); took > 9*5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A part that fails more often than Attempts goes on as long as others are stored.
func TestRetryWhileOthersMakeProgress(t *testing.T) {
	data := bytesOf(1, 12*partSize)
	objects := newStore()
	advance, enough := make(chan struct{}), make(chan struct{})
	fails := 0
	b := &tap{inner: objects, before: func(c call) error {
		if c == (call{"UploadPart", 1}) && fails < 10 {
			<-advance // one other part is stored between two failures
			if fails++; fails == 10 {
				close(enough)
			}
			return errCut
		}
		return nil
	}}
	logs := &logTap{inner: checkpoint.NewMemory(), before: func(c call) error {
		if c.op == "Append" && c.number >= 3 { // claim, intent and ID come before the parts
			select {
			case advance <- struct{}{}:
			case <-enough:
			}
		}
		return nil
	}}
	opts := &upload.Options{Concurrency: 2, Threshold: -1, Retry: upload.Retry{Attempts: 3, BaseDelay: time.Millisecond}}
	res, err := upload.New(b, logs, opts).Upload(t.Context(), key, newSource(data), inParts())
	if err != nil || res.Retries != 10 {
		t.Fatalf("%d retries, %v", res.Retries, err)
	}
	checkObject(t, objects, data)
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := &upload.Options{Concurrency: 4, Threshold: -1, Limiter: rate.NewLimiter(1<<20, 64<<10)}
		u := upload.New(newStore(), checkpoint.NewMemory(), opts)
		begin := time.Now()
		var wg sync.WaitGroup
		for _, k := range []string{"a", "b"} { // they share the limit
			wg.Go(func() {
				if _, err := u.Upload(t.Context(), k, upload.NewSource(bytes.NewReader(bytesOf(1, 2<<20)), 2<<20, k, "1"), &upload.Request{PartSize: 512 << 10}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took < 3800*time.Millisecond || took > 4200*time.Millisecond {
			t.Errorf("4 MiB at 1 MiB/s took %v", took)
		}
	})
}

// An upload without trouble asks the store for nothing but what it must.
func TestCallsOfACleanUpload(t *testing.T) {
	b := &tap{inner: newStore()}
	mustUpload(t, b, checkpoint.NewMemory(), newSource(bytesOf(1, 3*partSize)), inParts())
	want := []call{{"Create", 0}, {"UploadPart", 1}, {"UploadPart", 2}, {"UploadPart", 3}, {"Complete", 0}}
	if diff := cmp.Diff(want, b.calls, cmp.AllowUnexported(call{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompleteRefusesAPart(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	once := true
	b := &tap{inner: objects, before: func(c call) error {
		if c.op == "Complete" && once {
			once = false // another driver's late part
			up := backend.Upload{Key: key, ID: unfinished(t, objects)[0]}
			_, err := objects.UploadPart(t.Context(), up, 2, bytes.NewReader(bytesOf(8, partSize)), partSize)
			return err
		}
		return nil
	}}
	if res := mustUpload(t, b, logs, src, inParts()); res.Sent != int64(len(data))+partSize {
		t.Errorf("sent %d", res.Sent)
	}
	checkObject(t, objects, data)
	checkClean(t, objects, logs)
}

func TestCheckpointAnswersLost(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, src := newStore(), newSource(data)
	n := 0
	logs := &logTap{inner: checkpoint.NewMemory(), after: func(c call, err error) error {
		if n++; c.op == "Append" && n%2 == 0 && err == nil {
			return errLost
		}
		return err
	}}
	b := &tap{inner: objects}
	mustUpload(t, b, logs, src, inParts())
	if b.count("UploadPart") != 5 {
		t.Errorf("%d parts sent", b.count("UploadPart"))
	}
	checkObject(t, objects, data)
	checkClean(t, objects, logs)
}

func TestDamagedCheckpoint(t *testing.T) {
	data := bytesOf(1, 6*partSize)
	dir := t.TempDir()
	objects, src := newStore(), newSource(data)
	logs, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, damage := range []struct {
		name   string
		do     func(text []byte) []byte
		resent int64 // at most
	}{
		{"a byte of a part", func(b []byte) []byte { b[bytes.Index(b, []byte(`"number":2`))] ^= 1; return b }, 2 * partSize},
		{"a byte of the intent", func(b []byte) []byte { b[bytes.Index(b, []byte(`"intent"`))] ^= 1; return b }, 2 * partSize},
		{"a byte of the upload's record", func(b []byte) []byte { b[bytes.Index(b, []byte(`"upload","claim"`))+2] ^= 1; return b }, 6 * partSize},
		{"emptied", func([]byte) []byte { return nil }, 6 * partSize},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }, 6 * partSize},
		{"garbage", func(b []byte) []byte { return bytesOf(5, len(b)) }, 6 * partSize},
	} {
		t.Run(damage.name, func(t *testing.T) {
			mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 5)}, logs, src, inParts(), errCut)
			names, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text, []byte(`"kind":"part"`)) && !strings.Contains(name, "damaged") {
					if err := os.WriteFile(name, damage.do(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			fresh, err := checkpoint.NewFile(dir) // another process
			if err != nil {
				t.Fatal(err)
			}
			var heard bytes.Buffer
			opts := options()
			opts.Logger = slog.New(slog.NewTextHandler(&heard, nil))
			res, err := upload.New(objects, fresh, opts).Upload(t.Context(), key, src, inParts())
			if err != nil {
				t.Fatal(err)
			}
			if res.Sent > damage.resent {
				t.Errorf("sent %d bytes, want at most %d", res.Sent, damage.resent)
			}
			if damage.name != "emptied" && (len(res.Damaged) != 1 || !strings.Contains(heard.String(), "damaged")) {
				t.Errorf("damaged %q, log %q", res.Damaged, &heard)
			}
			checkObject(t, objects, data)
		})
	}
}

// A log comes from outside. Whatever is in it, the object is right, and nothing panics.
func TestHostileLog(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	for _, hostile := range []string{
		`{"kind":"part","claim":CLAIM,"upload":UPLOAD,"number":4,"offset":3000,"size":1000,"etag":"x"}`,
		`{"kind":"part","claim":CLAIM,"upload":UPLOAD,"number":2,"offset":1000,"size":1000,"etag":"x"}`, // the store has it
		`{"kind":"part","claim":CLAIM,"upload":UPLOAD,"number":4,"offset":3000,"size":1000,"etag":"x","crc64":"0000000000000000","version":"v"}`,
		`{"kind":"part","claim":CLAIM,"upload":UPLOAD,"number":-1,"size":1000,"crc64":"0000000000000000"}`,
		`{"kind":"part","claim":CLAIM,"upload":UPLOAD,"number":1,"offset":-9,"size":-5,"crc64":"0000000000000000"}`,
		`{"kind":"part","claim":CLAIM,"upload":"another","number":9000000000,"offset":1,"crc64":"0000000000000000"}`,
		`{"kind":"upload","claim":CLAIM,"upload":"another","part_size":0,"request":""}`,
		`{"kind":"upload","claim":CLAIM,"upload":UPLOAD,"part_size":9223372036854775807,"request":"x"}`,
		`{"kind":"upload","claim":CLAIM,"upload":UPLOAD,"part_size":1}`,
		`{"kind":"completing","claim":CLAIM,"upload":UPLOAD}`,
		`{"kind":"completing","claim":CLAIM,"upload":UPLOAD,"size":5000,"crc64":"0000000000000000"}`,
		`{"kind":"completing","claim":CLAIM,"upload":"another","size":5000,"crc64":"0000000000000000"}`,
		`{"kind":"gone","claim":CLAIM,"upload":UPLOAD}`,
		`{"kind":"gone","claim":CLAIM}`,
		`{"kind":"intent","claim":CLAIM,"put":true,"absent":true}`,
		`{"kind":"intent","claim":CLAIM,"attributes":null}`,
		`{"kind":"claim","claim":""}`,
		`{"kind":"unheard of","claim":CLAIM}`,
	} {
		for _, req := range []*upload.Request{inParts(), {PartSize: partSize, IfAbsent: true}} {
			for _, denied := range []string{"", "ListParts"} {
				t.Run(fmt.Sprintf("%s/%t/%s", hostile, req.IfAbsent, denied), func(t *testing.T) {
					objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
					mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, req, errCut)
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
					rec := strings.NewReplacer("CLAIM", strconv.Quote(claim), "UPLOAD", strconv.Quote(unfinished(t, objects)[0])).Replace(hostile)
					if err := logs.Append(t.Context(), id, len(recs), []byte(rec)); err != nil {
						t.Fatal(err)
					}
					b := &tap{inner: objects, before: func(c call) error {
						if c.op == denied {
							return backend.ErrDenied
						}
						return nil
					}}
					res, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, req)
					for tries := 0; err != nil && tries < 3; tries++ {
						res, err = upload.New(objects, logs, options()).Upload(t.Context(), key, src, req)
					}
					if err != nil {
						t.Fatalf("%v, %+v", err, res)
					}
					checkObject(t, objects, data)
				})
			}
		}
	}
}

func TestBadRequests(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	limited := memory.New(&memory.Options{Info: backend.Info{MinPartSize: 100, MaxPartSize: 200, MaxParts: 3}})
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, 601), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key, path string
		req       upload.Request
		opts      upload.Options
		want      error
		says      string
	}{
		"no file":             {key, filepath.Join(dir, "none"), upload.Request{}, upload.Options{}, os.ErrNotExist, "none"},
		"directory":           {key, dir, upload.Request{}, upload.Options{}, backend.ErrInvalid, "is a directory"},
		"device":              {key, os.DevNull, upload.Request{}, upload.Options{}, backend.ErrInvalid, "device"},
		"no key":              {"", file, upload.Request{}, upload.Options{}, backend.ErrInvalid, "key is empty"},
		"part size negative":  {key, file, upload.Request{PartSize: -1}, upload.Options{}, backend.ErrInvalid, "negative"},
		"part size too small": {key, file, upload.Request{PartSize: 99}, upload.Options{}, backend.ErrInvalid, "below the store's minimum of 100"},
		"part size too large": {key, file, upload.Request{PartSize: 201}, upload.Options{}, backend.ErrInvalid, "above the store's maximum of 200"},
		"too large":           {key, big, upload.Request{}, upload.Options{}, backend.ErrInvalid, "do not fit into 3 parts"},
		"concurrency":         {key, file, upload.Request{}, upload.Options{Concurrency: -1}, backend.ErrInvalid, "concurrency"},
		"limiter":             {key, file, upload.Request{}, upload.Options{Limiter: rate.NewLimiter(1, 0)}, backend.ErrInvalid, "burst"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := checkpoint.NewMemory()
			res, err := upload.New(limited, logs, &c.opts).UploadFile(t.Context(), c.key, c.path, &c.req)
			if res == nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that is %v and says %q", err, c.want, c.says)
			}
			for id := range logs.IDs(t.Context()) {
				t.Errorf("a log was made: %s", id)
			}
		})
	}
}

func TestSourceReadError(t *testing.T) {
	broken := errors.New("input/output error")
	objects, logs := newStore(), checkpoint.NewMemory()
	src := &failing{source: newSource(bytesOf(1, 5*partSize)), at: 2500, err: broken}
	b := &tap{inner: objects}
	mustFail(t, b, logs, src, inParts(), broken)
	if b.count("UploadPart") != 3 {
		t.Errorf("%d tries; the source does not get better by asking the store", b.count("UploadPart"))
	}
	src.err = nil
	mustUpload(t, objects, logs, src, inParts())
	checkObject(t, objects, src.data)
}

type failing struct {
	*source
	at  int64
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil && off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.source.ReadAt(p, off)
}

// A source without a version is read twice, so that no mix is committed.
func TestSourceWithoutVersion(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs := newStore(), checkpoint.NewMemory()
	shared := newSource(data)
	src := upload.NewSource(shared, int64(len(data)), "reader", "")
	b := &tap{inner: objects, before: func(c call) error {
		if c == (call{"UploadPart", 4}) && shared.version == 0 {
			shared.rewrite(bytesOf(2, len(data)))
		}
		return nil
	}}
	mustUpload(t, b, logs, src, inParts())
	checkObject(t, objects, bytesOf(2, len(data)))
}

// A backend may read the body twice, for a checksum of its own, and only the last reading counts.
func TestBodyIsRewound(t *testing.T) {
	data := bytesOf(1, 3*partSize)
	objects := newStore()
	b := &rereader{tap: &tap{inner: objects}}
	res := mustUpload(t, b, checkpoint.NewMemory(), newSource(data), inParts())
	if res.CRC64 != *res.Object.CRC64 {
		t.Errorf("%x, %x", res.CRC64, *res.Object.CRC64)
	}
	checkObject(t, objects, data)
}

type rereader struct{ *tap }

func (r *rereader) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil || end != size {
		return backend.Part{}, errors.Join(err, errors.New("the size is another one"))
	}
	for _, upTo := range []int64{size, size / 2} {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return backend.Part{}, err
		}
		if _, err := io.CopyN(io.Discard, body, upTo); err != nil {
			return backend.Part{}, err
		}
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return backend.Part{}, err
	}
	return r.tap.UploadPart(ctx, u, n, body, size)
}
