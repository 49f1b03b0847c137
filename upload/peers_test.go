package upload_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// One test for each way in which a library that people use today loses progress, leaks an upload or commits a wrong object.
// The comment names the library. Sequential mode of OSS, the last one, is TestPeerSequentialMode in backend/oss.

// aliyun-oss-go-sdk, alibabacloud-oss-go-sdk-v2, oss2: nil error and an object that mixes both versions, when a file is
// rewritten with its size and modification time kept.
func TestPeerMixOfTwoVersions(t *testing.T) {
	old, fresh := bytesOf(1, 6*partSize), bytesOf(2, 6*partSize)
	long := time.Now().Add(-time.Hour)
	write := func(t *testing.T, path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"during the upload", "between two runs"} {
		t.Run(when, func(t *testing.T) {
			objects, logs := newStore(), checkpoint.NewMemory()
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, old)
			var once sync.Once
			b := &tap{inner: objects, before: func(c call) error {
				if c == (call{"UploadPart", 4}) && when == "during the upload" {
					once.Do(func() { write(t, path, fresh) })
				}
				return nil
			}}
			if when == "between two runs" {
				b.before = stopAt("UploadPart", 4)
				if _, err := upload.New(b, logs, options()).UploadFile(t.Context(), key, path, inParts()); !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				b.before = nil
				write(t, path, fresh)
			}
			if _, err := upload.New(b, logs, options()).UploadFile(t.Context(), key, path, inParts()); err != nil {
				t.Fatal(err)
			}
			checkObject(t, objects, fresh)
		})
	}
}

// aliyun-oss-go-sdk: with reused options, uploading B reports success and commits A.
func TestPeerCheckpointOfAnotherUpload(t *testing.T) {
	a, b := bytesOf(1, 5*partSize), bytesOf(2, 5*partSize)
	objects, logs := newStore(), checkpoint.NewMemory()
	srcA, srcB := newSource(a), newSource(b)
	srcB.id = "another source"
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, srcA, inParts(), errCut)
	if res := mustUpload(t, objects, logs, srcB, inParts()); res.Resumed || res.Sent != int64(len(b)) {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, b)
	// Nor does another bucket go on with it.
	elsewhere := newStore()
	other := &elsewhereBackend{tap{inner: elsewhere}}
	if res := mustUpload(t, other, logs, srcA, inParts()); res.Resumed {
		t.Errorf("%+v", res)
	}
	if res := mustUpload(t, objects, logs, srcA, inParts()); !res.Resumed || res.Sent != 2*partSize {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, a)
}

type elsewhereBackend struct{ tap }

func (e *elsewhereBackend) Info() backend.Info {
	info := e.tap.Info()
	info.Location = "memory:elsewhere"
	return info
}

// aliyun-oss-go-sdk, the Java SDK, Huawei OBS: every later run fails until a person deletes the checkpoint file.
func TestPeerUploadExpiredOnTheServer(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	for _, at := range []call{{"ListParts", 0}, {"UploadPart", 4}, {"Complete", 0}} {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		gone := false
		b := &tap{inner: objects, before: func(c call) error {
			if c == at && !gone {
				gone = true
				expire(t, objects)
			}
			return nil
		}}
		if res := mustUpload(t, b, logs, src, inParts()); len(res.Restarted) != 1 {
			t.Errorf("expired at %v: restarted %q", at, res.Restarted)
		}
		checkObject(t, objects, data)
		checkClean(t, objects, logs)
	}
}

// aliyun-oss-go-sdk, alibabacloud-oss-go-sdk-v2, oss2: everything is sent again, or an error for an upload that succeeded.
func TestPeerAnswerOfCompleteLost(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	if res := mustUpload(t, &tap{inner: objects, after: loseOnce("Complete")}, logs, src, inParts()); res.Sent != int64(len(data)) {
		t.Errorf("sent %d bytes of %d", res.Sent, len(data))
	}
	checkObject(t, objects, data)
	checkClean(t, objects, logs)
}

// aliyun-oss-go-sdk: the checkpoint is rewritten whole after every part, its write error is dropped, and nothing is saved
// before part 1 is done, so that each failed start leaks an upload.
func TestPeerCheckpointRewrittenPerPart(t *testing.T) {
	data := bytesOf(1, 400*100)
	objects, src := newStore(), newSource(data)
	logs, err := checkpoint.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 1)}, logs, src, &upload.Request{PartSize: 100}, errCut)
	}
	if n := len(unfinished(t, objects)); n != 1 {
		t.Errorf("three failed starts left %d uploads", n)
	}
	var sizes []int
	l := &logTap{inner: logs}
	counting := &sizer{logTap: l, sizes: &sizes}
	mustUpload(t, objects, counting, src, &upload.Request{PartSize: 100})
	slices.Sort(sizes)
	if len(sizes) != 1+400+1 || sizes[len(sizes)-1] > 400 { // claim, parts, completing
		t.Errorf("%d appends, the largest of %d bytes", len(sizes), sizes[len(sizes)-1])
	}
	full := errors.New("no space left")
	broken := &logTap{inner: checkpoint.NewMemory(), before: func(c call) error {
		if c.op == "Append" && c.number > 10 {
			return full
		}
		return nil
	}}
	mustFail(t, objects, broken, src, &upload.Request{PartSize: 100}, full)
}

