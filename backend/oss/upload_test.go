package oss_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
)

const initiated = `<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>k</Key><UploadId>ID1</UploadId></InitiateMultipartUploadResult>`

func TestCreate(t *testing.T) {
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		// Without this, a key that XML cannot hold makes an answer that cannot be read, and an upload that nobody knows.
		if got := r.URL.Query().Get("encoding-type"); got != "url" {
			t.Errorf("encoding-type is %q, want url", got)
		}
		respond(w, http.StatusOK, initiated, "Date", "Sun, 22 Nov 2026 19:01:51 GMT")
	})
	got, err := b.Create(t.Context(), "k", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	want := backend.Upload{Key: "k", ID: "ID1", Initiated: time.Date(2026, 11, 22, 19, 1, 51, 0, time.UTC)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upload (-want +got):\n%s", diff)
	}
	for name, body := range map[string]string{
		"no ID":         "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
		"other root":    "<Result><UploadId>ID1</UploadId></Result>",
		"cut":           initiated[:len(initiated)-10],
		"not even XML":  "hello",
		"error in 200":  fault("NoSuchBucket", ""),
		"another space": "   ",
	} {
		b := stub(t, answerWith(http.StatusOK, body))
		if _, err := b.Create(t.Context(), "k", backend.Attributes{}); err == nil || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want an error that is no sentinel", name, err)
		}
	}
}

func TestUploadPart(t *testing.T) {
	crc := uint64(3231342946509354535)
	for _, test := range []struct {
		name    string
		headers []string
		want    *backend.Part // nil for an unknown answer
	}{
		{"all", []string{"ETag", `"900150983CD24FB0D6963F7D28E17F72"`, "x-oss-hash-crc64ecma", "3231342946509354535"},
			&backend.Part{Number: 7, Size: 3, ETag: "900150983CD24FB0D6963F7D28E17F72", CRC64: &crc}},
		{"no CRC", []string{"ETag", `"900150983CD24FB0D6963F7D28E17F72"`},
			&backend.Part{Number: 7, Size: 3, ETag: "900150983CD24FB0D6963F7D28E17F72"}},
		{"lower case", []string{"ETag", `900150983cd24fb0d6963f7d28e17f72`},
			&backend.Part{Number: 7, Size: 3, ETag: "900150983CD24FB0D6963F7D28E17F72"}},
		{"no ETag", nil, nil},
		{"empty ETag", []string{"ETag", `""`}, nil},
		{"malformed CRC", []string{"ETag", `"X"`, "x-oss-hash-crc64ecma", "0x12"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, answerWith(http.StatusOK, "", test.headers...))
			got, err := b.UploadPart(t.Context(), theUpload, 7, strings.NewReader("abc"), 3)
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
				t.Errorf("part (-want +got):\n%s", diff)
			}
		})
	}
}

// Parts sent at once by one Backend do not get into each other's requests.
func TestUploadPartsAtOnce(t *testing.T) {
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if want := "part " + r.URL.Query().Get("partNumber"); string(data) != want {
			t.Errorf("got %q, want %q", data, want)
		}
		respond(w, http.StatusOK, "", "ETag", fmt.Sprintf(`"%X"`, md5.Sum(data)))
	})
	var group sync.WaitGroup
	for n := 1; n <= 64; n++ {
		group.Go(func() {
			text := "part " + strconv.Itoa(n)
			p, err := b.UploadPart(t.Context(), theUpload, n, strings.NewReader(text), int64(len(text)))
			if want := fmt.Sprintf("%X", md5.Sum([]byte(text))); err != nil || p.ETag != want || p.Number != n {
				t.Errorf("part %d: %+v, %v", n, p, err)
			}
		})
	}
	group.Wait()
}

