package fakeoss_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// newClient returns aliyun-oss-go-sdk as it is, for a server. Every connection goes to the server's address, whatever the
// host in the URL: there is no name service in these tests.
func newClient(t *testing.T, srv *fakeoss.TestServer, endpoint string, options ...oss.ClientOption) *oss.Client {
	t.Helper()
	address := strings.TrimPrefix(srv.URL, "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	options = append([]oss.ClientOption{oss.HTTPClient(&http.Client{Transport: transport})}, options...)
	client, err := oss.New(endpoint, srv.AccessKeyID, srv.AccessKeySecret, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = c.Read(b)
	return b
}

// TestSDKUploadFile lets the SDK's own resumable upload run against the server, with both versions of the signature and both
// styles of address, in memory and in a directory.
func TestSDKUploadFile(t *testing.T) {
	data := randomBytes(1, 5*102400+17)
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	styles := []struct{ name, endpoint string }{
		{"path", ""},
		{"virtual/localhost", "http://localhost:%s"},
		{"virtual/public", "http://oss-cn-hangzhou.aliyuncs.com"},
	}
	versions := []struct {
		name    string
		options []oss.ClientOption
	}{
		{"V1", []oss.ClientOption{oss.AuthVersion(oss.AuthV1)}},
		{"V2", []oss.ClientOption{oss.AuthVersion(oss.AuthV2)}},
		{"V4", []oss.ClientOption{oss.AuthVersion(oss.AuthV4), oss.Region("cn-hangzhou")}},
	}
	for _, store := range []string{"memory", "directory"} {
		for _, style := range styles {
			for _, version := range versions {
				t.Run(fmt.Sprintf("%s/%s/%s", store, style.name, version.name), func(t *testing.T) {
					opts := &fakeoss.Options{Buckets: []string{"bucket"}}
					if store == "directory" {
						opts.Dir = t.TempDir()
					}
					srv := fakeoss.NewServer(t, opts)
					endpoint := style.endpoint
					if endpoint == "" {
						endpoint = srv.URL
					}
					if strings.Contains(endpoint, "%s") {
						_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
						endpoint = fmt.Sprintf(endpoint, port)
					}
					testUploadFile(t, newClient(t, srv, endpoint, version.options...), srv, file, data)
				})
			}
		}
	}
}

// testUploadFile fails the fourth part of an upload, and lets a second call resume it.
func testUploadFile(t *testing.T, client *oss.Client, srv *fakeoss.TestServer, file string, data []byte) {
	bucket, err := client.Bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	const key = "dir/a b+c%2Fd/ü"
	if err := srv.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 4}); err != nil {
		t.Fatal(err)
	}
	checkpoint := oss.Checkpoint(true, filepath.Join(t.TempDir(), "checkpoint"))
	// One routine: a second one whose part fails, too, stays behind forever in the SDK.
	if err := bucket.UploadFile(key, file, 102400, oss.Routines(1), checkpoint); err == nil {
		t.Fatal("the first upload succeeded, though part 4 was refused")
	}
	if err := bucket.UploadFile(key, file, 102400, oss.Routines(3), checkpoint, oss.ContentType("text/x"), oss.Meta("a", "v")); err != nil {
		t.Fatal(err)
	}
	body, err := bucket.GetObject(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("the object differs from the file: %d bytes, want %d", len(got), len(data))
	}
	acknowledged := map[int]int{}
	initiated := 0
	for _, e := range srv.Journal() {
		switch {
		case e.Operation == "InitiateMultipartUpload":
			initiated++
		case e.Operation == "UploadPart" && e.Status == http.StatusOK && e.Acknowledged:
			acknowledged[e.PartNumber]++
		}
		if e.Status == http.StatusForbidden {
			t.Errorf("refused: %+v", e)
		}
	}
	if initiated != 1 {
		t.Errorf("%d uploads were begun, want one that is resumed", initiated)
	}
	// How many parts the second call sends again is not for this test to say: the SDK forgets those that were acknowledged
	// while it gave up because of another.
	if len(acknowledged) != 6 {
		t.Errorf("parts acknowledged, by number: %v; want 6", acknowledged)
	}
}