type sizer struct {
	*logTap
	sizes *[]int
}

func (s *sizer) Append(ctx context.Context, id string, at int, rec []byte) error {
	*s.sizes = append(*s.sizes, len(rec))
	return s.logTap.Append(ctx, id, at, rec)
}

// alibabacloud-oss-go-sdk-v2: any error of ListParts throws the progress away and leaks the upload; only a gapless run of
// parts from the first is kept, and the last part never.
func TestPeerListPartsFailsAndGaps(t *testing.T) {
	data := bytesOf(1, 20*partSize+1)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	b := &tap{inner: objects}
	opts := &upload.Options{Concurrency: 21, Threshold: -1, Retry: quick}
	var last sync.WaitGroup
	last.Add(20)
	b.after = func(c call, err error) error {
		if c.op == "UploadPart" && err == nil {
			last.Done()
		}
		return err
	}
	b.before = func(c call) error {
		if c == (call{"UploadPart", 1}) {
			last.Wait() // until all others are stored
			return backend.ErrDenied
		}
		return nil
	}
	if _, err := upload.New(b, logs, opts).Upload(t.Context(), key, src, inParts()); !errors.Is(err, backend.ErrDenied) {
		t.Fatal(err)
	}
	unavailable := errors.New("503 ServiceUnavailable")
	down := &tap{inner: objects, before: func(c call) error {
		if c.op == "ListParts" {
			return unavailable
		}
		return nil
	}}
	mustFail(t, down, logs, src, inParts(), unavailable)
	res := mustUpload(t, objects, logs, src, inParts())
	if res.Sent != partSize || res.Reused != int64(len(data)-partSize) {
		t.Errorf("sent %d, reused %d", res.Sent, res.Reused)
	}
	checkObject(t, objects, data)
	checkClean(t, objects, logs)
}

// alibabacloud-oss-go-sdk-v2: a size that is a multiple of the part size, Complete failed once: the next run reports a CRC
// error for a correct object.
func TestPeerNothingLeftToSend(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	mustFail(t, &tap{inner: objects, before: stopAt("Complete", 0)}, logs, src, inParts(), errCut)
	if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 0 || res.Reused != int64(len(data)) {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, data)
}

