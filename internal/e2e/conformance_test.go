package e2e

import (
	"context"
	"errors"
	"io"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestConformance interrupts uploads to OSS with the checkpoint in files, in every way. TIDEMARK_PAIRS=all plays all pairs of faults.
func TestConformance(t *testing.T) {
	for _, region := range []string{"", "cn-hangzhou"} {
		t.Run(map[string]string{"": "V1", "cn-hangzhou": "V4"}[region], func(t *testing.T) {
			conformance.TestResume(t, func(t *testing.T) conformance.Backend { return ossBackend(t, region) }, fileStore)
		})
	}
}

func fileStore(t *testing.T, dir string) conformance.Store {
	s, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Store{Store: s}
}

func ossBackend(t *testing.T, region string) conformance.Backend {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"tide"}})
	hc := oss.NewHTTPClient()
	t.Cleanup(hc.CloseIdleConnections)
	bucket, err := oss.Open("tide", oss.Config{
		Endpoint: srv.URL, Region: region, HTTPClient: hc, AccessKeyID: srv.AccessKeyID, AccessKeySecret: srv.AccessKeySecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Backend{Backend: oss.New(bucket, nil), Secrets: []string{srv.AccessKeySecret}, Read: func(_ context.Context, key string) ([]byte, backend.Attributes, error) {
		body, err := bucket.GetObject(key)
		if refused := (sdk.ServiceError{}); errors.As(err, &refused) && refused.StatusCode == 404 {
			return nil, backend.Attributes{}, backend.ErrNotFound
		}
		if err != nil {
			return nil, backend.Attributes{}, err
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		return data, backend.Attributes{ContentType: body.(*sdk.Response).Headers.Get("Content-Type")}, err
	}}
}
