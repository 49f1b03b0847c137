package fakeoss_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

func TestAppendObject(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		add := func(position any, body string, header map[string]string) response {
			return do(t, srv, request{method: "POST", path: fmt.Sprintf("/bucket/k?append&position=%v", position), body: body, header: header})
		}
		wantError(t, "no object yet", add(1, "x", nil), 409, "PositionNotEqualToLength", "0026-00000016")
		first := add(0, "hello ", map[string]string{"x-oss-meta-my": "first", "x-oss-object-acl": "public-read-write", "Content-Type": "text/plain"})
		want(t, "first", first, 200, map[string]string{"x-oss-next-append-position": "6", "x-oss-hash-crc64ecma": crcOf([]byte("hello ")), "Content-MD5": ""})
		second := add(6, "world", map[string]string{"x-oss-meta-my": "second", "x-oss-object-acl": "public-read", "Content-Type": "a/b"})
		want(t, "second", second, 200, map[string]string{"x-oss-next-append-position": "11", "x-oss-hash-crc64ecma": crcOf([]byte("hello world"))})
		if first.get("ETag") == second.get("ETag") || len(second.get("ETag")) != 34 {
			t.Errorf("ETags %s and %s", first.get("ETag"), second.get("ETag"))
		}
		get := do(t, srv, request{method: "GET", path: "/bucket/k"})
		// The metadata are those of the first append, the ACL that of the last.
		want(t, "get", get, 200, map[string]string{"x-oss-object-type": "Appendable", "x-oss-next-append-position": "11", "x-oss-meta-my": "first",
			"Content-Type": "text/plain", "ETag": second.get("ETag"), "Content-MD5": "", "x-oss-hash-crc64ecma": crcOf([]byte("hello world"))})
		if get.body != "hello world" {
			t.Errorf("content %q", get.body)
		}
		if acl := do(t, srv, request{method: "GET", path: "/bucket/k?acl"}).element("Grant"); acl != "public-read" {
			t.Errorf("ACL %q", acl)
		}
		behind := add(6, "again", nil)
		wantError(t, "position behind", behind, 409, "PositionNotEqualToLength", "0026-00000016")
		want(t, "position behind", behind, 409, map[string]string{"x-oss-next-append-position": "11"})
		want(t, "nothing", add(11, "", nil), 200, map[string]string{"x-oss-next-append-position": "11"})

		for _, c := range []struct {
			name, query string
			header      map[string]string
			status      int
			code, ec    string
		}{
			{"no position", "append", nil, 400, "MissingArgument", "0016-00000501"},
			{"negative", "append&position=-1", nil, 400, "InvalidArgument", ""},
			{"no number", "append&position=x", nil, 400, "InvalidArgument", ""},
			{"huge", "append&position=99999999999999999999", nil, 400, "InvalidArgument", ""},
			{"key ID", "append&position=11", map[string]string{"x-oss-server-side-encryption": "KMS", "x-oss-server-side-encryption-key-id": "x"}, 400, "InvalidArgument", ""},
			{"digest", "append&position=11", map[string]string{"Content-MD5": helloMD5}, 400, "InvalidDigest", ""},
			{"forbid-overwrite", "append&position=11", map[string]string{"x-oss-forbid-overwrite": "true"}, 501, "NotImplemented", ""},
		} {
			wantError(t, c.name, do(t, srv, request{method: "POST", path: "/bucket/k?" + c.query, body: "x", header: c.header}), c.status, c.code, c.ec)
		}
		if got := do(t, srv, request{method: "GET", path: "/bucket/k"}).body; got != "hello world" {
			t.Errorf("after appends that were refused: %q", got)
		}
		want(t, "put over it", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "normal"}), 200, nil)
		want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, map[string]string{"x-oss-object-type": "Normal", "x-oss-next-append-position": ""})
		wantError(t, "not appendable", add(6, "x", nil), 409, "ObjectNotAppendable", "0026-00000017")
	})
}

// TestAppendOnce: of several appends at one position one happens, so that nothing is lost or doubled.
func TestAppendOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		for round := range 5 {
			var wg sync.WaitGroup
			var mu sync.Mutex
			done := 0
			for i := range 6 {
				wg.Go(func() {
					r, err := try(t, srv, request{method: "POST", path: fmt.Sprintf("/bucket/k?append&position=%d", round), body: fmt.Sprint(i)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if r.StatusCode == 200 {
						done++
					} else if r.element("Code") != "PositionNotEqualToLength" {
						t.Errorf("append: %d %s", r.StatusCode, r.body)
					}
				})
			}
			wg.Wait()
			if done != 1 {
				t.Errorf("round %d: %d appends happened, want 1", round, done)
			}
		}
		if r := do(t, srv, request{method: "GET", path: "/bucket/k"}); len(r.body) != 5 || r.get("x-oss-hash-crc64ecma") != crcOf([]byte(r.body)) {
			t.Errorf("%q, CRC %s", r.body, r.get("x-oss-hash-crc64ecma"))
		}
	})
}
