package oss

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// Put stores an object of at most 5 GiB in one request (PutObject), with all of attrs.
//
// If the answer is lost, the object may be there now, later or never; putting it again replaces it. A failed callback that the
// client asked for is no error, as for Complete.
func (b *Backend) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	if err := checkKey(opPut, key); err != nil {
		return backend.Object{}, err
	}
	if size < 0 || size > maxPutSize {
		return backend.Object{}, invalid(opPut, "size %d is not in 0 to %d bytes", size, int64(maxPutSize))
	}
	headers, err := createHeaders(opPut, attrs)
	if err != nil {
		return backend.Object{}, err
	}
	if err := addACL(opPut, headers, attrs.ACL); err != nil {
		return backend.Object{}, err
	}
	if opts.IfAbsent {
		headers[sdk.HTTPHeaderOssForbidOverWrite] = "true"
	}
	a, err := b.send(ctx, request{op: opPut, method: http.MethodPut, key: key, headers: headers}, body, size)
	if err != nil {
		return backend.Object{}, err
	}
	object := backend.Object{Key: key, Size: size, ETag: canonicalETag(a.header.Get(sdk.HTTPHeaderEtag))}
	if object.ETag == "" {
		return backend.Object{}, lost(ctx, opPut, errors.New("answer has no ETag"))
	}
	if object.CRC64, err = a.crc64(); err != nil {
		return backend.Object{}, lost(ctx, opPut, err)
	}
	return object, nil
}

// Stat describes the object (HeadObject). A lost answer loses nothing.
func (b *Backend) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := checkKey(opStat, key); err != nil {
		return backend.Object{}, err
	}
	a, err := b.do(ctx, request{op: opStat, method: http.MethodHead, key: key}, http.StatusOK)
	if err != nil {
		return backend.Object{}, err
	}
	object := backend.Object{Key: key, ETag: canonicalETag(a.header.Get(sdk.HTTPHeaderEtag))}
	if object.Size, err = strconv.ParseInt(a.header.Get(sdk.HTTPHeaderContentLength), 10, 64); err != nil || object.Size < 0 {
		return backend.Object{}, lost(ctx, opStat, errors.New("answer has no Content-Length"))
	}
	if object.CRC64, err = a.crc64(); err != nil {
		return backend.Object{}, lost(ctx, opStat, err)
	}
	if modified, err := http.ParseTime(a.header.Get(sdk.HTTPHeaderLastModified)); err == nil {
		object.Modified = modified.UTC()
	}
	return object, nil
}