// TestSDKCalls uses what else the SDK has for the operations of this server: CreateBucket, GetBucketInfo, GetBucketLocation,
// ListBuckets, SetBucketACL, GetBucketACL, DeleteBucket; PutObject (with a length, empty, nil, in chunks), GetObject (whole, a
// range), GetObjectDetailedMeta, GetObjectMeta, IsObjectExist, DownloadFile, PutObjectTagging, GetObjectTagging,
// DeleteObjectTagging, SetObjectACL, GetObjectACL, CopyObject, CopyObjectTo, SetObjectMeta, CopyFile, AppendObject, SignURL
// (PutObjectWithURL, GetObjectWithURL), ListObjects, ListObjectsV2, DeleteObject, DeleteObjects; InitiateMultipartUpload,
// UploadPart, UploadPartCopy, ListUploadedParts, ListMultipartUploads, CompleteMultipartUpload, AbortMultipartUpload.
func TestSDKCalls(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		for name, options := range map[string][]oss.ClientOption{
			"V1": {oss.AuthVersion(oss.AuthV1), oss.EnableMD5(true)},
			"V2": {oss.AuthVersion(oss.AuthV2), oss.AdditionalHeaders([]string{"host"})},
			"V4": {oss.AuthVersion(oss.AuthV4), oss.Region("cn-hangzhou"), oss.AdditionalHeaders([]string{"host", "user-agent"})},
		} {
			t.Run(name, func(t *testing.T) { testSDKCalls(t, newClient(t, srv, srv.URL, options...)) })
		}
	})
}

