package fakeoss_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// eachStore runs a test with both stores.
func eachStore(t *testing.T, f func(t *testing.T, srv *fakeoss.TestServer)) {
	for _, name := range []string{"memory", "directory"} {
		t.Run(name, func(t *testing.T) {
			opts := &fakeoss.Options{Buckets: []string{"bucket"}}
			if name == "directory" {
				opts.Dir = t.TempDir()
			}
			f(t, fakeoss.NewServer(t, opts))
		})
	}
}

// want checks a response's status and headers. A header with the value "" must be absent.
func want(t *testing.T, what string, r response, status int, header map[string]string) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("%s: status %d, want %d; body %s", what, r.StatusCode, status, r.body)
	}
	got := map[string]string{}
	for k := range header {
		got[k] = r.get(k)
	}
	if diff := cmp.Diff(header, got, cmp.Transformer("nil", func(m map[string]string) map[string]string {
		if len(m) == 0 {
			return nil
		}
		return m
	})); diff != "" {
		t.Errorf("%s: headers (-want +got):\n%s", what, diff)
	}
	if r.get("Server") != "AliyunOSS" || len(r.get("x-oss-request-id")) != 24 || r.get("Date") == "" || r.get("x-oss-server-time") == "" {
		t.Errorf("%s: a header that every answer has is missing: %v", what, r.Header)
	}
}

const helloMD5, helloETag = "XUFAKrxLKna5cZ2REBfFkg==", `"5D41402ABC4B2A76B9719D911017C592"`

func TestObjects(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		crc := crcOf([]byte("hello"))
		put := do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello", header: map[string]string{
			"Content-Type": "text/plain", "Cache-Control": "no-cache", "Content-MD5": helloMD5, "x-oss-meta-Name": "v",
			"x-oss-storage-class": "IA", "x-oss-object-acl": "public-read", "x-oss-tagging": "a=b%20c&d", "x-oss-server-side-encryption": "AES256"}})
		want(t, "put", put, 200, map[string]string{"ETag": helloETag, "x-oss-hash-crc64ecma": crc, "Content-MD5": helloMD5,
			"Content-Length": "0", "x-oss-server-side-encryption": "AES256"})

		stored := map[string]string{"ETag": helloETag, "x-oss-hash-crc64ecma": crc, "Content-MD5": helloMD5, "Content-Length": "5",
			"Content-Type": "text/plain", "Cache-Control": "no-cache", "x-oss-meta-name": "v", "x-oss-storage-class": "IA",
			"x-oss-object-type": "Normal", "x-oss-tagging-count": "2", "x-oss-server-side-encryption": "AES256", "Accept-Ranges": "bytes"}
		get := do(t, srv, request{method: "GET", path: "/bucket/k"})
		want(t, "get", get, 200, stored)
		want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, stored)
		if get.body != "hello" {
			t.Errorf("get: %q", get.body)
		}
		want(t, "meta", do(t, srv, request{method: "HEAD", path: "/bucket/k?objectMeta"}), 200,
			map[string]string{"ETag": helloETag, "Content-Length": "5", "x-oss-hash-crc64ecma": crc, "x-oss-meta-name": "", "Content-Type": ""})

		part := do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=1-3"}})
		want(t, "range", part, 206, map[string]string{"Content-Range": "bytes 1-3/5", "Content-Length": "3"})
		if part.body != "ell" {
			t.Errorf("range: %q", part.body)
		}
		whole := do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=1-30"}})
		want(t, "range beyond", whole, 200, map[string]string{"Content-Range": "", "Content-Length": "5"})
		clamped := do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=1-30", "x-oss-range-behavior": "standard"}})
		want(t, "range beyond, standard", clamped, 206, map[string]string{"Content-Range": "bytes 1-4/5"})

		want(t, "if-none-match", do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"If-None-Match": helloETag}}), 304, nil)
		want(t, "if-match", do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"If-Match": `"0"`}}), 412, nil)
		want(t, "if-modified-since", do(t, srv, request{method: "GET", path: "/bucket/k",
			header: map[string]string{"If-Modified-Since": get.get("Last-Modified")}}), 304, nil)
		over := do(t, srv, request{method: "GET", path: "/bucket/k?response-content-type=a%2Fb"})
		want(t, "response-content-type", over, 200, map[string]string{"Content-Type": "a/b"})

		// Nothing of the old object lives on in the new one.
		want(t, "put again", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hi"}), 200, nil)
		want(t, "head of the new", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, map[string]string{"Content-Length": "2",
			"Content-Type": "application/octet-stream", "x-oss-meta-name": "", "x-oss-storage-class": "Standard", "Cache-Control": "", "x-oss-tagging-count": ""})

		want(t, "empty", do(t, srv, request{method: "PUT", path: "/bucket/empty"}), 200,
			map[string]string{"ETag": `"D41D8CD98F00B204E9800998ECF8427E"`, "x-oss-hash-crc64ecma": "0"})
		want(t, "get empty", do(t, srv, request{method: "GET", path: "/bucket/empty"}), 200, map[string]string{"Content-Length": "0"})

		want(t, "delete", do(t, srv, request{method: "DELETE", path: "/bucket/k"}), 204, nil)
		want(t, "delete again", do(t, srv, request{method: "DELETE", path: "/bucket/k"}), 204, nil)
		want(t, "get deleted", do(t, srv, request{method: "GET", path: "/bucket/k"}), 404, nil)
	})
}

