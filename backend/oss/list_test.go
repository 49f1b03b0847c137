package oss_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

func TestListPartsOfOddPages(t *testing.T) {
	list := func(truncated bool, parts string) string {
		// The marker is there on the last page too.
		return fmt.Sprintf("<ListPartsResult><NextPartNumberMarker>9</NextPartNumberMarker><IsTruncated>%t</IsTruncated>%s</ListPartsResult>", truncated, parts)
	}
	part := func(n int, more string) string {
		return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>&quot;aa&quot;</ETag><Size>3000000000</Size>%s</Part>", n, more)
	}
	crc := uint64(18446744073709551615)
	for _, test := range []struct {
		name, body string
		want       []backend.Part
		more       bool
		unknown    bool
	}{
		{name: "none", body: list(false, ""), want: []backend.Part{}},
		{name: "last", body: list(false, part(5, "")), want: []backend.Part{{Number: 5, Size: 3_000_000_000, ETag: "AA"}}},
		{name: "more", body: list(true, part(5, "<HashCrc64ecma>18446744073709551615</HashCrc64ecma>")), more: true,
			want: []backend.Part{{Number: 5, Size: 3_000_000_000, ETag: "AA", CRC64: &crc}}},
		{name: "empty and truncated", body: list(true, ""), unknown: true},
		{name: "not after the marker", body: list(false, part(4, "")), unknown: true},
		{name: "descending", body: list(false, part(7, "")+part(6, "")), unknown: true},
		{name: "malformed CRC", body: list(false, part(5, "<HashCrc64ecma>-1</HashCrc64ecma>")), unknown: true},
		{name: "cut", body: list(false, part(5, ""))[:90], unknown: true},
		{name: "other root", body: "<html></html>", unknown: true},
		{name: "error in 200", body: fault("NoSuchUpload", ""), unknown: true},
		{name: "empty", body: "", unknown: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, more, err := stub(t, answerWith(http.StatusOK, test.body)).ListParts(t.Context(), theUpload, 4)
			if test.unknown {
				if err == nil || sentinelOf(t, err) != nil {
					t.Errorf("%v, %v, want an error that is no sentinel", got, err)
				}
				return
			}
			if err != nil || more != test.more {
				t.Errorf("more %v, %v, want %v", more, err, test.more)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUploadsOfOddPages(t *testing.T) {
	page := func(s string) string {
		return "<ListMultipartUploadsResult>" + s + "</ListMultipartUploadsResult>"
	}
	upload := func(key, date string) string {
		return "<Upload><Key>" + key + "</Key><UploadId>I</UploadId><Initiated>" + date + "</Initiated></Upload>"
	}
	initiated := time.Date(2012, 2, 23, 4, 18, 23, 0, time.UTC)
	for _, test := range []struct {
		name, body string
		want       []backend.Upload
		unknown    bool
	}{
		{name: "none", body: page("")},
		{name: "escaped once", body: page("<EncodingType>url</EncodingType>" + upload("a%2520b+c%2Bd", "2012-02-23T04:18:23.000Z")),
			want: []backend.Upload{{Key: "a%20b c+d", ID: "I", Initiated: initiated}}},
		{name: "not escaped", body: page(upload("a%20b+c", "2012-02-23T04:18:23.000Z")),
			want: []backend.Upload{{Key: "a%20b+c", ID: "I", Initiated: initiated}}},
		{name: "no time", body: page(upload("k", "")), want: []backend.Upload{{Key: "k", ID: "I"}}},
		{name: "last page with markers", body: page("<NextKeyMarker>k</NextKeyMarker><IsTruncated>false</IsTruncated>" + upload("k", "")),
			want: []backend.Upload{{Key: "k", ID: "I"}}},
		{name: "truncated without a marker", body: page("<IsTruncated>true</IsTruncated>"), unknown: true},
		{name: "the same page for ever", body: page("<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"), unknown: true},
		{name: "bad escape", body: page("<EncodingType>url</EncodingType>" + upload("%zz", "")), unknown: true},
		{name: "other root", body: "<html></html>", unknown: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, answerWith(http.StatusOK, test.body))
			var got []backend.Upload
			var last error
			for u, err := range b.Uploads(t.Context(), "") {
				if last != nil {
					t.Fatalf("went on after %v", last)
				}
				if last = err; err == nil {
					got = append(got, u)
				}
			}
			if (last != nil) != test.unknown || sentinelOf(t, last) != nil {
				t.Errorf("%v, want an error: %v, and no sentinel", last, test.unknown)
			}
			if diff := cmp.Diff(test.want, got); diff != "" && !test.unknown {
				t.Errorf("uploads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStat(t *testing.T) {
	crc := uint64(7)
	for _, test := range []struct {
		name    string
		headers []string
		want    *backend.Object // nil for an unknown answer
	}{
		{"all", []string{"Content-Length", "5", "ETag", `"ABC-2"`, "x-oss-hash-crc64ecma", "7", "Last-Modified", "Thu, 23 Feb 2012 04:18:23 GMT"},
			&backend.Object{Key: "k", Size: 5, ETag: "ABC-2", CRC64: &crc, Modified: time.Date(2012, 2, 23, 4, 18, 23, 0, time.UTC)}},
		{"little", []string{"Content-Length", "0"}, &backend.Object{Key: "k"}},
		{"malformed CRC", []string{"Content-Length", "5", "x-oss-hash-crc64ecma", "seven"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := stub(t, answerWith(http.StatusOK, "", test.headers...)).Stat(t.Context(), "k")
			if test.want == nil {
				if err == nil || sentinelOf(t, err) != nil {
					t.Errorf("%v, want an error that is no sentinel", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*test.want, got); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked") // so that the server does not add a length
		respond(w, http.StatusOK, "")
	})
	if got, err := b.Stat(t.Context(), "k"); err == nil || sentinelOf(t, err) != nil {
		t.Errorf("no length: %v, %v, want an error that is no sentinel", got, err)
	}
}

// A failed callback does not make the object go away.
func TestPutWhoseCallbackFails(t *testing.T) {
	b := stub(t, answerWith(http.StatusNonAuthoritativeInfo, fault("CallbackFailed", ""), "ETag", `"AA"`))
	got, err := b.Put(t.Context(), "k", strings.NewReader("abc"), 3, backend.Attributes{}, backend.CompleteOptions{})
	if diff := cmp.Diff(backend.Object{Key: "k", Size: 3, ETag: "AA"}, got); diff != "" || err != nil {
		t.Errorf("%v, object (-want +got):\n%s", err, diff)
	}
	b = stub(t, answerWith(http.StatusNonAuthoritativeInfo, fault("Other", ""), "ETag", `"AA"`))
	if err := calls["Put"](t.Context(), b); err == nil || sentinelOf(t, err) != nil {
		t.Errorf("203 for another reason: %v, want an error that is no sentinel", err)
	}
}

// The answer to a failed callback must show all that success must: 203 alone is what some proxy may say.
func TestFailedCallbackProvesNoMoreThanSuccess(t *testing.T) {
	broken := errors.New("disk is broken")
	const size = 10
	body := func() io.ReadSeeker { return bytes.NewReader(make([]byte, size)) }
	for name, test := range map[string]struct {
		header http.Header
		unread bool
		body   io.ReadSeeker
		crc    bool
	}{
		"no request ID": {header: http.Header{"Etag": {`"AA"`}}, body: body()},
		"no ETag":       {header: http.Header{"X-Oss-Request-Id": {requestID}}, body: body()},
		"body unread":   {header: http.Header{"X-Oss-Request-Id": {requestID}, "Etag": {`"AA"`}}, body: body(), unread: true},
		"body fails":    {header: http.Header{"X-Oss-Request-Id": {requestID}, "Etag": {`"AA"`}}, body: errorReader{strings.NewReader("abc"), broken}},
		"wrong CRC":     {header: http.Header{"X-Oss-Request-Id": {requestID}, "Etag": {`"AA"`}, "X-Oss-Hash-Crc64ecma": {"1"}}, body: body(), crc: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if !test.unread {
						io.Copy(io.Discard, r.Body)
					}
					document := io.NopCloser(strings.NewReader(fault("CallbackFailed", "")))
					return &http.Response{StatusCode: http.StatusNonAuthoritativeInfo, Header: test.header, Body: document, Request: r}, nil
				}),
			}}), nil)
			oss.Bucket(b).Client.Config.IsEnableCRC = test.crc
			got, err := b.Put(t.Context(), "k", test.body, size, backend.Attributes{}, backend.CompleteOptions{})
			if err == nil || sentinelOf(t, err) != nil {
				t.Errorf("%+v, %v, want an error that is no sentinel", got, err)
			}
		})
	}
	b := stub(t, answerWith(http.StatusNonAuthoritativeInfo, fault("CallbackFailed", ""), "ETag", `"AA"`))
	for op, call := range calls {
		if err := call(t.Context(), b); op != "Put" && (err == nil || sentinelOf(t, err) != nil) {
			t.Errorf("%s: %v, want an error that is no sentinel", op, err)
		}
	}
}