func testSDKCalls(t *testing.T, client *oss.Client) {
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	ok("create", client.CreateBucket("sdk", oss.ACL(oss.ACLPrivate), oss.StorageClass(oss.StorageIA)))
	info, err := client.GetBucketInfo("sdk")
	ok("info", err)
	if info.BucketInfo.StorageClass != "IA" || info.BucketInfo.Name != "sdk" {
		t.Errorf("info: %+v", info.BucketInfo)
	}
	location, err := client.GetBucketLocation("sdk")
	ok("location", err)
	buckets, err := client.ListBuckets(oss.Prefix("sd"))
	ok("list buckets", err)
	if location != "oss-cn-hangzhou" || len(buckets.Buckets) != 1 || buckets.Buckets[0].CreationDate.IsZero() {
		t.Errorf("location %q, buckets %+v", location, buckets.Buckets)
	}
	bucket, err := client.Bucket("sdk")
	ok("bucket", err)

	ok("put", bucket.PutObject("a b+c", strings.NewReader("hello"), oss.Meta("k", "v"), oss.ObjectACL(oss.ACLPublicRead)))
	ok("put empty", bucket.PutObject("empty", strings.NewReader("")))
	ok("put nil", bucket.PutObject("nil", nil))
	// A reader without a length goes out in chunks.
	ok("put chunked", bucket.PutObject("chunked", io.MultiReader(strings.NewReader("hello"))))
	ok("tagging", bucket.PutObjectTagging("a b+c", oss.Tagging{Tags: []oss.Tag{{Key: "t", Value: "u"}}}))
	tags, err := bucket.GetObjectTagging("a b+c")
	ok("get tagging", err)
	acl, err := bucket.GetObjectACL("a b+c")
	ok("acl", err)
	header, err := bucket.GetObjectDetailedMeta("a b+c")
	ok("head", err)
	if len(tags.Tags) != 1 || acl.ACL != "public-read" || header.Get("x-oss-meta-k") != "v" || header.Get("Content-Length") != "5" {
		t.Errorf("tags %v, acl %v, header %v", tags, acl, header)
	}
	file := filepath.Join(t.TempDir(), "f")
	ok("download", bucket.DownloadFile("a b+c", file, 102400, oss.Routines(2)))
	if b, err := os.ReadFile(file); err != nil || string(b) != "hello" {
		t.Errorf("downloaded %q, %v", b, err)
	}
	part, err := bucket.GetObject("chunked", oss.Range(1, 3))
	ok("range", err)
	if b, err := io.ReadAll(part); err != nil || string(b) != "ell" {
		t.Errorf("range: %q, %v", b, err)
	}
	ok("close", part.Close())

	imur, err := bucket.InitiateMultipartUpload("multi", oss.ContentType("text/x"))
	ok("initiate", err)
	first, err := bucket.UploadPart(imur, bytes.NewReader(randomBytes(9, 102400)), 102400, 1)
	ok("part", err)
	last, err := bucket.UploadPart(imur, strings.NewReader("tail"), 4, 2)
	ok("part", err)
	parts, err := bucket.ListUploadedParts(imur)
	ok("list parts", err)
	uploads, err := bucket.ListMultipartUploads()
	ok("list uploads", err)
	if len(parts.UploadedParts) != 2 || len(uploads.Uploads) != 1 || uploads.Uploads[0].UploadID != imur.UploadID {
		t.Errorf("parts %+v, uploads %+v", parts.UploadedParts, uploads.Uploads)
	}
	_, err = bucket.CompleteMultipartUpload(imur, []oss.UploadPart{last, first})
	ok("complete", err)
	_, err = bucket.CompleteMultipartUpload(imur, []oss.UploadPart{first, last})
	if se, is := err.(oss.ServiceError); !is || se.Code != "NoSuchUpload" || se.StatusCode != 404 || se.RequestID == "" || se.Ec == "" {
		t.Errorf("complete again: %#v", err)
	}
	again, err := bucket.InitiateMultipartUpload("multi")
	ok("initiate", err)
	ok("abort", bucket.AbortMultipartUpload(again))

	testSDKCopies(t, client, bucket)
	testSDKSignedURLs(t, bucket)
	exists, err := bucket.IsObjectExist("multi")
	ok("exists", err)
	missing, err := bucket.IsObjectExist("missing")
	ok("exists", err)
	if !exists || missing {
		t.Errorf("exists: %v, %v", exists, missing)
	}
	listed, err := bucket.ListObjects()
	ok("list", err)
	if len(listed.Objects) != 5 {
		t.Errorf("list: %+v", listed.Objects)
	}
	var names []string
	for token, more := "", true; more; {
		page, err := bucket.ListObjectsV2(oss.MaxKeys(2), oss.ContinuationToken(token), oss.Delimiter("/"))
		ok("list v2", err)
		for _, o := range page.Objects {
			names = append(names, o.Key)
		}
		token, more = page.NextContinuationToken, page.IsTruncated
	}
	if diff := cmp.Diff([]string{"a b+c", "chunked", "empty", "multi", "nil"}, names); diff != "" {
		t.Errorf("list v2 (-want +got):\n%s", diff)
	}
	deleted, err := bucket.DeleteObjects(append(names[1:], "missing<&>"))
	ok("delete objects", err)
	if diff := cmp.Diff(append(names[1:], "missing<&>"), deleted.DeletedObjects); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	quiet, err := bucket.DeleteObjects(names[:1], oss.DeleteObjectsQuiet(true))
	ok("delete objects quietly", err)
	if len(quiet.DeletedObjects) != 0 {
		t.Errorf("a quiet deletion tells of %q", quiet.DeletedObjects)
	}
	ok("delete bucket", client.DeleteBucket("sdk"))
}

