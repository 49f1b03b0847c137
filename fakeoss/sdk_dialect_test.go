package fakeoss_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestSDKCopyAppendDelete lets the SDK copy, append and delete, with each version of the signature, additional headers signed
// where there are some.
func TestSDKCopyAppendDelete(t *testing.T) {
	for name, options := range map[string][]oss.ClientOption{
		"V1": {oss.AuthVersion(oss.AuthV1)},
		"V2": {oss.AuthVersion(oss.AuthV2), oss.AdditionalHeaders([]string{"host", "range", "user-agent"})},
		"V4": {oss.AuthVersion(oss.AuthV4), oss.Region("cn-hangzhou"), oss.AdditionalHeaders([]string{"host", "user-agent"})},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket", "other"}})
			client := newClient(t, srv, srv.URL, options...)
			bucket, err := client.Bucket("bucket")
			if err != nil {
				t.Fatal(err)
			}
			ok := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			read := func(key string) string {
				t.Helper()
				body, err := bucket.GetObject(key)
				ok("get", err)
				b, err := io.ReadAll(body)
				ok("read", err)
				ok("close", body.Close())
				return string(b)
			}
			const key = "a/b c+d&ü"
			ok("put", bucket.PutObject(key, strings.NewReader("hello"), oss.Meta("my", "prop")))
			_, err = bucket.CopyObject(key, "copy of "+key)
			ok("copy", err)
			_, err = bucket.CopyObjectTo("other", "there", key)
			ok("copy to another bucket", err)
			ok("set metadata", bucket.SetObjectMeta(key, oss.Meta("my", "other")))
			header, err := bucket.GetObjectDetailedMeta(key)
			ok("head", err)
			if read("copy of "+key) != "hello" || header.Get("x-oss-meta-my") != "other" {
				t.Errorf("copy %q, metadata %v", read("copy of "+key), header)
			}

			position := int64(0)
			for _, piece := range []string{"one ", "two ", "three"} {
				position, err = bucket.AppendObject("log", strings.NewReader(piece), position)
				ok("append", err)
			}
			if got := read("log"); got != "one two three" || position != int64(len(got)) {
				t.Errorf("appended %q, position %d", got, position)
			}
			if _, err := bucket.AppendObject("log", strings.NewReader("x"), 1); err == nil || !strings.Contains(err.Error(), "PositionNotEqualToLength") {
				t.Errorf("append at 1: %v", err)
			}

			data := randomBytes(11, 250_000)
			ok("put", bucket.PutObject("large", bytes.NewReader(data)))
			ok("copy in parts", bucket.CopyFile("bucket", "large", "large copy", 102400, oss.Routines(3)))
			if read("large copy") != string(data) {
				t.Error("the copy in parts differs")
			}

			ok("bucket ACL", client.SetBucketACL("bucket", oss.ACLPublicRead))
			acl, err := client.GetBucketACL("bucket")
			ok("bucket ACL", err)
			if acl.ACL != "public-read" {
				t.Errorf("ACL %v", acl)
			}

			get, err := bucket.SignURL(key, oss.HTTPGet, 60, oss.ResponseContentType("x/y"))
			ok("sign", err)
			body, err := bucket.GetObjectWithURL(get)
			ok("get with URL", err)
			b, err := io.ReadAll(body)
			if err != nil || string(b) != "hello" {
				t.Errorf("get with URL: %q, %v", b, err)
			}
			ok("close", body.Close())

			keys := []string{key, "copy of " + key, "log", "large", "large copy", "absent"}
			deleted, err := bucket.DeleteObjects(keys)
			ok("delete", err)
			if diff := cmp.Diff(keys, deleted.DeletedObjects); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			quiet, err := bucket.DeleteObjects([]string{"x"}, oss.DeleteObjectsQuiet(true))
			ok("delete quietly", err)
			listed, err := bucket.ListObjects()
			ok("list", err)
			if len(quiet.DeletedObjects) != 0 || len(listed.Objects) != 0 {
				t.Errorf("quiet %v, left %v", quiet.DeletedObjects, listed.Objects)
			}
			for _, e := range srv.Journal() {
				if e.Operation == "" || e.Status == 501 {
					t.Errorf("%s %s: %d", e.Method, e.Key, e.Status)
				}
			}
		})
	}
}
