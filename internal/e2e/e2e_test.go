// Package e2e has the tests that need engine, adapter and server together.
package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	partSize = 100 << 10
	key      = "backups/a b+c%2F.iso"
)

var quick = upload.Retry{Attempts: 3, BaseDelay: time.Millisecond, MaxDelay: time.Millisecond}

// client is a store over srv, with connections that end with the test.
func client(t *testing.T, srv *fakeoss.TestServer, cred fakeoss.Credential, region string) *oss.Backend {
	t.Helper()
	hc := oss.NewHTTPClient()
	t.Cleanup(hc.CloseIdleConnections)
	bucket, err := oss.Open("tide", oss.Config{
		Endpoint: srv.URL, Region: region, HTTPClient: hc,
		AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret, SessionToken: cred.SecurityToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	return oss.New(bucket, nil)
}

func writeFile(t *testing.T, size int) (string, []byte) {
	t.Helper()
	data := make([]byte, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	path := filepath.Join(t.TempDir(), "file.iso")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, data
}

// fetch reads the object back with a plain HTTP client, which the bucket's ACL lets in.
func fetch(t *testing.T, srv *fakeoss.TestServer) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/tide/"+strings.NewReplacer("%", "%25", " ", "%20", "+", "%2B").Replace(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v: %.300s", resp.Status, err, &body)
	}
	return body.Bytes()
}

func requests(srv *fakeoss.TestServer, operation string) (n int) {
	for _, e := range srv.Journal() {
		if e.Operation == operation {
			n++
		}
	}
	return n
}

// TestFaults: what can go wrong with a request goes wrong, once at each place where it can, and the object is right, with each
// part that took effect sent once where the store can say so.
func TestFaults(t *testing.T) {
	path, data := writeFile(t, 5*partSize+1)
	for _, f := range []fakeoss.Fault{
		{Kind: fakeoss.Refuse, Operation: "InitiateMultipartUpload"},
		{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 3},
		{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 3, Status: 400, Code: "RequestTimeout"},
		{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 3, Status: 429, Code: "QpsLimitExceeded", QoSDelay: time.Millisecond},
		{Kind: fakeoss.Refuse, Operation: "CompleteMultipartUpload", Status: 500, Code: "InternalError"},
		{Kind: fakeoss.CutBody, Operation: "UploadPart", PartNumber: 2, Bytes: 1000},
		{Kind: fakeoss.LoseAnswer, Operation: "InitiateMultipartUpload"},
		{Kind: fakeoss.LoseAnswer, Operation: "UploadPart", PartNumber: 6},
		{Kind: fakeoss.LoseAnswer, Operation: "CompleteMultipartUpload"},
		{Kind: fakeoss.DelayEffect, Operation: "UploadPart", PartNumber: 1, Later: 2},
		{Kind: fakeoss.DelayEffect, Operation: "CompleteMultipartUpload", Later: 1},
	} {
		for _, region := range []string{"", "cn-hangzhou"} {
			t.Run(fmt.Sprintf("%v/region=%s", f, region), func(t *testing.T) {
				srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"tide"}, Faults: []fakeoss.Fault{f}})
				b := client(t, srv, srv.Credential(), region)
				logs := checkpoint.NewMemory()
				req := &upload.Request{PartSize: partSize, Attributes: backend.Attributes{ACL: "public-read"}}
				res, err := upload.New(b, logs, &upload.Options{Threshold: -1, Retry: quick}).UploadFile(t.Context(), key, path, req)
				if err != nil {
					t.Fatal(err)
				}
				if got := fetch(t, srv); !bytes.Equal(got, data) {
					t.Errorf("the object has %d bytes and is not the file", len(got))
				}
				if f.Operation != "UploadPart" && requests(srv, "UploadPart") != 6 {
					t.Errorf("%d parts were sent", requests(srv, "UploadPart"))
				}
				if res.CRC64 != *res.Object.CRC64 {
					t.Errorf("%+v", res)
				}
				for id := range logs.IDs(t.Context()) {
					t.Errorf("a log is left: %s", id)
				}
				left := 0
				for _, err := range b.Uploads(t.Context(), "") {
					if err != nil {
						t.Fatal(err)
					}
					left++
				}
				want := 0
				if f.Kind == fakeoss.LoseAnswer && f.Operation == "InitiateMultipartUpload" {
					want = 1 // the empty upload that a lost answer of Create leaves
				}
				if left != want {
					t.Errorf("%d unfinished uploads, want %d", left, want)
				}
			})
		}
	}
}

