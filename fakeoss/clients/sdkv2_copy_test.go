package clients

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestV2Copies calls CopyObject, UploadPartCopy, the Copier (both its ways: one request, and parts), AppendObject,
// AppendFile, DeleteMultipleObjects (loud and quiet), PutBucketAcl and GetBucketAcl.
func TestV2Copies(t *testing.T) { eachConfiguration(t, testCopies) }

func testCopies(t *testing.T, _ *fakeoss.TestServer, client *oss.Client) {
	ctx := t.Context()
	b := oss.Ptr(bucket)
	data := randomBytes(4, 3*partSize+5)
	_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: b, Key: oss.Ptr(odd), Body: bytes.NewReader(data),
		Metadata: map[string]string{"a": "b"}, Tagging: oss.Ptr("k=v")})
	must(t, "put", err)
	want := func(key, metadata string) {
		t.Helper()
		get, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: b, Key: oss.Ptr(key)})
		must(t, "get", err)
		if got := readAll(t, get.Body); got != string(data) || get.Metadata["a"] != metadata {
			t.Errorf("%s: %d bytes, metadata %v; want %d bytes and a: %s", key, len(got), get.Metadata, len(data), metadata)
		}
	}

	_, err = client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: b, Key: oss.Ptr("copied"), SourceKey: oss.Ptr(odd)})
	must(t, "copy", err)
	want("copied", "b")
	_, err = client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: b, Key: oss.Ptr("copied"), SourceBucket: b, SourceKey: oss.Ptr(odd),
		MetadataDirective: oss.Ptr("REPLACE"), Metadata: map[string]string{"a": "c"}})
	must(t, "copy with other metadata", err)
	want("copied", "c")
	_, err = client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: b, Key: oss.Ptr("copied"), SourceKey: oss.Ptr(odd), IfMatch: oss.Ptr("0")})
	wantCode(t, "copy if-match", err, "PreconditionFailed")
	_, err = client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: b, Key: oss.Ptr("copied"), SourceKey: oss.Ptr("missing")})
	wantCode(t, "copy what is not there", err, "NoSuchKey")

	up, err := client.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: b, Key: oss.Ptr("parts"), Metadata: map[string]string{"a": "d"}})
	must(t, "initiate", err)
	var parts []oss.UploadPart
	for i, r := range []string{"bytes=0-204799", "bytes=204800-307204"} {
		p, err := client.UploadPartCopy(ctx, &oss.UploadPartCopyRequest{Bucket: b, Key: oss.Ptr("parts"), UploadId: up.UploadId,
			PartNumber: int32(i + 1), SourceKey: oss.Ptr(odd), Range: oss.Ptr(r)})
		must(t, "copy a part", err)
		parts = append(parts, oss.UploadPart{PartNumber: int32(i + 1), ETag: p.ETag})
	}
	_, err = client.CompleteMultipartUpload(ctx, &oss.CompleteMultipartUploadRequest{Bucket: b, Key: oss.Ptr("parts"), UploadId: up.UploadId,
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts}})
	must(t, "complete", err)
	want("parts", "d")

	for _, threshold := range []int64{0, partSize} {
		copier := client.NewCopier(func(o *oss.CopierOptions) {
			o.PartSize, o.ParallelNum, o.DisableShallowCopy = partSize, 1, true
			if threshold > 0 {
				o.MultipartCopyThreshold = threshold
			}
		})
		_, err = copier.Copy(ctx, &oss.CopyObjectRequest{Bucket: b, Key: oss.Ptr("copier"), SourceKey: oss.Ptr(odd)})
		must(t, "copier", err)
		want("copier", "b")
	}
	testAppends(t, client)
	testDeletes(t, client)

	_, err = client.PutBucketAcl(ctx, &oss.PutBucketAclRequest{Bucket: b, Acl: oss.BucketACLPublicRead})
	must(t, "put bucket acl", err)
	acl, err := client.GetBucketAcl(ctx, &oss.GetBucketAclRequest{Bucket: b})
	must(t, "get bucket acl", err)
	if text(acl.ACL) != "public-read" {
		t.Errorf("bucket acl: %s", text(acl.ACL))
	}
}