func TestACLAndTagging(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
		before := do(t, srv, request{method: "HEAD", path: "/bucket/k"})
		want(t, "anonymous", do(t, srv, request{method: "GET", path: "/bucket/k", raw: true}), 403, nil)
		if r := do(t, srv, request{method: "GET", path: "/bucket/k?acl"}); r.element("Grant") != "default" {
			t.Errorf("acl: %s", r.body)
		}
		want(t, "put acl", do(t, srv, request{method: "PUT", path: "/bucket/k?acl", header: map[string]string{"x-oss-object-acl": "public-read"}}), 200, nil)
		if r := do(t, srv, request{method: "GET", path: "/bucket/k?acl"}); r.element("Grant") != "public-read" {
			t.Errorf("acl: %s", r.body)
		}
		want(t, "anonymous on public-read", do(t, srv, request{method: "GET", path: "/bucket/k", raw: true}), 200, nil)
		want(t, "anonymous override", do(t, srv, request{method: "GET", path: "/bucket/k?response-content-type=x", raw: true}), 400, nil)
		want(t, "anonymous put", do(t, srv, request{method: "PUT", path: "/bucket/k", raw: true}), 403, nil)

		tagging := "<Tagging><TagSet><Tag><Key>a</Key><Value>&lt;b&gt;</Value></Tag></TagSet></Tagging>"
		want(t, "put tagging", do(t, srv, request{method: "PUT", path: "/bucket/k?tagging", body: tagging}), 200, nil)
		if r := do(t, srv, request{method: "GET", path: "/bucket/k?tagging"}); r.element("Key") != "a" || r.element("Value") != "<b>" {
			t.Errorf("tagging: %s", r.body)
		}
		after := do(t, srv, request{method: "GET", path: "/bucket/k"})
		if after.body != "hello" || after.get("Last-Modified") != before.get("Last-Modified") || after.get("x-oss-tagging-count") != "1" {
			t.Errorf("after tagging: %v %q", after.Header, after.body)
		}
		want(t, "delete tagging", do(t, srv, request{method: "DELETE", path: "/bucket/k?tagging"}), 204, nil)
		if r := do(t, srv, request{method: "GET", path: "/bucket/k?tagging"}); r.element("Key") != "" {
			t.Errorf("tagging after deletion: %s", r.body)
		}
	})
}

