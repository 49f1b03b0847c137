package fakeoss_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

func initiate(t *testing.T, srv *fakeoss.TestServer, path string) string {
	t.Helper()
	r := do(t, srv, request{method: "POST", path: path})
	id := r.element("UploadId")
	if r.StatusCode != 200 || len(id) != 32 {
		t.Fatalf("initiate: %d %s", r.StatusCode, r.body)
	}
	return id
}

func uploadPart(t *testing.T, srv *fakeoss.TestServer, key, id string, number int, body string) response {
	t.Helper()
	return do(t, srv, request{method: "PUT", path: fmt.Sprintf("/bucket/%s?partNumber=%d&uploadId=%s", key, number, id), body: body})
}

// list is the body of a Complete: pairs of number and ETag.
func list(parts ...any) string {
	s := "<CompleteMultipartUpload>"
	for i := 0; i < len(parts); i += 2 {
		s += fmt.Sprintf("<Part><PartNumber>%v</PartNumber><ETag>%v</ETag></Part>", parts[i], parts[i+1])
	}
	return s + "</CompleteMultipartUpload>"
}

// The parts of the recorded answer that the ETag rule is known from cannot be had; these are MD5 sums made by hand.
func TestMultipart(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		one, two, last := string(randomBytes(1, 102400)), string(randomBytes(2, 102401)), "tail"
		id := initiate(t, srv, "/bucket/k?uploads")
		var etags []string
		for i, body := range []string{one, two, last} {
			r := uploadPart(t, srv, "k", id, 2*i+1, body)
			want(t, "part", r, 200, map[string]string{"x-oss-hash-crc64ecma": crcOf([]byte(body)), "Content-Length": "0", "ETag": md5ETag(body)})
			etags = append(etags, r.get("ETag"))
		}
		r := uploadPart(t, srv, "k", id, 9, "not listed")
		want(t, "part 9", r, 200, nil)

		page := do(t, srv, request{method: "GET", path: "/bucket/k?max-parts=2&uploadId=" + id})
		if page.element("IsTruncated") != "true" || page.element("NextPartNumberMarker") != "3" || strings.Count(page.body, "<Part>") != 2 ||
			page.element("HashCrc64ecma") != crcOf([]byte(one)) || page.element("Size") != "102400" {
			t.Errorf("list parts: %s", page.body)
		}
		rest := do(t, srv, request{method: "GET", path: "/bucket/k?part-number-marker=3&uploadId=" + id})
		if rest.element("IsTruncated") != "false" || rest.element("NextPartNumberMarker") != "9" || strings.Count(rest.body, "<Part>") != 2 {
			t.Errorf("second page: %s", rest.body)
		}

		complete := func(body string) response {
			return do(t, srv, request{method: "POST", path: "/bucket/k?uploadId=" + id, body: body})
		}
		for _, c := range []struct{ name, body, code string }{
			{"no such part", list(1, etags[0], 2, etags[1]), "InvalidPart"},
			{"another ETag", list(1, etags[1]), "InvalidPart"},
			{"order", list(3, etags[1], 1, etags[0]), "InvalidPartOrder"},
			{"twice", list(1, etags[0], 1, etags[0]), "InvalidPartOrder"},
			{"number", list(0, etags[0]), "InvalidArgument"},
			{"number too high", list(10001, etags[0]), "InvalidArgument"},
			{"small part that is not the last", list(1, etags[0], 5, etags[2], 9, r.get("ETag")), "EntityTooSmall"},
			{"no body", "", "MalformedXML"},
			{"no XML", "x", "MalformedXML"},
			{"another root", "<X/>", "MalformedXML"},
			{"something behind", list() + "<X/>", "MalformedXML"},
		} {
			got := complete(c.body)
			if got.StatusCode != 400 || got.element("Code") != c.code {
				t.Errorf("%s: %d %s, want 400 %s", c.name, got.StatusCode, got.element("Code"), c.code)
			}
		}
		want(t, "before Complete", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 404, nil)

		data := one + two + last
		etag := multipartETag(one, two, last)
		// Quotes are optional, and may be escaped.
		done := complete(list(1, strings.Trim(etags[0], `"`), 3, etags[1], 5, strings.ReplaceAll(etags[2], `"`, "&#34;")))
		want(t, "complete", done, 200, map[string]string{"ETag": etag, "x-oss-hash-crc64ecma": crcOf([]byte(data)), "Content-Type": "application/xml"})
		if done.element("ETag") != etag || done.element("Bucket") != "bucket" || done.element("Key") != "k" {
			t.Errorf("complete: %s", done.body)
		}
		again := complete(list(1, etags[0]))
		if again.StatusCode != 404 || again.element("Code") != "NoSuchUpload" {
			t.Errorf("complete again: %d %s", again.StatusCode, again.body)
		}
		get := do(t, srv, request{method: "GET", path: "/bucket/k"})
		want(t, "get", get, 200, map[string]string{"ETag": etag, "x-oss-object-type": "Multipart", "Content-MD5": "", "x-oss-hash-crc64ecma": crcOf([]byte(data))})
		if get.body != data {
			t.Errorf("content differs: %d bytes, want %d", len(get.body), len(data))
		}
		across := do(t, srv, request{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=102390-204802"}})
		if across.StatusCode != 206 || across.body != data[102390:204803] {
			t.Errorf("range across parts: %d, %d bytes", across.StatusCode, len(across.body))
		}
	})
}