func TestPeerSequentialMode(t *testing.T) {
	const stored = "<PartNumber>3</PartNumber><PartEtag>900150983CD24FB0D6963F7D28E17F72</PartEtag>"
	const other = "<PartNumber>3</PartNumber><PartEtag>000150983CD24FB0D6963F7D28E17F72</PartEtag>"
	list := func(etag string, size int) string {
		return fmt.Sprintf(`<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>3</PartNumber><ETag>"%s"</ETag>`+
			`<HashCrc64ecma>3231342946509354535</HashCrc64ecma><Size>%d</Size></Part></ListPartsResult>`, etag, size)
	}
	crc := uint64(3231342946509354535)
	part := backend.Part{Number: 3, Size: 3, ETag: "900150983CD24FB0D6963F7D28E17F72"}
	withCRC := part
	withCRC.CRC64 = &crc
	for _, test := range []struct {
		name, more string
		status     int
		list       string
		want       backend.Part
		wantErr    error
		unknown    bool
	}{
		{name: "same, listed", more: stored, status: 200, list: list(part.ETag, 3), want: withCRC},
		{name: "same, list denied", more: stored, status: 403, list: fault("AccessDenied", ""), want: part},
		{name: "same, refusal without ETag", status: 200, list: list(part.ETag, 3), want: withCRC},
		{name: "other, listed", more: other, status: 200, list: list("000150983CD24FB0D6963F7D28E17F72", 3), wantErr: backend.ErrInvalid},
		{name: "other, list denied", more: other, status: 403, list: fault("AccessDenied", ""), wantErr: backend.ErrInvalid},
		{name: "other size", status: 200, list: list(part.ETag, 4), wantErr: backend.ErrInvalid},
		{name: "nothing known", status: 403, list: fault("AccessDenied", ""), unknown: true},
		{name: "nothing known, upload gone", status: 404, list: fault("NoSuchUpload", ""), unknown: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if r.Method == http.MethodGet {
					if got := r.URL.Query().Get("part-number-marker"); got != "2" {
						t.Errorf("listed after %q, want 2", got)
					}
					respond(w, test.status, test.list)
					return
				}
				respond(w, http.StatusConflict, fault("PartAlreadyExist", test.more))
			})
			got, err := b.UploadPart(t.Context(), theUpload, 3, strings.NewReader("abc"), 3)
			switch {
			case test.unknown:
				if err == nil || sentinelOf(t, err) != nil {
					t.Errorf("%v, want an error that is no sentinel", err)
				}
			case test.wantErr != nil:
				if !errors.Is(err, test.wantErr) {
					t.Errorf("%v, want %v", err, test.wantErr)
				}
			case err != nil:
				t.Error(err)
			default:
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("part (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestComplete(t *testing.T) {
	parts := []backend.Part{{Number: 2, Size: 10, ETag: "4DE8075FB607DF4D13FBC480EA488EFA"}, {Number: 5, Size: 7, ETag: "AF947EC157726CEA88ED83B3C989063B"}}
	const etag = "1C787C506EABFB9B45EAAA8DB039F4B2-2"
	const result = "<CompleteMultipartUploadResult><ETag>&quot;" + etag + "&quot;</ETag></CompleteMultipartUploadResult>"
	crc := uint64(42)
	object := backend.Object{Key: "dir/key", ETag: etag, Size: 17}
	withCRC := object
	withCRC.CRC64 = &crc
	for _, test := range []struct {
		name    string
		status  int
		body    string
		headers []string
		want    *backend.Object // nil for an unknown answer
	}{
		{"document", 200, result, nil, &object},
		{"document and CRC", 200, result, []string{"x-oss-hash-crc64ecma", "42"}, &withCRC},
		{"callback's answer, the right ETag", 200, `{"ok":true}`, []string{"ETag", `"` + etag + `"`}, &object},
		{"callback's answer, another ETag", 200, `{"ok":true}`, []string{"ETag", `"9C787C506EABFB9B45EAAA8DB039F4B2-2"`}, nil},
		{"empty", 200, "", nil, nil},
		{"empty, the right ETag", 200, "", []string{"ETag", `"` + etag + `"`}, &object},
		{"error document", 200, fault("InternalError", ""), nil, nil},
		{"error document with a sentinel's code", 200, fault("InvalidPart", ""), nil, nil},
		{"cut", 200, result[:20], nil, nil},
		{"malformed CRC", 200, result, []string{"x-oss-hash-crc64ecma", "?"}, nil},
		{"callback failed", 203, fault("CallbackFailed", ""), []string{"ETag", `"` + etag + `"`, "x-oss-hash-crc64ecma", "42"}, &withCRC},
		{"callback failed, another ETag", 203, fault("CallbackFailed", ""), []string{"ETag", `"9C787C506EABFB9B45EAAA8DB039F4B2-2"`}, nil},
		{"callback failed, no ETag", 203, fault("CallbackFailed", ""), nil, nil},
		{"203 for another reason", 203, fault("Other", ""), []string{"ETag", `"` + etag + `"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				got, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				want := "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>&#34;4DE8075FB607DF4D13FBC480EA488EFA&#34;</ETag></Part>" +
					"<Part><PartNumber>5</PartNumber><ETag>&#34;AF947EC157726CEA88ED83B3C989063B&#34;</ETag></Part></CompleteMultipartUpload>"
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				if got := r.Header.Get("x-oss-object-acl"); got != "private" {
					t.Errorf("ACL is %q, want private", got)
				}
				if got := r.Header.Get("x-oss-forbid-overwrite"); got != "" {
					t.Errorf("x-oss-forbid-overwrite is %q, want none", got)
				}
				respond(w, test.status, test.body, test.headers...)
			})
			got, err := b.Complete(t.Context(), theUpload, parts, backend.CompleteOptions{Attributes: backend.Attributes{ACL: "private"}})
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
}

func TestIfAbsentForbidsOverwriting(t *testing.T) {
	opts := backend.CompleteOptions{IfAbsent: true}
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Header.Get("x-oss-forbid-overwrite") != "true" {
			t.Errorf("%s: x-oss-forbid-overwrite is %q, want true", r.Method, r.Header.Get("x-oss-forbid-overwrite"))
		}
		respond(w, http.StatusConflict, fault("FileAlreadyExists", ""))
	})
	if _, err := b.Complete(t.Context(), theUpload, []backend.Part{thePart}, opts); !errors.Is(err, backend.ErrExists) {
		t.Errorf("Complete: %v, want ErrExists", err)
	}
	if _, err := b.Put(t.Context(), "k", bytes.NewReader(nil), 0, backend.Attributes{}, opts); !errors.Is(err, backend.ErrExists) {
		t.Errorf("Put: %v, want ErrExists", err)
	}
}

// What is refused here is refused before anything is sent.
func TestInvalidRequestsAreNotSent(t *testing.T) {
	b := stub(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	ctx := t.Context()
	attributes := func(a backend.Attributes) error {
		_, err := b.Create(ctx, "k", a)
		_, err2 := b.Put(ctx, "k", strings.NewReader(""), 0, a, backend.CompleteOptions{})
		if errors.Is(err, backend.ErrInvalid) != errors.Is(err2, backend.ErrInvalid) {
			t.Errorf("Create says %v, Put says %v", err, err2)
		}
		return err
	}
	key := func(k string) error {
		_, err := b.Create(ctx, k, backend.Attributes{})
		for _, again := range []error{
			b.Abort(ctx, backend.Upload{Key: k, ID: "i"}),
			func() error { _, err := b.Stat(ctx, k); return err }(),
			func() error {
				_, err := b.Put(ctx, k, strings.NewReader(""), 0, backend.Attributes{}, backend.CompleteOptions{})
				return err
			}(),
		} {
			if !errors.Is(again, backend.ErrInvalid) {
				t.Errorf("key %q: %v, want ErrInvalid", k, again)
			}
		}
		return err
	}
	part := func(u backend.Upload, n int, size int64) error {
		_, err := b.UploadPart(ctx, u, n, strings.NewReader(""), size)
		return err
	}
	many := make(map[string]string)
	for i := range 11 {
		many[strconv.Itoa(i)] = ""
	}
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"empty key":           {key(""), "key"},
		"long key":            {key(strings.Repeat("k", 1024)), "1024 bytes"},
		"key not UTF-8":       {key("a\xff"), "UTF-8"},
		"key with slash":      {key("/a"), `"/"`},
		"key with backslash":  {key(`\a`), `"\\"`},
		"key is parent":       {key(".."), `".."`},
		"key is self":         {key("."), `"."`},
		"upload without ID":   {b.Abort(ctx, backend.Upload{Key: "k"}), "upload ID"},
		"part 0":              {part(theUpload, 0, 0), "part number 0"},
		"part 10001":          {part(theUpload, 10001, 0), "part number 10001"},
		"part too large":      {part(theUpload, 1, 5<<30+1), "part size"},
		"negative part":       {part(theUpload, 1, -1), "part size"},
		"part of no upload":   {part(backend.Upload{Key: "k"}, 1, 0), "upload ID"},
		"no parts":            {func() error { _, err := b.Complete(ctx, theUpload, nil, backend.CompleteOptions{}); return err }(), "0 parts"},
		"content type":        {attributes(backend.Attributes{ContentType: "text/plain\r\nX: y"}), "content type"},
		"blank at the end":    {attributes(backend.Attributes{CacheControl: "no-cache "}), "cache control"},
		"disposition":         {attributes(backend.Attributes{ContentDisposition: "a\x00"}), "content disposition"},
		"encoding":            {attributes(backend.Attributes{ContentEncoding: "a\xff"}), "content encoding"},
		"language":            {attributes(backend.Attributes{ContentLanguage: "a\n"}), "content language"},
		"metadata name":       {attributes(backend.Attributes{Metadata: map[string]string{"a_b": ""}}), "a_b"},
		"metadata name empty": {attributes(backend.Attributes{Metadata: map[string]string{"": ""}}), "metadata name"},
		"metadata name ö":     {attributes(backend.Attributes{Metadata: map[string]string{"ö": ""}}), "metadata name"},
		"metadata twice":      {attributes(backend.Attributes{Metadata: map[string]string{"a": "", "A": ""}}), "twice"},
		"metadata value":      {attributes(backend.Attributes{Metadata: map[string]string{"a": "b\n"}}), `"a"`},
		"metadata size":       {attributes(backend.Attributes{Metadata: map[string]string{"a": strings.Repeat("b", 8192)}}), "8193 bytes"},
		"tags":                {attributes(backend.Attributes{Tags: many}), "11 tags"},
		"tag key empty":       {attributes(backend.Attributes{Tags: map[string]string{"": "v"}}), "key of tag"},
		"tag key long":        {attributes(backend.Attributes{Tags: map[string]string{strings.Repeat("k", 129): "v"}}), "key of tag"},
		"tag value long":      {attributes(backend.Attributes{Tags: map[string]string{"k": strings.Repeat("v", 257)}}), "value of tag"},
		"storage class":       {attributes(backend.Attributes{StorageClass: "GLACIER"}), "GLACIER"},
		"ACL":                 {attributes(backend.Attributes{ACL: "everyone"}), "everyone"},
		"encryption":          {attributes(backend.Attributes{Encryption: backend.Encryption{Algorithm: "ROT13"}}), "ROT13"},
		"key without KMS":     {attributes(backend.Attributes{Encryption: backend.Encryption{Algorithm: "AES256", KeyID: "k"}}), "AES256"},
		"key alone":           {attributes(backend.Attributes{Encryption: backend.Encryption{KeyID: "k"}}), "encryption"},
		"ACL at Complete": {func() error {
			_, err := b.Complete(ctx, theUpload, []backend.Part{thePart}, backend.CompleteOptions{Attributes: backend.Attributes{ACL: "everyone"}})
			return err
		}(), "everyone"},
		"object too large": {func() error {
			_, err := b.Put(ctx, "k", strings.NewReader(""), 5<<30+1, backend.Attributes{}, backend.CompleteOptions{})
			return err
		}(), "size"},
		"prefix": {func() error {
			for _, err := range b.Uploads(ctx, "a\xff") {
				return err
			}
			return nil
		}(), "prefix"},
	} {
		if !errors.Is(test.err, backend.ErrInvalid) || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%s: %v, want ErrInvalid that says %s", name, test.err, test.says)
		}
	}
}
