package clients

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestV2Objects calls PutObject, GetObject (whole, with a range, with conditions), HeadObject, GetObjectMeta, IsObjectExist,
// PutObjectAcl, GetObjectAcl, PutObjectTagging, GetObjectTagging, DeleteObjectTagging, GetObjectToFile and DeleteObject.
func TestV2Objects(t *testing.T) { eachConfiguration(t, testObjects) }

func testObjects(t *testing.T, _ *fakeoss.TestServer, client *oss.Client) {
	ctx := t.Context()
	const content = "hello, fake"
	put, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd),
		Body: strings.NewReader(content), ContentType: oss.Ptr("text/x; charset=utf-8"), CacheControl: oss.Ptr("no-cache"),
		Metadata: map[string]string{"Kind": "a b"}, StorageClass: oss.StorageClassIA, Acl: oss.ObjectACLPrivate,
		Tagging: oss.Ptr("k=v")})
	must(t, "put", err)
	etag := fmt.Sprintf(`"%X"`, md5.Sum([]byte(content)))
	if text(put.ETag) != etag || put.HashCRC64 == nil {
		t.Errorf("put: ETag %s, want %s; CRC %s", text(put.ETag), etag, text(put.HashCRC64))
	}
	_, err = client.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd),
		Body: strings.NewReader("other"), ForbidOverwrite: oss.Ptr("true")})
	wantCode(t, "put again", err, "FileAlreadyExists")
	_, err = client.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("empty")})
	must(t, "put nothing", err)

	get, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "get", err)
	if got := readAll(t, get.Body); got != content || text(get.ETag) != etag || text(get.ContentType) != "text/x; charset=utf-8" {
		t.Errorf("get: %q, %+v", got, get)
	}
	part, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), Range: oss.Ptr("bytes=7-"),
		RangeBehavior: oss.Ptr("standard")})
	must(t, "get range", err)
	if got := readAll(t, part.Body); got != "fake" || text(part.ContentRange) != "bytes 7-10/11" {
		t.Errorf("range: %q, %s", got, text(part.ContentRange))
	}
	_, err = client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), Range: oss.Ptr("bytes=99-100"),
		RangeBehavior: oss.Ptr("standard")})
	wantCode(t, "range beyond the end", err, "InvalidRange")
	_, err = client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), IfMatch: oss.Ptr(`"0"`)})
	wantCode(t, "get if-match", err, "PreconditionFailed")
	_, err = client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("missing")})
	wantCode(t, "get what is not there", err, "NoSuchKey")

	head, err := client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "head", err)
	if head.ContentLength != 11 || head.Metadata["kind"] != "a b" || text(head.StorageClass) != "IA" || text(head.ObjectType) != "Normal" ||
		text(head.CacheControl) != "no-cache" || text(head.HashCRC64) != text(put.HashCRC64) || head.TaggingCount != 1 {
		t.Errorf("head: %+v", head)
	}
	_, err = client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("missing")})
	wantCode(t, "head what is not there", err, "NoSuchKey")
	meta, err := client.GetObjectMeta(ctx, &oss.GetObjectMetaRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "meta", err)
	if meta.ContentLength != 11 || text(meta.ETag) != etag || text(meta.HashCRC64) != text(put.HashCRC64) {
		t.Errorf("meta: %+v", meta)
	}
	for key, want := range map[string]bool{odd: true, "missing": false} {
		if got, err := client.IsObjectExist(ctx, bucket, key); err != nil || got != want {
			t.Errorf("exists %q: %v, %v", key, got, err)
		}
	}
	testAccess(t, client)

	file := filepath.Join(t.TempDir(), "file")
	_, err = client.GetObjectToFile(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)}, file)
	must(t, "get to file", err)
	if b, err := os.ReadFile(file); err != nil || string(b) != content {
		t.Errorf("file: %q, %v", b, err)
	}
	for range 2 { // absent the second time: no error
		_, err = client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
		must(t, "delete", err)
	}
}

// testAccess changes the ACL and the tags of the object.
func testAccess(t *testing.T, client *oss.Client) {
	ctx := t.Context()
	_, err := client.PutObjectAcl(ctx, &oss.PutObjectAclRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), Acl: oss.ObjectACLPublicRead})
	must(t, "put acl", err)
	acl, err := client.GetObjectAcl(ctx, &oss.GetObjectAclRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "get acl", err)
	if text(acl.ACL) != "public-read" || acl.Owner == nil {
		t.Errorf("acl: %+v", acl)
	}
	_, err = client.PutObjectTagging(ctx, &oss.PutObjectTaggingRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd),
		Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: []oss.Tag{{Key: oss.Ptr("x"), Value: oss.Ptr("y")}}}}})
	must(t, "put tagging", err)
	tags, err := client.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "get tagging", err)
	if len(tags.Tags) != 1 || text(tags.Tags[0].Key) != "x" || text(tags.Tags[0].Value) != "y" {
		t.Errorf("tags: %+v", tags.Tags)
	}
	del, err := client.DeleteObjectTagging(ctx, &oss.DeleteObjectTaggingRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "delete tagging", err)
	if del.StatusCode != http.StatusNoContent {
		t.Errorf("delete tagging: %s", del.Status)
	}
}