func TestMultipartVariants(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		t.Run("complete all", func(t *testing.T) {
			id := initiate(t, srv, "/bucket/all?uploads")
			uploadPart(t, srv, "all", id, 2, "x")
			path := "/bucket/all?uploadId=" + id
			both := do(t, srv, request{method: "POST", path: path, body: list(), header: map[string]string{"x-oss-complete-all": "yes"}})
			want(t, "with a body", both, 400, map[string]string{"x-oss-ec": "0042-00000216"})
			want(t, "complete", do(t, srv, request{method: "POST", path: path, header: map[string]string{"x-oss-complete-all": "yes"}}), 200,
				map[string]string{"ETag": multipartETag("x")})
		})
		t.Run("no parts", func(t *testing.T) {
			id := initiate(t, srv, "/bucket/none?uploads")
			want(t, "complete", do(t, srv, request{method: "POST", path: "/bucket/none?uploadId=" + id, body: list()}), 200, nil)
			want(t, "get", do(t, srv, request{method: "GET", path: "/bucket/none"}), 200, map[string]string{"Content-Length": "0", "x-oss-hash-crc64ecma": "0"})
		})
		t.Run("forbid overwrite", func(t *testing.T) {
			id := initiate(t, srv, "/bucket/there?uploads")
			want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/there", body: "old"}), 200, nil)
			header := map[string]string{"x-oss-forbid-overwrite": "true"}
			for _, rq := range []request{
				{method: "PUT", path: "/bucket/there", body: "new", header: header},
				{method: "POST", path: "/bucket/there?uploads", header: header},
				{method: "POST", path: "/bucket/there?uploadId=" + id, body: list(), header: header},
			} {
				r := do(t, srv, rq)
				if r.StatusCode != 409 || r.element("Code") != "FileAlreadyExists" {
					t.Errorf("%s %s: %d %s", rq.method, rq.path, r.StatusCode, r.body)
				}
			}
			if got := do(t, srv, request{method: "GET", path: "/bucket/there"}).body; got != "old" {
				t.Errorf("object is %q", got)
			}
			want(t, "the upload is still there", do(t, srv, request{method: "GET", path: "/bucket/there?uploadId=" + id}), 200, nil)
		})
		t.Run("sequential", func(t *testing.T) {
			id := initiate(t, srv, "/bucket/seq?sequential&uploads")
			want(t, "part 2 first", uploadPart(t, srv, "seq", id, 2, "x"), 400, nil)
			first := uploadPart(t, srv, "seq", id, 1, "x")
			want(t, "part 1", first, 200, nil)
			again := uploadPart(t, srv, "seq", id, 1, "x")
			want(t, "part 1 again", again, 409, map[string]string{"x-oss-ec": "0042-00000108"})
			if again.element("Code") != "PartAlreadyExist" {
				t.Errorf("again: %s", again.body)
			}
		})
		t.Run("overwrite and abort", func(t *testing.T) {
			id := initiate(t, srv, "/bucket/o?uploads")
			uploadPart(t, srv, "o", id, 1, "first")
			uploadPart(t, srv, "o", id, 1, "second")
			r := do(t, srv, request{method: "GET", path: "/bucket/o?uploadId=" + id})
			if strings.Count(r.body, "<Part>") != 1 || r.element("ETag") != md5ETag("second") {
				t.Errorf("parts: %s", r.body)
			}
			want(t, "another key", do(t, srv, request{method: "DELETE", path: "/bucket/p?uploadId=" + id}), 404, nil)
			want(t, "abort", do(t, srv, request{method: "DELETE", path: "/bucket/o?uploadId=" + id}), 204, nil)
			gone := do(t, srv, request{method: "DELETE", path: "/bucket/o?uploadId=" + id})
			want(t, "abort again", gone, 404, map[string]string{"x-oss-ec": "0042-00000002"})
			want(t, "part of nothing", uploadPart(t, srv, "o", id, 1, "x"), 404, map[string]string{"x-oss-ec": "0042-00000104"})
		})
	})
}