// TestPromise12DiscreetThroughOSS: with temporary credentials, and requests that fail in all ways that quote a request, no secret
// is in a checkpoint, log line or error.
func TestPromise12DiscreetThroughOSS(t *testing.T) {
	cred := fakeoss.Credential{AccessKeyID: "STS.tidemark", AccessKeySecret: "s3cr3t-s3cr3t-s3cr3t", SecurityToken: "t0k3n-t0k3n-t0k3n-t0k3n"}
	wrong := cred
	wrong.AccessKeySecret = "an0th3r-s3cr3t"
	path, _ := writeFile(t, 5*partSize+1)
	for _, region := range []string{"", "cn-hangzhou"} {
		for _, c := range []struct {
			name  string
			cred  fakeoss.Credential
			fault fakeoss.Fault
			want  error
		}{
			{"wrong secret", wrong, fakeoss.Fault{}, backend.ErrDenied},
			{"expired", cred, fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 3, Status: 403, Code: "SecurityTokenExpired"}, backend.ErrDenied},
			{"broken", cred, fakeoss.Fault{Kind: fakeoss.CutBody, Operation: "UploadPart", PartNumber: 3, Bytes: 10}, nil},
		} {
			t.Run(c.name+region, func(t *testing.T) {
				opts := &fakeoss.Options{Buckets: []string{"tide"}, Credentials: []fakeoss.Credential{cred}}
				if c.fault.Kind != 0 {
					opts.Faults = []fakeoss.Fault{c.fault}
				}
				srv := fakeoss.NewServer(t, opts)
				dir := t.TempDir()
				logs, err := checkpoint.NewFile(dir)
				if err != nil {
					t.Fatal(err)
				}
				var heard bytes.Buffer
				u := upload.New(client(t, srv, c.cred, region), logs, &upload.Options{
					Threshold: -1, Concurrency: 1, Retry: upload.Retry{Attempts: 1},
					Logger: slog.New(slog.NewTextHandler(&heard, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				_, err = u.UploadFile(t.Context(), key, path, &upload.Request{PartSize: partSize})
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Fatalf("got %v, want an error that is %v", err, c.want)
				}
				seen := heard.String() + err.Error()
				names, gerr := filepath.Glob(filepath.Join(dir, "*"))
				if gerr != nil {
					t.Fatal(gerr)
				}
				for _, name := range names {
					text, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					seen += string(text)
				}
				for _, secret := range []string{cred.AccessKeySecret, wrong.AccessKeySecret, cred.SecurityToken, "Signature", "OSS4-HMAC", "Authorization"} {
					// The name of the refusal is no signature.
					if strings.Contains(strings.ReplaceAll(seen, "SignatureDoesNotMatch", ""), secret) {
						t.Errorf("%q is in\n%s", secret, seen)
					}
				}
				var with interface{ RequestID() string }
				if c.want != nil && (!errors.As(err, &with) || with.RequestID() == "" || !strings.Contains(err.Error(), with.RequestID())) {
					t.Errorf("the error has no request ID: %v", err)
				}
			})
		}
	}
}

// What the README shows under "In tests".
func TestInTests(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"reports"}})
	bucket, err := oss.Open("reports", oss.Config{
		Endpoint: srv.URL, Region: srv.Region(), HTTPClient: srv.Client(),
		AccessKeyID: srv.AccessKeyID, AccessKeySecret: srv.AccessKeySecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	path, data := writeFile(t, 5*partSize)
	u := upload.New(oss.New(bucket, nil), checkpoint.NewMemory(), nil)
	if res, err := u.UploadFile(t.Context(), "2026/november.txt", path, nil); err != nil || res.Object.Size != int64(len(data)) {
		t.Errorf("%+v, %v", res, err)
	}
}
