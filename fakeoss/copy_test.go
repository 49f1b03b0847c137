package fakeoss_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// wantError checks that an answer is an error of a status, code and detail code.
func wantError(t *testing.T, what string, r response, status int, code, ec string) {
	t.Helper()
	if r.StatusCode != status || r.element("Code") != code || r.element("EC") != ec || r.get("x-oss-ec") != ec {
		t.Errorf("%s: %d %s, EC %q; want %d %s, EC %q\n%s", what, r.StatusCode, r.element("Code"), r.element("EC"), status, code, ec, r.body)
	}
}

func TestCopyObject(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/a/b%20c%2Bd", body: "hello", header: map[string]string{
			"Content-Type": "text/plain", "Cache-Control": "no-cache", "x-oss-meta-my": "prop", "x-oss-object-acl": "public-read",
			"x-oss-tagging": "t=1", "x-oss-server-side-encryption": "AES256", "x-oss-storage-class": "IA"}}), 200, nil)
		want(t, "other bucket", do(t, srv, request{method: "PUT", path: "/other/"}), 200, nil)
		put := func(path string, header map[string]string) response {
			return do(t, srv, request{method: "PUT", path: path, header: header})
		}
		for _, c := range []struct{ name, source string }{
			{"slash as it is", "/bucket/a/b%20c%2Bd"},
			{"slash escaped", "/bucket/a%2Fb%20c%2Bd"},
			{"plus for a space", "/bucket/a%2Fb+c%2Bd"},
		} {
			for _, destination := range []string{"/bucket/copy", "/other/copy"} {
				r := put(destination, map[string]string{"x-oss-copy-source": c.source})
				want(t, c.name, r, 200, map[string]string{"ETag": helloETag, "x-oss-hash-crc64ecma": crcOf([]byte("hello")),
					"Content-Type": "application/xml", "Content-MD5": "", "x-oss-server-side-encryption": ""})
				if r.element("ETag") != helloETag || !strings.HasSuffix(r.element("LastModified"), ".000Z") || !strings.Contains(r.body, "<CopyObjectResult>") {
					t.Errorf("%s: %s", c.name, r.body)
				}
				get := do(t, srv, request{method: "GET", path: destination})
				// Storage class, encryption and ACL are those of the request, not of the source.
				want(t, c.name, get, 200, map[string]string{"x-oss-meta-my": "prop", "Cache-Control": "no-cache", "Content-Type": "text/plain",
					"x-oss-tagging-count": "1", "x-oss-storage-class": "Standard", "x-oss-server-side-encryption": "", "x-oss-object-type": "Normal"})
				if get.body != "hello" {
					t.Errorf("%s: %q", c.name, get.body)
				}
				if acl := do(t, srv, request{method: "GET", path: destination + "?acl"}).element("Grant"); acl != "default" {
					t.Errorf("%s: ACL %q", c.name, acl)
				}
				want(t, "delete", do(t, srv, request{method: "DELETE", path: destination}), 204, nil)
			}
		}
		source := "/bucket/a%2Fb%20c%2Bd"
		t.Run("replace", func(t *testing.T) {
			want(t, "copy", put("/bucket/r", map[string]string{"x-oss-copy-source": source, "x-oss-metadata-directive": "REPLACE", "x-oss-meta-mine": "x",
				"x-oss-tagging-directive": "Replace", "x-oss-tagging": "u=1&v=2", "x-oss-object-acl": "private", "x-oss-storage-class": "IA",
				"x-oss-server-side-encryption": "SM4", "Content-Type": "a/b"}), 200, map[string]string{"x-oss-server-side-encryption": "SM4"})
			want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/r"}), 200, map[string]string{"x-oss-meta-my": "", "x-oss-meta-mine": "x",
				"Cache-Control": "", "Content-Type": "a/b", "x-oss-tagging-count": "2", "x-oss-storage-class": "IA", "x-oss-server-side-encryption": "SM4"})
		})
		t.Run("onto itself", func(t *testing.T) {
			for i := range 3 {
				want(t, "copy", put("/bucket/r", map[string]string{"x-oss-copy-source": "/bucket/r", "x-oss-metadata-directive": "REPLACE",
					"x-oss-meta-round": fmt.Sprint(i)}), 200, nil)
			}
			r := do(t, srv, request{method: "GET", path: "/bucket/r"})
			want(t, "get", r, 200, map[string]string{"x-oss-meta-round": "2", "x-oss-meta-mine": "", "ETag": helloETag})
			if r.body != "hello" {
				t.Errorf("content %q", r.body)
			}
		})
		t.Run("the copy is its own", func(t *testing.T) {
			want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/s", body: "first"}), 200, nil)
			want(t, "copy", put("/bucket/d", map[string]string{"x-oss-copy-source": "/bucket/s"}), 200, nil)
			want(t, "overwrite", do(t, srv, request{method: "PUT", path: "/bucket/s", body: "second"}), 200, nil)
			want(t, "delete", do(t, srv, request{method: "DELETE", path: "/bucket/s"}), 204, nil)
			if got := do(t, srv, request{method: "GET", path: "/bucket/d"}).body; got != "first" {
				t.Errorf("the copy is %q", got)
			}
		})
		t.Run("conditions", func(t *testing.T) {
			modified := do(t, srv, request{method: "HEAD", path: "/bucket/a/b%20c%2Bd"}).get("Last-Modified")
			at, err := http.ParseTime(modified)
			if err != nil {
				t.Fatal(err)
			}
			before := at.Add(-time.Hour).Format(http.TimeFormat)
			for _, c := range []struct {
				name, value string
				status      int
			}{
				{"if-match", helloETag, 200}, {"if-match", `"0"`, 412},
				{"if-none-match", helloETag, 304}, {"if-none-match", `"0"`, 200},
				{"if-modified-since", before, 200}, {"if-modified-since", modified, 304},
				{"if-unmodified-since", modified, 200}, {"if-unmodified-since", before, 412},
			} {
				r := put("/bucket/cond", map[string]string{"x-oss-copy-source": source, "x-oss-copy-source-" + c.name: c.value})
				want(t, c.name+" "+c.value, r, c.status, nil)
			}
		})
		want(t, "archive", do(t, srv, request{method: "PUT", path: "/bucket/archived", body: "x", header: map[string]string{"x-oss-storage-class": "Archive"}}), 200, nil)
		want(t, "append", do(t, srv, request{method: "POST", path: "/bucket/appended?append&position=0", body: "x"}), 200, nil)
		for _, c := range []struct {
			name     string
			header   map[string]string
			status   int
			code, ec string
		}{
			{"no such bucket", map[string]string{"x-oss-copy-source": "/missing/k"}, 404, "NoSuchBucket", "0015-00000101"},
			{"no such key", map[string]string{"x-oss-copy-source": "/bucket/missing"}, 404, "NoSuchKey", "0026-00000001"},
			{"no slash", map[string]string{"x-oss-copy-source": "bucket/k"}, 400, "InvalidArgument", ""},
			{"no key", map[string]string{"x-oss-copy-source": "/bucket/"}, 400, "InvalidArgument", ""},
			{"empty", map[string]string{"x-oss-copy-source": ""}, 400, "InvalidArgument", ""},
			{"malformed escape", map[string]string{"x-oss-copy-source": "/bucket/%zz"}, 400, "InvalidArgument", ""},
			{"version", map[string]string{"x-oss-copy-source": source + "?versionId=1"}, 501, "NotImplemented", ""},
			{"directive", map[string]string{"x-oss-copy-source": source, "x-oss-metadata-directive": "x"}, 400, "InvalidArgument", ""},
			{"tagging directive", map[string]string{"x-oss-copy-source": source, "x-oss-tagging-directive": "x"}, 400, "InvalidArgument", ""},
			{"storage class", map[string]string{"x-oss-copy-source": source, "x-oss-storage-class": "x"}, 400, "InvalidArgument", ""},
			{"forbid-overwrite", map[string]string{"x-oss-copy-source": source, "x-oss-forbid-overwrite": "true"}, 409, "FileAlreadyExists", ""},
			{"condition without its prefix", map[string]string{"x-oss-copy-source": source, "If-Match": "0"}, 200, "", ""},
			{"archived", map[string]string{"x-oss-copy-source": "/bucket/archived"}, 403, "InvalidObjectState", "0016-00000404"},
			{"appendable", map[string]string{"x-oss-copy-source": "/bucket/appended"}, 400, "OperationNotSupported", ""},
		} {
			wantError(t, c.name, put("/bucket/r", c.header), c.status, c.code, c.ec)
		}
		if got := do(t, srv, request{method: "GET", path: "/bucket/r"}).body; got != "hello" {
			t.Errorf("a copy that was refused has changed the object: %q", got)
		}
	})
}