// testSDKCopies copies and appends, and leaves no object behind.
func testSDKCopies(t *testing.T, client *oss.Client, bucket *oss.Bucket) {
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	content := func(key string) string {
		t.Helper()
		body, err := bucket.GetObject(key)
		ok("get "+key, err)
		b, err := io.ReadAll(body)
		ok("read "+key, err)
		ok("close "+key, body.Close())
		return string(b)
	}
	data := string(randomBytes(10, 2*102400+3))
	const source = "x/from a+b"
	ok("put", bucket.PutObject(source, strings.NewReader(data), oss.Meta("a", "b")))
	_, err := bucket.CopyObject(source, "x/copied")
	ok("copy", err)
	_, err = bucket.CopyObjectTo("sdk", "x/copied to", source)
	ok("copy to", err)
	ok("set meta", bucket.SetObjectMeta("x/copied", oss.Meta("a", "c")))
	ok("copy file", bucket.CopyFile("sdk", source, "x/copied file", 102400, oss.Routines(1)))
	header, err := bucket.GetObjectMeta("x/copied")
	ok("meta", err)
	detailed, err := bucket.GetObjectDetailedMeta("x/copied")
	ok("detailed meta", err)
	if header.Get("Content-Length") != fmt.Sprint(len(data)) || detailed.Get("x-oss-meta-a") != "c" {
		t.Errorf("meta %v, detailed %v", header, detailed)
	}
	imur, err := bucket.InitiateMultipartUpload("x/parts")
	ok("initiate", err)
	first, err := bucket.UploadPartCopy(imur, "sdk", source, 0, 102400, 1)
	ok("copy part", err)
	second, err := bucket.UploadPartCopy(imur, "sdk", source, 102400, 102403, 2)
	ok("copy part", err)
	_, err = bucket.CompleteMultipartUpload(imur, []oss.UploadPart{first, second})
	ok("complete", err)
	for _, key := range []string{"x/copied", "x/copied to", "x/copied file", "x/parts"} {
		if content(key) != data {
			t.Errorf("%s has other bytes than its source", key)
		}
	}

	position, err := bucket.AppendObject("x/log", strings.NewReader("one,"), 0)
	ok("append", err)
	_, err = bucket.AppendObject("x/log", strings.NewReader("two"), position)
	ok("append", err)
	_, err = bucket.AppendObject("x/log", strings.NewReader("x"), 1)
	if se, is := err.(oss.ServiceError); !is || se.Code != "PositionNotEqualToLength" {
		t.Errorf("append elsewhere: %v", err)
	}
	if got := content("x/log"); got != "one,two" {
		t.Errorf("appended: %q", got)
	}
	ok("set acl", bucket.SetObjectACL("x/log", oss.ACLPublicRead))
	ok("delete tagging", bucket.DeleteObjectTagging("x/log"))
	ok("set bucket acl", client.SetBucketACL("sdk", oss.ACLPublicRead))
	acl, err := client.GetBucketACL("sdk")
	ok("bucket acl", err)
	if acl.ACL != "public-read" {
		t.Errorf("bucket acl: %s", acl.ACL)
	}
	for _, key := range []string{source, "x/copied", "x/copied to", "x/copied file", "x/parts", "x/log"} {
		ok("delete", bucket.DeleteObject(key))
	}
}

// testSDKSignedURLs puts and gets through presigned URLs.
func testSDKSignedURLs(t *testing.T, bucket *oss.Bucket) {
	const key = "signed/a b+c"
	sum := md5.Sum([]byte("signed"))
	headers := []oss.Option{oss.ContentType("text/x"), oss.ContentMD5(base64.StdEncoding.EncodeToString(sum[:]))}
	put, err := bucket.SignURL(key, oss.HTTPPut, 60, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.PutObjectWithURL(put, strings.NewReader("signed"), headers...); err != nil {
		t.Fatal(err)
	}
	get, err := bucket.SignURL(key, oss.HTTPGet, 60, oss.ResponseContentType("text/y"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := bucket.GetObjectWithURL(get)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || string(b) != "signed" {
		t.Errorf("%q, %v", b, err)
	}
	if err := bucket.DeleteObject(key); err != nil {
		t.Fatal(err)
	}
}