// alibabacloud-oss-go-sdk-v2: another time zone makes the checkpoint invalid, and a directory without a trailing slash
// stores in its parent.
func TestPeerTimeZoneAndDirectory(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	logs, err := checkpoint.NewFile(filepath.Join(parent, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	objects := newStore()
	if _, err := upload.New(&tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, options()).UploadFile(t.Context(), key, path, inParts()); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	zone := time.Local
	time.Local = time.FixedZone("elsewhere", 9*3600)
	defer func() { time.Local = zone }()
	res, err := upload.New(objects, logs, options()).UploadFile(t.Context(), key, path, inParts())
	if err != nil || res.Sent != 2*partSize {
		t.Errorf("%+v, %v", res, err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("in the parent: %v, %v", entries, err)
	}
}

// alibabacloud-oss-go-sdk-v2, AWS: cancelling aborts with the cancelled context, and the upload leaks. Here cancelling
// keeps the upload, and what is given up is aborted whatever became of the caller.
func TestPeerCancelLeaks(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)
	ctx, cancel := context.WithCancel(t.Context())
	req := inParts()
	req.Attributes.ContentType = "text/plain" // so that the old upload is given up
	b := &tap{inner: objects, before: func(c call) error {
		if c.op == "ListParts" || c.op == "Abort" {
			cancel()
		}
		return nil
	}}
	if _, err := upload.New(b, logs, options()).Upload(ctx, key, src, req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := unfinished(t, objects); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// oss2: stored parts are trusted by number alone, so that a part of another size gives a truncated object; a checkpoint that
// holds valid JSON of another shape crashes every run.
func TestPeerPartsTrustedByNumber(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)
	up := backend.Upload{Key: key, ID: unfinished(t, objects)[0]}
	if _, err := objects.UploadPart(t.Context(), up, 2, bytes.NewReader(data), 17); err != nil {
		t.Fatal(err)
	}
	var id string
	for i := range logs.IDs(t.Context()) {
		id = i
	}
	recs, err := logs.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, shape := range []string{`[1,2]`, `{"kind":{"a":1}}`, `null`, `{"kind":"part","claim":17}`, `{"kind":"part","crc64":"x"}`, `"part"`} {
		if err := logs.Append(t.Context(), id, len(recs)+i, []byte(shape)); err != nil {
			t.Fatal(err)
		}
	}
	if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 3*partSize {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, data)
	checkClean(t, objects, logs)
}

// aliyun-oss-go-sdk: RetryTimes is read by nothing, goroutines are stuck after failures, and the context does not reach the
// parts.
func TestPeerNoRetryAndStuckGoroutines(t *testing.T) {
	data := bytesOf(1, 30*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	var mu sync.Mutex
	failed := map[int]bool{}
	b := &tap{inner: objects, before: func(c call) error {
		mu.Lock()
		defer mu.Unlock()
		if c.op == "UploadPart" && !failed[c.number] {
			failed[c.number] = true
			return errCut
		}
		return nil
	}}
	opts := &upload.Options{Concurrency: 10, Threshold: -1, Retry: quick}
	res, err := upload.New(b, logs, opts).Upload(t.Context(), key, src, inParts())
	if err != nil || res.Retries != 30 {
		t.Errorf("%d retries, %v", res.Retries, err)
	}
	checkObject(t, objects, data)
	b.before = func(c call) error {
		if c.op == "UploadPart" {
			return backend.ErrDenied
		}
		return nil
	}
	if _, err := upload.New(b, logs, opts).Upload(t.Context(), key, src, inParts()); !errors.Is(err, backend.ErrDenied) {
		t.Error(err)
	}
	goleak.VerifyNone(t)
}

// All OSS SDKs: metadata, storage class, encryption and tags asked on resume are silently those of the first run.
func TestPeerAttributesOfTheFirstRun(t *testing.T) {
	data := bytesOf(1, 5*partSize)
	for name, change := range map[string]func(*backend.Attributes){
		"metadata":      func(a *backend.Attributes) { a.Metadata = map[string]string{"owner": "new"} },
		"storage class": func(a *backend.Attributes) { a.StorageClass = "IA" },
		"encryption":    func(a *backend.Attributes) { a.Encryption.Algorithm = "AES256" },
		"tags":          func(a *backend.Attributes) { a.Tags = map[string]string{"tier": "cold"} },
		"expires":       func(a *backend.Attributes) { a.Expires = time.Unix(1<<31, 0) },
	} {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut)
		req := inParts()
		change(&req.Attributes)
		mustUpload(t, objects, logs, src, req)
		_, attrs, err := objects.Open(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := attrs; got.StorageClass != req.Attributes.StorageClass || got.Encryption != req.Attributes.Encryption || !got.Expires.Equal(req.Attributes.Expires) ||
			len(got.Metadata) != len(req.Attributes.Metadata) || len(got.Tags) != len(req.Attributes.Tags) {
			t.Errorf("%s: got %+v, want %+v", name, got, req.Attributes)
		}
		checkClean(t, objects, logs)
	}
}

// Volcengine TOS: any 403 aborts the upload and deletes the checkpoint.
func TestPeerDeniedThrowsProgressAway(t *testing.T) {
	data := bytesOf(1, 6*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	expired := &tap{inner: objects, before: func(c call) error {
		if c == (call{"UploadPart", 4}) {
			return backend.ErrDenied
		}
		return nil
	}}
	mustFail(t, expired, logs, src, inParts(), backend.ErrDenied)
	if res := mustUpload(t, objects, logs, src, inParts()); res.Sent != 3*partSize || !res.Resumed {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, data)
}

// Tencent COS: the last pending upload of the key is adopted, whoever owns it.
func TestPeerAdoptsAnothersUpload(t *testing.T) {
	data := bytesOf(1, 3*partSize)
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	theirs, err := objects.Create(t.Context(), key, backend.Attributes{ContentType: "text/theirs"})
	if err != nil {
		t.Fatal(err)
	}
	mustUpload(t, objects, logs, src, inParts())
	if left := unfinished(t, objects); !slices.Equal(left, []string{theirs.ID}) {
		t.Errorf("left: %v", left)
	}
	if _, attrs, _ := objects.Open(key); strings.Contains(attrs.ContentType, "theirs") {
		t.Error("another's upload was adopted")
	}
}

// Qiniu: the record is deleted before Complete, so that one failed Complete loses everything; and after a torn line, everything
// later is unreadable.
func TestPeerRecordDeletedAndTornLine(t *testing.T) {
	data := bytesOf(1, 6*partSize)
	dir := t.TempDir()
	logs, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	objects, src := newStore(), newSource(data)
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)

	// A crash in the middle of a line.
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(`"kind":"part"`)) {
			torn++
			if err := os.WriteFile(name, append(text, `{"kind":"part","cla`...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if torn != 1 {
		t.Fatalf("%d logs among %v", torn, files)
	}
	logs, err = checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 5)}, logs, src, inParts(), errCut)
	mustFail(t, &tap{inner: objects, before: stopAt("Complete", 0)}, logs, src, inParts(), errCut)
	res := mustUpload(t, objects, logs, src, inParts())
	if res.Sent != 0 || res.Reused != int64(len(data)) || len(res.Damaged) > 0 {
		t.Errorf("%+v", res)
	}
	checkObject(t, objects, data)
}