func TestBuckets(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		conf := "<CreateBucketConfiguration><StorageClass>IA</StorageClass></CreateBucketConfiguration>"
		for range 2 { // creating one's own bucket again is no error
			want(t, "put", do(t, srv, request{method: "PUT", path: "/other/", body: conf, header: map[string]string{"x-oss-acl": "public-read"}}), 200, nil)
		}
		info := do(t, srv, request{method: "GET", path: "/other/?bucketInfo"})
		host := strings.TrimPrefix(srv.URL, "http://")
		for name, value := range map[string]string{"Name": "other", "Location": "oss-cn-hangzhou", "StorageClass": "IA", "Grant": "public-read",
			"ExtranetEndpoint": host, "IntranetEndpoint": host} {
			if got := info.element(name); got != value {
				t.Errorf("bucket info: %s is %q, want %q", name, got, value)
			}
		}
		if r := do(t, srv, request{method: "GET", path: "/other/?location"}); !strings.Contains(r.body, "<LocationConstraint>oss-cn-hangzhou</LocationConstraint>") {
			t.Errorf("location: %s", r.body)
		}
		list := do(t, srv, request{method: "GET", path: "/"})
		if strings.Count(list.body, "<Bucket>") != 2 || strings.Contains(list.body, "IsTruncated") {
			t.Errorf("list: %s", list.body)
		}
		page := do(t, srv, request{method: "GET", path: "/?max-keys=1"})
		if page.element("NextMarker") != "bucket" || page.element("IsTruncated") != "true" {
			t.Errorf("page: %s", page.body)
		}
		if r := do(t, srv, request{method: "GET", path: "/?max-keys=1&marker=bucket"}); r.element("Name") != "other" || r.element("IsTruncated") != "false" {
			t.Errorf("second page: %s", r.body)
		}
		want(t, "anonymous list of public-read", do(t, srv, request{method: "GET", path: "/other/", raw: true}), 200, nil)
		up := do(t, srv, request{method: "POST", path: "/other/k?uploads"}).element("UploadId")
		want(t, "delete with an upload", do(t, srv, request{method: "DELETE", path: "/other/"}), 409, nil)
		want(t, "abort", do(t, srv, request{method: "DELETE", path: "/other/k?uploadId=" + up}), 204, nil)
		want(t, "put object", do(t, srv, request{method: "PUT", path: "/other/k"}), 200, nil)
		want(t, "delete with an object", do(t, srv, request{method: "DELETE", path: "/other/"}), 409, nil)
		want(t, "delete object", do(t, srv, request{method: "DELETE", path: "/other/k"}), 204, nil)
		want(t, "delete", do(t, srv, request{method: "DELETE", path: "/other/"}), 204, nil)
		want(t, "delete again", do(t, srv, request{method: "DELETE", path: "/other/"}), 404, nil)
	})
}

// TestTornBody: a body that ends before its Content-Length stores nothing, whether the client waits for an answer or not.
func TestTornBody(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "old"}), 200, nil)
		conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "PUT", srv.URL+"/bucket/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
		fmt.Fprintf(conn, "PUT /bucket/k HTTP/1.1\r\nHost: %s\r\nDate: %s\r\nAuthorization: %s\r\nContent-Length: 10\r\n\r\nabc",
			r.Host, r.Header.Get("Date"), r.Header.Get("Authorization"))
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		want(t, "short body", response{resp, string(b)}, 400, nil)
		if got := (response{resp, string(b)}).element("Code"); got != "RequestTimeout" {
			t.Errorf("code %q, want RequestTimeout", got)
		}
		if got := do(t, srv, request{method: "GET", path: "/bucket/k"}).body; got != "old" {
			t.Errorf("the object is %q, want the old one", got)
		}
	})
}

// TestKeys puts, gets, lists and deletes keys that a server may confuse with each other or with its own syntax.
func TestKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		bucket, err := newClient(t, srv, srv.URL).Bucket("bucket")
		if err != nil {
			t.Fatal(err)
		}
		keys := []string{"a", "A", "a/", "a/b", "a//b", "a/./b", "a/../b", "..", ".", "%2F", "%", "+", " ", "a b", "a+b", "a%20b", "ü", "日本/語",
			"?x=y&z", "#", "a\nb", "CON", "tmp.x", strings.Repeat("k", 1023), strings.Repeat("語", 341), `a\b`, "*", "a:b", "<&>\"'"}
		for _, key := range keys {
			if err := bucket.PutObject(key, strings.NewReader(key)); err != nil {
				t.Errorf("put %q: %v", key, err)
			}
		}
		for _, key := range keys {
			body, err := bucket.GetObject(key)
			if err != nil {
				t.Errorf("get %q: %v", key, err)
				continue
			}
			b, err := io.ReadAll(body)
			if err != nil || string(b) != key {
				t.Errorf("get %q: %q, %v", key, b, err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
		listed := map[string]bool{}
		result, err := bucket.ListObjectsV2()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range result.Objects {
			listed[o.Key] = true
		}
		wanted := map[string]bool{}
		for _, key := range keys {
			wanted[key] = true
		}
		if diff := cmp.Diff(wanted, listed); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		for _, key := range keys {
			if err := bucket.DeleteObject(key); err != nil {
				t.Errorf("delete %q: %v", key, err)
			}
		}
		if result, err := bucket.ListObjectsV2(); err != nil || len(result.Objects) != 0 {
			t.Errorf("after deleting all: %v, %v", result.Objects, err)
		}
	})
	t.Run("plus in a path", func(t *testing.T) {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/a%20b", body: "x"}), 200, nil)
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/bucket/a b", nil)
		if err != nil {
			t.Fatal(err)
		}
		signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
		r.URL.Opaque = "/bucket/a+b"
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != 200 {
			t.Errorf("status %d: a plus in a path is a space", resp.StatusCode)
		}
	})
}
