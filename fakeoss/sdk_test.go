package fakeoss_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// newClient returns aliyun-oss-go-sdk as it is, for a server. Every connection goes to the server's address, whatever the
// host in the URL: there is no name service in these tests.
func newClient(t *testing.T, srv *fakeoss.TestServer, endpoint string, options ...oss.ClientOption) *oss.Client {
	t.Helper()
	address := strings.TrimPrefix(srv.URL, "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	options = append([]oss.ClientOption{oss.HTTPClient(&http.Client{Transport: transport})}, options...)
	client, err := oss.New(endpoint, srv.AccessKeyID, srv.AccessKeySecret, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = c.Read(b)
	return b
}

// TestSDKUploadFile lets the SDK's own resumable upload run against the server, with both versions of the signature and both
// styles of address, in memory and in a directory.
func TestSDKUploadFile(t *testing.T) {
	data := randomBytes(1, 5*102400+17)
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	styles := []struct{ name, endpoint string }{
		{"path", ""},
		{"virtual/localhost", "http://localhost:%s"},
		{"virtual/public", "http://oss-cn-hangzhou.aliyuncs.com"},
	}
	versions := []struct {
		name    string
		options []oss.ClientOption
	}{
		{"V1", []oss.ClientOption{oss.AuthVersion(oss.AuthV1)}},
		{"V4", []oss.ClientOption{oss.AuthVersion(oss.AuthV4), oss.Region("cn-hangzhou")}},
	}
	for _, store := range []string{"memory", "directory"} {
		for _, style := range styles {
			for _, version := range versions {
				t.Run(fmt.Sprintf("%s/%s/%s", store, style.name, version.name), func(t *testing.T) {
					opts := &fakeoss.Options{Buckets: []string{"bucket"}}
					if store == "directory" {
						opts.Dir = t.TempDir()
					}
					srv := fakeoss.NewServer(t, opts)
					endpoint := style.endpoint
					if endpoint == "" {
						endpoint = srv.URL
					}
					if strings.Contains(endpoint, "%s") {
						_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
						endpoint = fmt.Sprintf(endpoint, port)
					}
					testUploadFile(t, newClient(t, srv, endpoint, version.options...), srv, file, data)
				})
			}
		}
	}
}

// testUploadFile fails the fourth part of an upload, and lets a second call resume it.
func testUploadFile(t *testing.T, client *oss.Client, srv *fakeoss.TestServer, file string, data []byte) {
	bucket, err := client.Bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	const key = "dir/a b+c%2Fd/ü"
	if err := srv.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 4}); err != nil {
		t.Fatal(err)
	}
	checkpoint := oss.Checkpoint(true, filepath.Join(t.TempDir(), "checkpoint"))
	if err := bucket.UploadFile(key, file, 102400, oss.Routines(2), checkpoint); err == nil {
		t.Fatal("the first upload succeeded, though part 4 was refused")
	}
	if err := bucket.UploadFile(key, file, 102400, oss.Routines(3), checkpoint, oss.ContentType("text/x"), oss.Meta("a", "v")); err != nil {
		t.Fatal(err)
	}
	body, err := bucket.GetObject(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("the object differs from the file: %d bytes, want %d", len(got), len(data))
	}
	acknowledged := map[int]int{}
	initiated := 0
	for _, e := range srv.Journal() {
		switch {
		case e.Operation == "InitiateMultipartUpload":
			initiated++
		case e.Operation == "UploadPart" && e.Status == http.StatusOK && e.Acknowledged:
			acknowledged[e.PartNumber]++
		}
		if e.Status == http.StatusForbidden {
			t.Errorf("refused: %+v", e)
		}
	}
	if initiated != 1 {
		t.Errorf("%d uploads were begun, want one that is resumed", initiated)
	}
	// The SDK forgets a part that was acknowledged to one of its routines while it gave up because of the other.
	sent := 0
	for _, n := range acknowledged {
		sent += n
	}
	if len(acknowledged) != 6 || sent > 7 {
		t.Errorf("parts acknowledged, by number: %v; want 6 parts, at most one of them twice", acknowledged)
	}
}
