package oss_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestConformance(t *testing.T) {
	for version, region := range signatures {
		t.Run(version, func(t *testing.T) { conformance.TestBackend(t, fixture(region, readObject)) })
	}
}

func TestResume(t *testing.T) {
	for version, region := range signatures {
		t.Run(version, func(t *testing.T) { conformance.TestResume(t, fixture(region, readContent), newStore) })
	}
}

func fixture(region string, read func(*sdk.Bucket, string) ([]byte, backend.Attributes, error)) conformance.NewBackend {
	return func(t *testing.T) conformance.Backend {
		b, bucket, server := serve(t, nil, region)
		return conformance.Backend{
			Backend: b,
			Read:    func(_ context.Context, key string) ([]byte, backend.Attributes, error) { return read(bucket, key) },
			Open:    func() backend.MultipartBackend { return oss.New(bucket, nil) },
			Secrets: []string{server.AccessKeySecret},
		}
	}
}

func newStore(t *testing.T, dir string) conformance.Store {
	s, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Store{Store: s}
}

// readContent returns an object and the attributes that come with it, by one request.
func readContent(bucket *sdk.Bucket, key string) (data []byte, a backend.Attributes, err error) {
	var h http.Header
	body, err := bucket.GetObject(key, sdk.GetResponseHeader(&h))
	if refused := (sdk.ServiceError{}); errors.As(err, &refused) && refused.Code == "NoSuchKey" {
		return nil, a, backend.ErrNotFound
	}
	if err != nil {
		return nil, a, err
	}
	data, err = io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, a, err
	}
	a = backend.Attributes{
		ContentType:        h.Get("Content-Type"),
		CacheControl:       h.Get("Cache-Control"),
		ContentDisposition: h.Get("Content-Disposition"),
		ContentEncoding:    h.Get("Content-Encoding"),
		ContentLanguage:    h.Get("Content-Language"),
		StorageClass:       h.Get("X-Oss-Storage-Class"),
		Encryption:         backend.Encryption{Algorithm: h.Get("X-Oss-Server-Side-Encryption"), KeyID: h.Get("X-Oss-Server-Side-Encryption-Key-Id")},
		Metadata:           map[string]string{},
		Tags:               map[string]string{},
	}
	if text := h.Get("Expires"); text != "" {
		if a.Expires, err = http.ParseTime(text); err != nil {
			return nil, a, err
		}
	}
	for name := range h {
		if meta, ok := strings.CutPrefix(strings.ToLower(name), "x-oss-meta-"); ok {
			a.Metadata[meta] = h.Get(name)
		}
	}
	return data, a, nil
}

// readObject returns an object and all its attributes.
func readObject(bucket *sdk.Bucket, key string) (data []byte, a backend.Attributes, err error) {
	if data, a, err = readContent(bucket, key); err != nil {
		return nil, a, err
	}
	acl, err := bucket.GetObjectACL(key)
	if err != nil {
		return nil, a, err
	}
	a.ACL = acl.ACL
	tagging, err := bucket.GetObjectTagging(key)
	for _, tag := range tagging.Tags {
		a.Tags[tag.Key] = tag.Value
	}
	return data, a, err
}