// TestUploadPartCopy: the ranges, and what becomes of the object.
func TestUploadPartCopy(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		data := string(randomBytes(3, 102400+10))
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/src", body: data}), 200, nil)
		id := initiate(t, srv, "/bucket/dst?uploads")
		part := func(number int, header map[string]string) response {
			return do(t, srv, request{method: "PUT", path: fmt.Sprintf("/bucket/dst?partNumber=%d&uploadId=%s", number, id), header: header})
		}
		for _, c := range []struct{ asked, answered, content string }{
			{"bytes=0-9", "bytes 0-9/102410", data[:10]},
			{"bytes=102400-102409", "bytes 102400-102409/102410", data[102400:]},
			{"bytes=102400-", "bytes 102400-102409/102410", data[102400:]},
			{"bytes=102400-102410", "", data}, // beyond the end: all of it
			{"bytes=200000-", "", data},
			{"bytes=9-1", "", data},
			{"bytes=-0", "", data},
			{"1-2", "", data},
			{"", "", data},
		} {
			header := map[string]string{"x-oss-copy-source": "/bucket/src"}
			if c.asked != "" {
				header["x-oss-copy-source-range"] = c.asked
			}
			r := part(1, header)
			want(t, c.asked, r, 200, map[string]string{"Content-Range": c.answered, "x-oss-hash-crc64ecma": crcOf([]byte(c.content))})
			if r.element("ETag") != md5ETag(c.content) || !strings.Contains(r.body, "<CopyPartResult>") || r.element("LastModified") == "" {
				t.Errorf("%s: %s", c.asked, r.body)
			}
		}
		tail := part(2, map[string]string{"x-oss-copy-source": "/bucket/src", "x-oss-copy-source-range": "bytes=3-6"})
		want(t, "delete the source", do(t, srv, request{method: "DELETE", path: "/bucket/src"}), 204, nil)
		done := do(t, srv, request{method: "POST", path: "/bucket/dst?uploadId=" + id, body: list(1, md5ETag(data), 2, tail.element("ETag"))})
		want(t, "complete", done, 200, map[string]string{"ETag": multipartETag(data, data[3:7]), "x-oss-hash-crc64ecma": crcOf([]byte(data + data[3:7]))})
		if got := do(t, srv, request{method: "GET", path: "/bucket/dst"}).body; got != data+data[3:7] {
			t.Errorf("content differs: %d bytes", len(got))
		}

		second := initiate(t, srv, "/bucket/dst?uploads")
		for _, c := range []struct {
			name, query string
			header      map[string]string
			status      int
			code, ec    string
		}{
			{"upload over", "partNumber=1&uploadId=" + id, map[string]string{"x-oss-copy-source": "/bucket/dst"}, 404, "NoSuchUpload", "0042-00000311"},
			{"part number", "partNumber=10001&uploadId=" + second, map[string]string{"x-oss-copy-source": "/bucket/dst"}, 400, "InvalidArgument", "0017-00000220"},
			{"encryption", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": "/bucket/dst", "x-oss-server-side-encryption": "KMS"}, 400, "InvalidArgument", ""},
			{"no such key", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": "/bucket/src"}, 404, "NoSuchKey", "0026-00000001"},
			{"no slash", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": "bucket/dst"}, 400, "InvalidArgument", "0042-00000301"},
			{"empty", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": ""}, 400, "InvalidArgument", "0042-00000302"},
			{"condition", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": "/bucket/dst", "x-oss-copy-source-if-match": "x"}, 412, "PreconditionFailed", ""},
			{"metadata", "partNumber=1&uploadId=" + second, map[string]string{"x-oss-copy-source": "/bucket/dst", "x-oss-meta-a": "x"}, 501, "NotImplemented", ""},
		} {
			wantError(t, c.name, do(t, srv, request{method: "PUT", path: "/bucket/dst?" + c.query, header: c.header}), c.status, c.code, c.ec)
		}
		if r := do(t, srv, request{method: "GET", path: "/bucket/dst?uploadId=" + second}); strings.Contains(r.body, "<Part>") {
			t.Errorf("a copy that was refused has left a part: %s", r.body)
		}
	})
}

// TestCopySurvivesRestart: two objects of one file of the directory, of which the first is removed.
func TestCopySurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Dir: dir})
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/a", body: "hello"}), 200, nil)
		want(t, "copy", do(t, srv, request{method: "PUT", path: "/bucket/b", header: map[string]string{"x-oss-copy-source": "/bucket/a"}}), 200, nil)
		want(t, "append", do(t, srv, request{method: "POST", path: "/bucket/c?append&position=0", body: "one"}), 200, nil)
		want(t, "append", do(t, srv, request{method: "POST", path: "/bucket/c?append&position=3", body: "two"}), 200, nil)
	})
	t.Run("after", func(t *testing.T) {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Dir: dir})
		want(t, "delete", do(t, srv, request{method: "DELETE", path: "/bucket/a"}), 204, nil)
		if got := do(t, srv, request{method: "GET", path: "/bucket/b"}).body; got != "hello" {
			t.Errorf("the copy is %q", got)
		}
		want(t, "append", do(t, srv, request{method: "POST", path: "/bucket/c?append&position=6", body: "three"}), 200, nil)
		if got := do(t, srv, request{method: "GET", path: "/bucket/c"}).body; got != "onetwothree" {
			t.Errorf("the appendable object is %q", got)
		}
	})
}