// TestV2Lists calls ListObjects and ListObjectsV2 through their paginators, with and without a delimiter and with keys that
// need escaping, and ListMultipartUploads through its paginator.
func TestV2Lists(t *testing.T) { eachConfiguration(t, testLists) }

func testLists(t *testing.T, _ *fakeoss.TestServer, client *oss.Client) {
	ctx := t.Context()
	keys := []string{"a b+c", "a/1", "a/2", "a/ü&<>", "b", "z%2F"}
	for _, k := range keys {
		_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(k), Body: strings.NewReader(k)})
		must(t, "put", err)
	}
	for _, delimiter := range []string{"", "/"} {
		want := keys
		if delimiter != "" {
			want = []string{"a b+c", "a/", "b", "z%2F"}
		}
		for _, encoding := range []*string{nil, oss.Ptr("url")} {
			v1 := client.NewListObjectsPaginator(&oss.ListObjectsRequest{Bucket: oss.Ptr(bucket), Delimiter: oss.Ptr(delimiter),
				MaxKeys: 2, EncodingType: encoding})
			v2 := client.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr(bucket), Delimiter: oss.Ptr(delimiter),
				MaxKeys: 2, EncodingType: encoding, FetchOwner: true})
			var got1, got2 []string
			for v1.HasNext() {
				page, err := v1.NextPage(ctx)
				must(t, "list", err)
				got1 = append(got1, names(page.Contents, page.CommonPrefixes)...)
			}
			for v2.HasNext() {
				page, err := v2.NextPage(ctx)
				must(t, "list v2", err)
				if page.KeyCount != len(page.Contents)+len(page.CommonPrefixes) {
					t.Errorf("KeyCount %d of %d", page.KeyCount, len(page.Contents)+len(page.CommonPrefixes))
				}
				got2 = append(got2, names(page.Contents, page.CommonPrefixes)...)
			}
			for version, got := range map[string][]string{"v1": got1, "v2": got2} {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, delimiter %q, encoding %s (-want +got):\n%s", version, delimiter, text(encoding), diff)
				}
			}
		}
	}

	var want, got []string
	for range 3 {
		for _, k := range []string{"m/a b", "m/b"} {
			up, err := client.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(k)})
			must(t, "initiate", err)
			want = append(want, k+" "+*up.UploadId)
		}
	}
	uploads := client.NewListMultipartUploadsPaginator(&oss.ListMultipartUploadsRequest{Bucket: oss.Ptr(bucket), Prefix: oss.Ptr("m/"), MaxUploads: 2})
	for uploads.HasNext() {
		page, err := uploads.NextPage(ctx)
		must(t, "list uploads", err)
		for _, u := range page.Uploads {
			got = append(got, *u.Key+" "+*u.UploadId)
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
}

// TestV2Buckets calls PutBucket, IsBucketExist, GetBucketInfo, GetBucketLocation, ListBuckets and DeleteBucket.
func TestV2Buckets(t *testing.T) {
	srv := newServer(t)
	client := newClient(srv, configurations()[1], &http.Client{Transport: dialing(t, srv)})
	ctx := t.Context()
	_, err := client.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("another"), Acl: oss.BucketACLPublicRead,
		CreateBucketConfiguration: &oss.CreateBucketConfiguration{StorageClass: oss.StorageClassIA}})
	must(t, "put bucket", err)
	info, err := client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("another")})
	must(t, "info", err)
	if b := info.BucketInfo; text(b.Name) != "another" || text(b.ACL) != "public-read" || text(b.StorageClass) != "IA" ||
		time.Since(*b.CreationDate) > time.Minute {
		t.Errorf("info: %+v", b)
	}
	location, err := client.GetBucketLocation(ctx, &oss.GetBucketLocationRequest{Bucket: oss.Ptr("another")})
	must(t, "location", err)
	if text(location.LocationConstraint) != "oss-cn-hangzhou" {
		t.Errorf("location: %s", text(location.LocationConstraint))
	}
	var got []string
	for p := client.NewListBucketsPaginator(&oss.ListBucketsRequest{MaxKeys: 1}); p.HasNext(); {
		page, err := p.NextPage(ctx)
		must(t, "list buckets", err)
		for _, b := range page.Buckets {
			got = append(got, *b.Name)
		}
	}
	if diff := cmp.Diff([]string{"another", bucket}, got); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	_, err = client.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("another")})
	must(t, "delete bucket", err)
	if exists, err := client.IsBucketExist(ctx, "another"); err != nil || exists {
		t.Errorf("exists: %v, %v", exists, err)
	}
	_, err = client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("another")})
	wantCode(t, "info", err, "NoSuchBucket")
}

func names(contents []oss.ObjectProperties, prefixes []oss.CommonPrefix) []string {
	var out []string
	for _, c := range contents {
		out = append(out, *c.Key)
	}
	for _, p := range prefixes {
		out = append(out, *p.Prefix)
	}
	// Objects and prefixes are in one order over both lists of a page.
	slices.Sort(out)
	return out
}

func readAll(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	var b bytes.Buffer
	_, err := b.ReadFrom(r)
	must(t, "read", err)
	must(t, "close", r.Close())
	return b.String()
}
