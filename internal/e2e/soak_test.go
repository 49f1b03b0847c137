package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

const (
	soakUploads = 20                     // at once
	soakFaults  = 50                     // for them
	soakStall   = 800 * time.Millisecond // for all that has no fellows to be compared with
)

// randomFault goes wrong at something that the engine asks for. A stall ends with release.
func randomFault(rnd *rand.Rand, release <-chan struct{}) fakeoss.Fault {
	operations := []string{"InitiateMultipartUpload", "CompleteMultipartUpload", "PutObject", "HeadObject", "ListParts", "UploadPart", "UploadPart", "UploadPart"}
	f := fakeoss.Fault{Operation: operations[rnd.IntN(len(operations))], Nth: 1 + rnd.IntN(8), Kind: fakeoss.FaultKind(1 + rnd.IntN(int(fakeoss.SlowAnswer)))}
	if f.Operation == "UploadPart" {
		f.Nth = 1 + rnd.IntN(100)
	}
	switch f.Kind {
	case fakeoss.Refuse:
		refusals := []fakeoss.Fault{
			{},
			{Status: http.StatusInternalServerError, Code: "InternalError"},
			{Status: http.StatusBadRequest, Code: "RequestTimeout"},
			{Status: http.StatusTooManyRequests, Code: "QpsLimitExceeded", QoSDelay: 20 * time.Millisecond},
			{QoSDelay: 50 * time.Millisecond},
		}
		r := refusals[rnd.IntN(len(refusals))]
		f.Status, f.Code, f.QoSDelay = r.Status, r.Code, r.QoSDelay
	case fakeoss.CutBody:
		f.Bytes = rnd.Int64N(2 * partSize)
	case fakeoss.DelayEffect:
		f.Later = 1 + rnd.IntN(30)
	case fakeoss.Stall:
		f.Release = release
	case fakeoss.SlowAnswer:
		f.Delay = time.Duration(rnd.IntN(50)) * time.Millisecond
	}
	return f
}

// TestSoak sends many files at once through one Uploader that finds out what pays, while everything goes wrong. TIDEMARK_SOAK is how
// long it goes on (default 5s), TIDEMARK_SEED the seed of the first round; the schedule of the goroutines is not reproduced.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	length := 5 * time.Second
	if s := os.Getenv("TIDEMARK_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatalf("TIDEMARK_SOAK: %v", err)
		}
	}
	seed := number(t, "TIDEMARK_SEED", 1)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })

	h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}}, nil)
	b := h.bucket(oss.Config{Region: h.Region()})
	logs := checkpoint.NewMemory()
	u := upload.New(oss.New(b, nil), logs, &upload.Options{Threshold: 2 * partSize, Retry: upload.Retry{
		Attempts: 10, BaseDelay: time.Millisecond, MaxDelay: 50 * time.Millisecond, Outage: time.Minute}})

	begun, retries, hedged := time.Now(), 0, 0
	for ; time.Since(begun) < length && !t.Failed(); seed++ {
		r, h := soakRound(t, h, u, b, seed)
		retries, hedged = retries+r, hedged+h
	}
	met := map[string]int{}
	for _, e := range h.Journal() {
		if kind, _, _ := strings.Cut(e.Fault, " at "); kind != "" {
			kind, _, _ = strings.Cut(kind, "(")
			met[kind]++
		}
	}
	t.Logf("the next is TIDEMARK_SEED=%d; %d requests met %v; %d retries, %d hedges", seed, len(h.Journal()), met, retries, hedged)

	for id := range logs.IDs(t.Context()) {
		t.Errorf("a log is left: %s", id)
	}
	left := map[string]bool{}
	for up, err := range oss.New(b, nil).Uploads(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		left[up.ID] = true
	}
	for _, e := range h.entries("InitiateMultipartUpload") {
		if !e.Acknowledged {
			delete(left, e.UploadID)
		}
	}
	for id := range left {
		t.Errorf("upload %s is left, and its Create was answered", id)
	}
}

func soakRound(t *testing.T, h *host, u *upload.Uploader, b *sdk.Bucket, seed uint64) (retries, hedged int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stall, release := context.WithTimeout(ctx, soakStall)
	defer release()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range soakFaults {
		if err := h.Inject(randomFault(rnd, stall.Done())); err != nil {
			t.Fatal(err)
		}
	}
	h.forget()
	dir, fill := t.TempDir(), rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	files := make([][]byte, soakUploads)
	name := func(i int) string { return fmt.Sprintf("soak/%d/%d", seed, i) }
	results, errs := make([]*upload.Result, soakUploads), make([]error, soakUploads)
	var uploads sync.WaitGroup
	for i := range files {
		files[i] = make([]byte, rnd.IntN(1+rnd.IntN(20*partSize)))
		fill.Read(files[i]) // never fails
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, files[i], 0o600); err != nil {
			t.Fatal(err)
		}
		uploads.Go(func() {
			results[i], errs[i] = u.UploadFile(ctx, name(i), path, &upload.Request{PartSize: partSize})
		})
	}
	uploads.Wait()
	for i, data := range files {
		if errs[i] != nil {
			t.Errorf("TIDEMARK_SEED=%d: %v", seed, errs[i])
			continue
		}
		if !bytes.Equal(object(t, b, name(i)), data) {
			t.Errorf("TIDEMARK_SEED=%d: object %d is not the file of %d bytes", seed, i, len(data))
		}
		retries, hedged = retries+results[i].Retries, hedged+results[i].Hedged
	}
	return retries, hedged
}
