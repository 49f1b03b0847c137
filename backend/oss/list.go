package oss

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/backend"
)

// pageSize is the most that OSS puts into one page of parts or uploads.
const pageSize = "1000"

// ListParts returns up to 1000 parts. It has the CRC-64 of each, which the SDK's own call leaves out. A lost answer loses
// nothing.
func (b *Backend) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	if err := checkUpload(opListParts, u); err != nil {
		return nil, false, err
	}
	params := map[string]any{"uploadId": u.ID, "max-parts": pageSize, "encoding-type": "url"}
	if after > 0 {
		params["part-number-marker"] = strconv.Itoa(after)
	}
	a, err := b.do(ctx, request{op: opListParts, method: http.MethodGet, key: u.Key, params: params}, http.StatusOK)
	if err != nil {
		return nil, false, err
	}
	page, err := a.decodeParts()
	if err != nil {
		return nil, false, lost(ctx, opListParts, err)
	}
	// NextPartNumberMarker is set on the last page too, so only IsTruncated tells whether there is more.
	if page.IsTruncated && len(page.Parts) == 0 {
		return nil, false, lost(ctx, opListParts, errors.New("page without parts says that more follow"))
	}
	parts := make([]backend.Part, 0, len(page.Parts))
	for _, p := range page.Parts {
		if p.Number <= after {
			return nil, false, lost(ctx, opListParts, fmt.Errorf("part %d is listed after part %d", p.Number, after))
		}
		after = p.Number
		crc, err := parseCRC(p.CRC64)
		if err != nil {
			return nil, false, lost(ctx, opListParts, fmt.Errorf("part %d: %w", p.Number, err))
		}
		parts = append(parts, backend.Part{Number: p.Number, Size: p.Size, ETag: canonicalETag(p.ETag), CRC64: crc})
	}
	return parts, page.IsTruncated, nil
}

type uploadsPage struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	EncodingType       string   `xml:"EncodingType"`
	IsTruncated        bool     `xml:"IsTruncated"`
	NextKeyMarker      string   `xml:"NextKeyMarker"`
	NextUploadIDMarker string   `xml:"NextUploadIdMarker"`
	Uploads            []struct {
		Key       string `xml:"Key"`
		ID        string `xml:"UploadId"`
		Initiated string `xml:"Initiated"`
	} `xml:"Upload"`
}

// Uploads lists the unfinished uploads of keys that start with prefix, by key and then by ID, asking for 1000 at a time.
// An upload that begins or ends meanwhile may be listed or not. It ends after the first error.
func (b *Backend) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return func(yield func(backend.Upload, error) bool) {
		if len(prefix) > maxKeySize || !utf8.ValidString(prefix) {
			yield(backend.Upload{}, invalid(opUploads, "prefix must be UTF-8 of at most %d bytes", maxKeySize))
			return
		}
		var keyMarker, idMarker string
		for {
			page, err := b.uploadsAfter(ctx, prefix, keyMarker, idMarker)
			if err != nil {
				yield(backend.Upload{}, err)
				return
			}
			for _, found := range page.Uploads {
				u := backend.Upload{Key: found.Key, ID: found.ID}
				if t, err := time.Parse(time.RFC3339, found.Initiated); err == nil {
					u.Initiated = t.UTC()
				}
				if !yield(u, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			if page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
				yield(backend.Upload{}, lost(ctx, opUploads, errors.New("page says that more follow, but not after what")))
				return
			}
			keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}

// uploadsAfter returns one page, its keys unescaped.
func (b *Backend) uploadsAfter(ctx context.Context, prefix, keyMarker, idMarker string) (*uploadsPage, error) {
	params := map[string]any{"uploads": nil, "max-uploads": pageSize, "encoding-type": "url"}
	for name, value := range map[string]string{"prefix": prefix, "key-marker": keyMarker, "upload-id-marker": idMarker} {
		if value != "" {
			params[name] = value
		}
	}
	a, err := b.do(ctx, request{op: opUploads, method: http.MethodGet, params: params}, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var page uploadsPage
	if err := a.decode(&page); err != nil {
		return nil, lost(ctx, opUploads, err)
	}
	if page.EncodingType != "url" {
		return &page, nil
	}
	keys := []*string{&page.NextKeyMarker}
	for i := range page.Uploads {
		keys = append(keys, &page.Uploads[i].Key)
	}
	for _, key := range keys {
		if *key, err = url.QueryUnescape(*key); err != nil {
			return nil, lost(ctx, opUploads, err)
		}
	}
	return &page, nil
}
