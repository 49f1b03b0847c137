package oss_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKeyID  = "LTAIkeyidkeyid"
	testSecret = "theverysecretsecret"
	testToken  = "thesessiontokentoken"
)

// open returns a bucket at url, whose connections are closed after the test.
func open(t *testing.T, url string, c oss.Config) *sdk.Bucket {
	t.Helper()
	c.Endpoint = url
	if c.AccessKeyID == "" && c.Credentials == nil {
		c.AccessKeyID, c.AccessKeySecret, c.SessionToken = testKeyID, testSecret, testToken
	}
	if c.HTTPClient == nil {
		c.HTTPClient = oss.NewHTTPClient()
	}
	t.Cleanup(c.HTTPClient.CloseIdleConnections)
	bucket, err := oss.Open("bucket", c)
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

// stub returns a backend whose requests are answered by h.
func stub(t *testing.T, h http.HandlerFunc) *oss.Backend {
	t.Helper()
	return stubWith(t, oss.Config{}, h)
}

// stubWith is stub for a client with more than an endpoint.
func stubWith(t *testing.T, c oss.Config, h http.HandlerFunc) *oss.Backend {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return oss.New(open(t, server.URL, c), nil)
}

const requestID = "5A016E35CB3DB13FD2BAAB3A"

// respond answers as OSS does: a request ID, and pairs of header names and values.
func respond(w http.ResponseWriter, status int, body string, headers ...string) {
	w.Header().Set("x-oss-request-id", requestID)
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func fault(code, more string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>What OSS says.</Message>` +
		`<RequestId>` + requestID + `</RequestId><HostId>h</HostId>` + more + `</Error>`
}

var theUpload = backend.Upload{Key: "dir/key", ID: "0123456789ABCDEF0123456789ABCDEF"}

var thePart = backend.Part{Number: 1, Size: 3, ETag: "900150983CD24FB0D6963F7D28E17F72"}

// calls has one call of each method that sends something.
var calls = map[string]func(ctx context.Context, b *oss.Backend) error{
	"Create": func(ctx context.Context, b *oss.Backend) error {
		_, err := b.Create(ctx, "dir/key", backend.Attributes{})
		return err
	},
	"UploadPart": func(ctx context.Context, b *oss.Backend) error {
		_, err := b.UploadPart(ctx, theUpload, 1, strings.NewReader("abc"), 3)
		return err
	},
	"ListParts": func(ctx context.Context, b *oss.Backend) error {
		_, _, err := b.ListParts(ctx, theUpload, 0)
		return err
	},
	"Complete": func(ctx context.Context, b *oss.Backend) error {
		_, err := b.Complete(ctx, theUpload, []backend.Part{thePart}, backend.CompleteOptions{IfAbsent: true})
		return err
	},
	"Abort": func(ctx context.Context, b *oss.Backend) error { return b.Abort(ctx, theUpload) },
	"Stat": func(ctx context.Context, b *oss.Backend) error {
		_, err := b.Stat(ctx, "dir/key")
		return err
	},
	"Put": func(ctx context.Context, b *oss.Backend) error {
		_, err := b.Put(ctx, "dir/key", strings.NewReader("abc"), 3, backend.Attributes{}, backend.CompleteOptions{})
		return err
	},
	"Uploads": func(ctx context.Context, b *oss.Backend) error {
		for _, err := range b.Uploads(ctx, "dir/") {
			return err
		}
		return nil
	},
}

// quiet is for servers whose clients go away on purpose.
var quiet = log.New(io.Discard, "", 0)