// TestListMultipartUploads follows the markers, with pages of one.
func TestListMultipartUploads(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	var wanted []string
	for _, key := range []string{"a", "b", "b", "b/x", "b/y", "c%20d"} {
		id := initiate(t, srv, "/bucket/"+key+"?uploads")
		wanted = append(wanted, strings.ReplaceAll(key, "%20", " ")+" "+id)
	}
	if wanted[1] > wanted[2] { // of one key, the IDs decide
		wanted[1], wanted[2] = wanted[2], wanted[1]
	}
	var got []string
	keyMarker, idMarker := "", ""
	for {
		r := do(t, srv, request{method: "GET", path: "/bucket/?max-uploads=1&uploads&key-marker=" + strings.ReplaceAll(keyMarker, " ", "%20") +
			"&upload-id-marker=" + idMarker})
		_, upload, _ := strings.Cut(r.body, "<Upload>")
		entry := response{body: upload}
		got = append(got, entry.element("Key")+" "+entry.element("UploadId"))
		keyMarker, idMarker = r.element("NextKeyMarker"), r.element("NextUploadIdMarker")
		if r.element("IsTruncated") != "true" || len(got) > len(wanted) {
			break
		}
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	r := do(t, srv, request{method: "GET", path: "/bucket/?uploads&delimiter=/&encoding-type=url"})
	if strings.Count(r.body, "<Upload>") != 4 || !strings.Contains(r.body, "<Prefix>b%2F</Prefix>") || !strings.Contains(r.body, "<Key>c%20d</Key>") {
		t.Errorf("with a delimiter: %s", r.body)
	}
	skipped := do(t, srv, request{method: "GET", path: "/bucket/?uploads&key-marker=b"})
	if strings.Contains(skipped.body, "<Key>b</Key>") || strings.Count(skipped.body, "<Upload>") != 3 {
		t.Errorf("a key marker alone skips all uploads of the key: %s", skipped.body)
	}
}

// TestCompleteOnce lets Completes, parts and aborts of one upload run at once: one call ends it, the others find it over,
// and what is published is one of the versions that were listed.
func TestCompleteOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		for range 10 {
			id := initiate(t, srv, "/bucket/k?uploads")
			etag := uploadPart(t, srv, "k", id, 1, "x").get("ETag")
			var mu sync.Mutex
			ended := 0
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					rq := request{method: "POST", path: "/bucket/k?uploadId=" + id, body: list(1, etag)}
					switch i % 4 {
					case 1:
						rq = request{method: "DELETE", path: "/bucket/k?uploadId=" + id}
					case 2:
						rq = request{method: "PUT", path: "/bucket/k?partNumber=1&uploadId=" + id, body: "x"}
					}
					r, err := try(t, srv, rq)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					switch {
					case rq.method == "PUT" && (r.StatusCode == 200 || r.element("Code") == "NoSuchUpload"):
					case r.StatusCode == 200 || r.StatusCode == 204:
						ended++
					case r.element("Code") != "NoSuchUpload":
						t.Errorf("%s: %d %s", rq.method, r.StatusCode, r.body)
					}
				})
			}
			wg.Wait()
			if ended != 1 {
				t.Errorf("%d calls ended the upload, want 1", ended)
			}
		}
	})
}
