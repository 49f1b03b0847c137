package oss_test

import (
	"bytes"
	"context"
	"errors"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// serve starts a server with the bucket, and returns a backend and the SDK's own view of the bucket.
func serve(t *testing.T, opts *fakeoss.Options, region string) (*oss.Backend, *sdk.Bucket, *fakeoss.TestServer) {
	t.Helper()
	if opts == nil {
		opts = &fakeoss.Options{Buckets: []string{"bucket"}}
	}
	server := fakeoss.NewServer(t, opts)
	cred := server.Credential()
	bucket := open(t, server.URL, oss.Config{Region: region, AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret, SessionToken: cred.SecurityToken})
	return oss.New(bucket, nil), bucket, server
}

// signatures are the two versions, by the region that selects them.
var signatures = map[string]string{"V1": "", "V4": "cn-hangzhou"}

func checksum(p []byte) *uint64 {
	crc := crc64.Checksum(p, crc64.MakeTable(crc64.ECMA))
	return &crc
}

func TestAttributesArrive(t *testing.T) {
	attrs := backend.Attributes{
		ContentType:        "text/x-test; charset=utf-8",
		CacheControl:       "no-cache, max-age=3",
		ContentDisposition: `attachment; filename="a b.txt"`,
		ContentEncoding:    "identity",
		ContentLanguage:    "de",
		// In another zone than Greenwich's: the header is always GMT.
		Expires:      time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 8*3600)),
		Metadata:     map[string]string{"Author": "Jörg & Söhne", "x-1": "a=b"},
		Tags:         map[string]string{"project": "tide mark", "a+b": "c=d&e", "empty": ""},
		StorageClass: "IA",
		ACL:          "public-read",
		Encryption:   backend.Encryption{Algorithm: "KMS", KeyID: "9468da86-3509-4f8d-a61e-6eab1eac"},
	}
	want := map[string]string{
		"Content-Type":                        attrs.ContentType,
		"Cache-Control":                       attrs.CacheControl,
		"Content-Disposition":                 attrs.ContentDisposition,
		"Content-Encoding":                    attrs.ContentEncoding,
		"Content-Language":                    attrs.ContentLanguage,
		"Expires":                             "Tue, 01 Jan 2030 19:04:05 GMT",
		"X-Oss-Meta-Author":                   "Jörg & Söhne",
		"X-Oss-Meta-X-1":                      "a=b",
		"X-Oss-Storage-Class":                 "IA",
		"X-Oss-Server-Side-Encryption":        "KMS",
		"X-Oss-Server-Side-Encryption-Key-Id": attrs.Encryption.KeyID,
	}
	store := map[string]func(*testing.T, *oss.Backend) error{
		"Put": func(t *testing.T, b *oss.Backend) error {
			_, err := b.Put(t.Context(), "key", strings.NewReader("abc"), 3, attrs, backend.CompleteOptions{Attributes: attrs})
			return err
		},
		"multipart": func(t *testing.T, b *oss.Backend) error {
			u, err := b.Create(t.Context(), "key", attrs)
			if err != nil {
				return err
			}
			part, err := b.UploadPart(t.Context(), u, 1, strings.NewReader("abc"), 3)
			if err != nil {
				return err
			}
			_, err = b.Complete(t.Context(), u, []backend.Part{part}, backend.CompleteOptions{Attributes: attrs})
			return err
		},
	}
	for version, region := range signatures {
		for name, put := range store {
			t.Run(version+"/"+name, func(t *testing.T) {
				b, bucket, _ := serve(t, nil, region)
				if err := put(t, b); err != nil {
					t.Fatal(err)
				}
				header, err := bucket.GetObjectDetailedMeta("key")
				if err != nil {
					t.Fatal(err)
				}
				got := make(map[string]string)
				for name := range want {
					got[name] = header.Get(name)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("headers (-want +got):\n%s", diff)
				}
				acl, err := bucket.GetObjectACL("key")
				if err != nil || acl.ACL != attrs.ACL {
					t.Errorf("ACL is %q (%v), want %q", acl.ACL, err, attrs.ACL)
				}
				tagging, err := bucket.GetObjectTagging("key")
				if err != nil {
					t.Fatal(err)
				}
				tags := make(map[string]string)
				for _, tag := range tagging.Tags {
					tags[tag.Key] = tag.Value
				}
				if diff := cmp.Diff(attrs.Tags, tags); diff != "" {
					t.Errorf("tags (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestMultipartUpload(t *testing.T) {
	for version, region := range signatures {
		t.Run(version, func(t *testing.T) {
			b, bucket, _ := serve(t, nil, region)
			ctx := t.Context()
			content := make([]byte, 300<<10)
			for i := range content {
				content[i] = byte(i >> 10) // no two parts are alike
			}
			u, err := b.Create(ctx, "dir/key", backend.Attributes{})
			if err != nil {
				t.Fatal(err)
			}
			if age := time.Since(u.Initiated); age < -time.Minute || age > time.Minute {
				t.Errorf("initiated %v ago", age)
			}
			var parts []backend.Part
			for i, n := range []int{1, 4, 9} { // gaps are allowed
				data := content[i*100<<10 : (i+1)*100<<10]
				p, err := b.UploadPart(ctx, u, n, bytes.NewReader(data), int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(checksum(data), p.CRC64); diff != "" {
					t.Errorf("part %d: CRC (-want +got):\n%s", n, diff)
				}
				parts = append(parts, p)
			}
			listed, more, err := b.ListParts(ctx, u, 0)
			if err != nil || more {
				t.Errorf("ListParts: more %v, %v", more, err)
			}
			if diff := cmp.Diff(parts, listed); diff != "" {
				t.Errorf("parts (-uploaded +listed):\n%s", diff)
			}
			if tail, _, err := b.ListParts(ctx, u, 4); err != nil || len(tail) != 1 || tail[0].Number != 9 {
				t.Errorf("ListParts after 4: %v, %v", tail, err)
			}

			for name, wrong := range map[string][]backend.Part{
				"missing":      {parts[0], {Number: 5, ETag: parts[1].ETag}},
				"another ETag": {parts[0], {Number: 4, ETag: parts[0].ETag}},
				"order":        {parts[1], parts[0]},
			} {
				if _, err := b.Complete(ctx, u, wrong, backend.CompleteOptions{}); !errors.Is(err, backend.ErrInvalidPart) {
					t.Errorf("%s: %v, want ErrInvalidPart", name, err)
				}
			}

			passed := append([]backend.Part(nil), parts...)
			object, err := b.Complete(ctx, u, passed, backend.CompleteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parts, passed); diff != "" {
				t.Errorf("Complete changed the parts:\n%s", diff)
			}
			etag, ok := b.ETag(parts)
			want := backend.Object{Key: "dir/key", ETag: etag, Size: int64(len(content)), CRC64: checksum(content)}
			if diff := cmp.Diff(want, object); diff != "" || !ok {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			stat, err := b.Stat(ctx, "dir/key")
			if err != nil {
				t.Fatal(err)
			}
			if stat.Modified.Before(u.Initiated) {
				t.Errorf("modified %v, before it was initiated %v", stat.Modified, u.Initiated)
			}
			stat.Modified = time.Time{}
			if diff := cmp.Diff(want, stat); diff != "" {
				t.Errorf("stat (-want +got):\n%s", diff)
			}
			body, err := bucket.GetObject("dir/key")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d bytes (%v), want the %d that were sent", len(got), err, len(content))
			}
			for op, err := range map[string]error{
				"Complete":   func() error { _, err := b.Complete(ctx, u, parts, backend.CompleteOptions{}); return err }(),
				"Abort":      b.Abort(ctx, u),
				"ListParts":  func() error { _, _, err := b.ListParts(ctx, u, 0); return err }(),
				"UploadPart": func() error { _, err := b.UploadPart(ctx, u, 1, strings.NewReader("a"), 1); return err }(),
			} {
				if !errors.Is(err, backend.ErrNoSuchUpload) {
					t.Errorf("%s of a completed upload: %v, want ErrNoSuchUpload", op, err)
				}
			}
		})
	}
}

func TestPut(t *testing.T) {
	b, _, _ := serve(t, nil, "cn-hangzhou")
	for _, content := range []string{"", "a", strings.Repeat("b", 1<<20)} {
		object, err := b.Put(t.Context(), "key", strings.NewReader(content), int64(len(content)), backend.Attributes{}, backend.CompleteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stat, err := b.Stat(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		stat.Modified = time.Time{}
		if diff := cmp.Diff(object, stat); diff != "" {
			t.Errorf("%d bytes (-put +stat):\n%s", len(content), diff)
		}
		if object.Size != int64(len(content)) || object.CRC64 == nil || *object.CRC64 != *checksum([]byte(content)) || len(object.ETag) != 32 {
			t.Errorf("%d bytes: %+v", len(content), object)
		}
	}
}

func TestEmptyPart(t *testing.T) {
	b, _, _ := serve(t, nil, "")
	u, err := b.Create(t.Context(), "empty", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := b.UploadPart(t.Context(), u, 1, strings.NewReader(""), 0)
	if err != nil {
		t.Fatal(err)
	}
	object, err := b.Complete(t.Context(), u, []backend.Part{part}, backend.CompleteOptions{})
	if err != nil || object.Size != 0 || object.CRC64 == nil || *object.CRC64 != 0 {
		t.Errorf("%+v, %v, want an empty object", object, err)
	}
}

func TestIfAbsent(t *testing.T) {
	b, _, _ := serve(t, nil, "")
	ctx, absent := t.Context(), backend.CompleteOptions{IfAbsent: true}
	put := func(text string, opts backend.CompleteOptions) error {
		_, err := b.Put(ctx, "key", strings.NewReader(text), int64(len(text)), backend.Attributes{}, opts)
		return err
	}
	u, err := b.Create(ctx, "key", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := b.UploadPart(ctx, u, 1, strings.NewReader("multi"), 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := put("first", absent); err != nil {
		t.Fatal(err)
	}
	if err := put("second", absent); !errors.Is(err, backend.ErrExists) {
		t.Errorf("Put: %v, want ErrExists", err)
	}
	if _, err := b.Complete(ctx, u, []backend.Part{part}, absent); !errors.Is(err, backend.ErrExists) {
		t.Errorf("Complete: %v, want ErrExists", err)
	}
	if stat, err := b.Stat(ctx, "key"); err != nil || *stat.CRC64 != *checksum([]byte("first")) {
		t.Errorf("%+v, %v: the first object was replaced", stat, err)
	}
	// The refused upload is as it was.
	if _, err := b.Complete(ctx, u, []backend.Part{part}, backend.CompleteOptions{}); err != nil {
		t.Error(err)
	}
}

// oddKeys would be mangled by a careless escape or unescape somewhere on their way.
var oddKeys = []string{"a b", "a+b", "a%2Fb", "a//b", "a/../b", "a/./b", "dir/", "?", "?a=b&c", "#", "&amp;<x>", `a"b'c`, "ü/日本語", "a\\b",
	"…", "...", "%", "%zz", "~-_.!*'()", ";,:@=$", "tab\there", "line\nbreak", "\x01\x7f", " ", "+", strings.Repeat("k", 1023), strings.Repeat("語", 341)}

func mustPart(t *testing.T, b *oss.Backend, u backend.Upload, text string) backend.Part {
	t.Helper()
	p, err := b.UploadPart(t.Context(), u, 1, strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Error(err)
	}
	return p
}

func TestSequentialUpload(t *testing.T) {
	b, bucket, _ := serve(t, nil, "cn-hangzhou")
	started, err := bucket.InitiateMultipartUpload("key", sdk.Sequential())
	if err != nil {
		t.Fatal(err)
	}
	u := backend.Upload{Key: "key", ID: started.UploadID}
	send := func(text string) (backend.Part, error) {
		return b.UploadPart(t.Context(), u, 1, strings.NewReader(text), int64(len(text)))
	}
	first, err := send("abc")
	if err != nil {
		t.Fatal(err)
	}
	again, err := send("abc")
	if err != nil {
		t.Fatalf("the same part again: %v", err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("part (-first +again):\n%s", diff)
	}
	if _, err := send("abd"); !errors.Is(err, backend.ErrInvalid) {
		t.Errorf("another part: %v, want ErrInvalid", err)
	}
}

func TestMissingBucketIsInvalid(t *testing.T) {
	server := fakeoss.NewServer(t, nil)
	cred := server.Credential()
	b := oss.New(open(t, server.URL, oss.Config{AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret}), nil)
	for op, call := range calls {
		if err := call(t.Context(), b); sentinelOf(t, err) != backend.ErrInvalid || !strings.Contains(err.Error(), "NoSuchBucket") {
			t.Errorf("%s: %v, want NoSuchBucket and ErrInvalid", op, err)
		}
	}
}

func TestMissingObjectAndUpload(t *testing.T) {
	b, _, _ := serve(t, nil, "")
	if _, err := b.Stat(t.Context(), "nothing"); sentinelOf(t, err) != backend.ErrNotFound {
		t.Errorf("Stat: %v, want ErrNotFound", err)
	}
	for _, op := range []string{"UploadPart", "ListParts", "Complete", "Abort"} {
		if err := calls[op](t.Context(), b); sentinelOf(t, err) != backend.ErrNoSuchUpload {
			t.Errorf("%s: %v, want ErrNoSuchUpload", op, err)
		}
	}
}

func TestWrongCredentialsAreDenied(t *testing.T) {
	now := time.Now()
	server := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Credentials: []fakeoss.Credential{
		{AccessKeyID: "ID", AccessKeySecret: "SECRET"},
		{AccessKeyID: "TEMPORARY", AccessKeySecret: "SECRET", SecurityToken: "TOKEN", Expires: now.Add(-time.Hour)},
	}})
	late := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return now.Add(time.Hour) },
		Credentials: []fakeoss.Credential{{AccessKeyID: "ID", AccessKeySecret: "SECRET"}}})
	for name, test := range map[string]struct {
		url    string
		config oss.Config
		says   string
	}{
		"secret":  {server.URL, oss.Config{AccessKeyID: "ID", AccessKeySecret: "WRONG"}, "access key secret"},
		"V4":      {server.URL, oss.Config{AccessKeyID: "ID", AccessKeySecret: "WRONG", Region: "cn-hangzhou"}, "access key secret"},
		"region":  {server.URL, oss.Config{AccessKeyID: "ID", AccessKeySecret: "SECRET", Region: "cn-beijing"}, "region"},
		"unknown": {server.URL, oss.Config{AccessKeyID: "NOBODY", AccessKeySecret: "SECRET"}, "does not exist"},
		"expired": {server.URL, oss.Config{AccessKeyID: "TEMPORARY", AccessKeySecret: "SECRET", SessionToken: "TOKEN"}, "expired"},
		"clock":   {late.URL, oss.Config{AccessKeyID: "ID", AccessKeySecret: "SECRET"}, "behind the server's"},
	} {
		t.Run(name, func(t *testing.T) {
			for op, call := range calls {
				b := oss.New(open(t, test.url, test.config), nil) // for each, since it learns the server's time
				if err := call(t.Context(), b); sentinelOf(t, err) != backend.ErrDenied || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v, want ErrDenied that says %q", op, err, test.says)
				}
			}
		})
	}
}

// The answer of a Complete is lost: the error is unknown, and the object is there.
func TestCompleteWhoseAnswerIsLost(t *testing.T) {
	b, _, _ := serve(t, &fakeoss.Options{Buckets: []string{"bucket"},
		Faults: []fakeoss.Fault{{Kind: fakeoss.LoseAnswer, Operation: "CompleteMultipartUpload"}}}, "")
	ctx := t.Context()
	u, err := b.Create(ctx, "key", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	parts := []backend.Part{mustPart(t, b, u, "text")}
	if _, err := b.Complete(ctx, u, parts, backend.CompleteOptions{}); err == nil || sentinelOf(t, err) != nil {
		t.Errorf("%v, want an error that is no sentinel", err)
	}
	if _, err := b.Complete(ctx, u, parts, backend.CompleteOptions{}); !errors.Is(err, backend.ErrNoSuchUpload) {
		t.Errorf("again: %v, want ErrNoSuchUpload", err)
	}
	want, _ := b.ETag(parts)
	if stat, err := b.Stat(ctx, "key"); err != nil || stat.ETag != want {
		t.Errorf("%+v, %v, want the object with ETag %s", stat, err, want)
	}
}

// A part cancelled in the middle of its body leaves the upload usable.
func TestCancelledPart(t *testing.T) {
	arrived := make(chan struct{}, 2)
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			respond(w, http.StatusOK, "", "ETag", `"X"`)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	body := &cancelling{Reader: bytes.NewReader(make([]byte, 1<<20)), cancel: func() {
		<-arrived
		cancel()
		<-ctx.Done()
	}}
	if _, err := b.UploadPart(ctx, theUpload, 1, body, 1<<20); !errors.Is(err, context.Canceled) || sentinelOf(t, err) != nil {
		t.Errorf("%v, want context.Canceled and no sentinel", err)
	}
	if _, err := b.UploadPart(t.Context(), theUpload, 1, strings.NewReader("abc"), 3); err != nil {
		t.Error(err)
	}
}

// cancelling calls cancel once, when half of it was read.
type cancelling struct {
	*bytes.Reader
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 4096)])
	if c.Len() <= 1<<19 && c.cancel != nil {
		c.cancel()
		c.cancel = nil
	}
	return n, err
}
