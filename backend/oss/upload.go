package oss

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// Create begins a multipart upload (InitiateMultipartUpload). All attributes but the ACL, which OSS takes at Complete, are
// fixed by it. Without a content type OSS derives one from the key. Initiated is the Date of the answer, in whole seconds.
//
// If the answer is lost, an upload without parts may be left; see [Backend.Uploads].
func (b *Backend) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	if err := checkKey(opCreate, key); err != nil {
		return backend.Upload{}, err
	}
	headers, err := createHeaders(opCreate, attrs)
	if err != nil {
		return backend.Upload{}, err
	}
	a, err := b.do(ctx, request{
		op: opCreate, method: http.MethodPost, key: key, headers: headers,
		// The answer repeats the key. Escaped, it is readable XML whatever characters the key has.
		params: map[string]any{"uploads": nil, "encoding-type": "url"},
	}, http.StatusOK)
	if err != nil {
		return backend.Upload{}, err
	}
	var result struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadID string   `xml:"UploadId"`
	}
	if err := a.decode(&result); err != nil {
		return backend.Upload{}, lost(ctx, opCreate, err)
	}
	if result.UploadID == "" {
		return backend.Upload{}, lost(ctx, opCreate, errors.New("answer has no upload ID"))
	}
	u := backend.Upload{Key: key, ID: result.UploadID}
	if date, err := http.ParseTime(a.header.Get(sdk.HTTPHeaderDate)); err == nil {
		u.Initiated = date.UTC()
	}
	return u, nil
}

// UploadPart stores a part. Success is what OSS documents, status 200 with an ETag, and nothing else.
//
// If the answer is lost, the part may be there or still arrive; sending it again replaces it. In an upload that was begun
// elsewhere in sequential mode it cannot be replaced: OSS then refuses the part with PartAlreadyExist, and the part is
// compared with the one that is stored, by MD5. Equal is success, different is ErrInvalid.
//
// It waits, after its context is done, only for a Read of body that has begun.
func (b *Backend) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if err := checkUpload(opUploadPart, u); err != nil {
		return backend.Part{}, err
	}
	if number < 1 || number > maxParts {
		return backend.Part{}, invalid(opUploadPart, "part number %d is not in 1 to %d", number, maxParts)
	}
	if size < 0 || size > maxPartSize {
		return backend.Part{}, invalid(opUploadPart, "part size %d is not in 0 to %d bytes", size, int64(maxPartSize))
	}
	a, err := b.send(ctx, request{
		op: opUploadPart, method: http.MethodPut, key: u.Key,
		params: map[string]any{"partNumber": strconv.Itoa(number), "uploadId": u.ID},
	}, body, size)
	if a != nil && a.fault.Code == "PartAlreadyExist" {
		return b.settleSequential(ctx, u, number, body, size, a, err)
	}
	if err != nil {
		return backend.Part{}, err
	}
	part := backend.Part{Number: number, Size: size, ETag: canonicalETag(a.header.Get(sdk.HTTPHeaderEtag))}
	if part.ETag == "" {
		return backend.Part{}, lost(ctx, opUploadPart, errors.New("answer has no ETag"))
	}
	if part.CRC64, err = a.crc64(); err != nil {
		return backend.Part{}, lost(ctx, opUploadPart, err)
	}
	return part, nil
}

type completeDocument struct {
	XMLName xml.Name       `xml:"CompleteMultipartUpload"`
	Parts   []completePart `xml:"Part"`
}

type completePart struct {
	Number int    `xml:"PartNumber"`
	ETag   string `xml:"ETag"`
}

// Complete publishes parts as the object. The ACL of opts.Attributes is set with it.
//
// OSS goes on with a Complete whose connection was cut. If the answer is lost, the object may be published now, later or
// never; while it is not, the upload is still listed, and once it is, Complete answers ErrNoSuchUpload. Status 200 with a
// document that cannot be read is success if the ETag in the header is the one that these parts must have, else it is
// unknown.
//
// Where the client adds a callback to the request and the callback fails, OSS answers 203 CallbackFailed although the
// object is published. That is success here, as far as the ETag in the header is the right one: this method speaks of the object.
func (b *Backend) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	if err := checkUpload(opComplete, u); err != nil {
		return backend.Object{}, err
	}
	if len(parts) == 0 || len(parts) > maxParts {
		// OSS makes an empty object of no parts. Nobody who has an upload of parts means that.
		return backend.Object{}, invalid(opComplete, "%d parts, not 1 to %d", len(parts), maxParts)
	}
	headers := make(map[string]string)
	if opts.IfAbsent {
		headers[sdk.HTTPHeaderOssForbidOverWrite] = "true"
	}
	if err := addACL(opComplete, headers, opts.Attributes.ACL); err != nil {
		return backend.Object{}, err
	}
	// The SDK's own call sorts the caller's slice; this one sends it as it is, and OSS says whether the order is right.
	document := completeDocument{Parts: make([]completePart, len(parts))}
	object := backend.Object{Key: u.Key}
	for i, p := range parts {
		document.Parts[i] = completePart{Number: p.Number, ETag: `"` + canonicalETag(p.ETag) + `"`}
		object.Size += p.Size
	}
	text, err := xml.Marshal(document)
	if err != nil {
		return backend.Object{}, fmt.Errorf("oss: %s: %w", opComplete, err)
	}

	a, err := b.do(ctx, request{
		op: opComplete, method: http.MethodPost, key: u.Key, headers: headers, body: lend(bytes.NewReader(text), int64(len(text))),
		params: map[string]any{"uploadId": u.ID, "encoding-type": "url"},
	}, http.StatusOK)
	if err != nil {
		return backend.Object{}, err
	}
	object.ETag = canonicalETag(a.header.Get(sdk.HTTPHeaderEtag))
	var result struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string   `xml:"ETag"`
	}
	if err := a.decode(&result); err == nil {
		if result.ETag != "" {
			object.ETag = canonicalETag(result.ETag)
		}
	} else if want, ok := b.ETag(parts); !ok || object.ETag != want {
		a.readFault()
		return backend.Object{}, unreadable(ctx, opComplete, a, err)
	}
	if object.CRC64, err = a.crc64(); err != nil {
		return backend.Object{}, lost(ctx, opComplete, err)
	}
	return object, nil
}

// Abort discards the upload. A part in flight may outlive it; call again until the answer is ErrNoSuchUpload, also if an
// answer is lost.
func (b *Backend) Abort(ctx context.Context, u backend.Upload) error {
	if err := checkUpload(opAbort, u); err != nil {
		return err
	}
	_, err := b.do(ctx, request{
		op: opAbort, method: http.MethodDelete, key: u.Key, params: map[string]any{"uploadId": u.ID},
	}, http.StatusNoContent)
	return err
}

// checkUpload refuses an upload that cannot be named. Without the ID, Abort would be a request to delete the object.
func checkUpload(op operation, u backend.Upload) error {
	if err := checkKey(op, u.Key); err != nil {
		return err
	}
	if u.ID == "" {
		return invalid(op, "upload ID is empty")
	}
	return nil
}