func testAppends(t *testing.T, client *oss.Client) {
	ctx := t.Context()
	b, k := oss.Ptr(bucket), oss.Ptr("append/log")
	first, err := client.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: b, Key: k, Position: oss.Ptr(int64(0)), Body: strings.NewReader("one,"), InitHashCRC64: oss.Ptr("0")})
	must(t, "append", err)
	second, err := client.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: b, Key: k, Position: oss.Ptr(first.NextPosition), Body: strings.NewReader("two,"), InitHashCRC64: first.HashCRC64})
	must(t, "append", err)
	_, err = client.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: b, Key: k, Position: oss.Ptr(int64(1)), Body: strings.NewReader("x")})
	wantCode(t, "append elsewhere", err, "PositionNotEqualToLength")
	_, err = client.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: b, Key: oss.Ptr(odd), Position: oss.Ptr(int64(0)), Body: strings.NewReader("x")})
	wantCode(t, "append to another type", err, "ObjectNotAppendable")
	file, err := client.AppendFile(ctx, bucket, "append/log")
	must(t, "open", err)
	_, err = file.Write([]byte("three"))
	must(t, "write", err)
	must(t, "close", file.Close())
	get, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: b, Key: k})
	must(t, "get", err)
	if got := readAll(t, get.Body); got != "one,two,three" || second.NextPosition != 8 || text(get.ObjectType) != "Appendable" {
		t.Errorf("appended: %q, %d, %s", got, second.NextPosition, text(get.ObjectType))
	}
}

func testDeletes(t *testing.T, client *oss.Client) {
	ctx := t.Context()
	b := oss.Ptr(bucket)
	keys := []string{odd, "copied", "parts", "a&<b>", "missing"}
	for _, quiet := range []bool{false, true} {
		var objects []oss.ObjectIdentifier
		for _, k := range keys {
			objects = append(objects, oss.ObjectIdentifier{Key: oss.Ptr(k)})
		}
		result, err := client.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{Bucket: b, Delete: &oss.Delete{Objects: objects, Quiet: quiet}})
		must(t, "delete", err)
		var got []string
		for _, d := range result.DeletedObjects {
			got = append(got, *d.Key)
		}
		want := slices.Clone(keys)
		if quiet {
			want = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("deleted, quiet %v (-want +got):\n%s", quiet, diff)
		}
	}
	if exists, err := client.IsObjectExist(ctx, bucket, odd); err != nil || exists {
		t.Errorf("exists: %v, %v", exists, err)
	}
}

// TestV2Callback has PutObject and CompleteMultipartUpload call a server on this machine.
func TestV2Callback(t *testing.T) {
	called := make(chan string, 2)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		called <- r.PostForm.Get("key") + " " + r.PostForm.Get("size") + " " + r.PostForm.Get("mine")
		body := `{"Status":"OK"}`
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	defer back.Close()
	srv := newServer(t)
	client := newClient(srv, configurations()[1], &http.Client{Transport: dialing(t, srv)})
	b, k := oss.Ptr(bucket), oss.Ptr(odd)
	encode := func(s string) *string { return oss.Ptr(base64.StdEncoding.EncodeToString([]byte(s))) }
	callback := encode(`{"callbackUrl":"` + back.URL + `","callbackBody":"key=${object}&size=${size}&mine=${x:mine}"}`)
	variables := encode(`{"x:mine":"v"}`)
	put, err := client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: b, Key: k, Body: strings.NewReader("12345"), Callback: callback, CallbackVar: variables})
	must(t, "put", err)
	if got := <-called; got != odd+" 5 v" || put.CallbackResult["Status"] != "OK" {
		t.Errorf("called with %q; the answer: %v", got, put.CallbackResult)
	}
	up, err := client.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: b, Key: k})
	must(t, "initiate", err)
	_, err = client.UploadPart(t.Context(), &oss.UploadPartRequest{Bucket: b, Key: k, UploadId: up.UploadId, PartNumber: 1, Body: strings.NewReader("123")})
	must(t, "part", err)
	done, err := client.CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{Bucket: b, Key: k, UploadId: up.UploadId,
		CompleteAll: oss.Ptr("yes"), Callback: callback, CallbackVar: variables})
	must(t, "complete", err)
	if got := <-called; got != odd+" 3 v" || done.CallbackResult["Status"] != "OK" {
		t.Errorf("called with %q; the answer: %v", got, done.CallbackResult)
	}
	_, err = client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: b, Key: oss.Ptr("k"), Body: strings.NewReader("1"),
		Callback: encode(`{"callbackUrl":"http://127.0.0.1:1","callbackBody":"x=1"}`)})
	wantCode(t, "put", err, "CallbackFailed")
	if exists, err := client.IsObjectExist(t.Context(), bucket, "k"); err != nil || !exists {
		t.Errorf("after a callback that failed the object must be there: %v, %v", exists, err)
	}
}
