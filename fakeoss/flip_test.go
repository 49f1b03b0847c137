package fakeoss_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// signers are all forms of a signature, with and without additional headers and a token.
func signers(now time.Time) []signer {
	var list []signer
	for _, version := range []string{"V1", "V2", "V4"} {
		for _, presigned := range []bool{false, true} {
			s := signer{version: version, presigned: presigned, id: "id", secret: "secret", now: now, ttl: time.Minute}
			list = append(list, s)
			s.id, s.token = "sts", "tok+en/="
			if version != "V1" {
				s.additional = []string{"host", "x-extra"}
			}
			list = append(list, s)
		}
	}
	return list
}

func (s signer) name() string {
	if s.token != "" {
		return s.String() + " with a token"
	}
	return s.String()
}

func newSignedServer(t *testing.T, now time.Time) *fakeoss.TestServer {
	return fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return now },
		Credentials: []fakeoss.Credential{{AccessKeyID: "id", AccessKeySecret: "secret"},
			{AccessKeyID: "sts", AccessKeySecret: "secret", SecurityToken: "tok+en/=", Expires: now.Add(time.Hour)}}})
}

// flips are the texts that differ from s in one bit of one byte, those aside that cannot go over the wire.
func flips(s string) []string {
	var list []string
	for i := range len(s) {
		for _, bit := range []byte{1, 2, 0x20} {
			if c := s[i] ^ bit; c > ' ' && c < 0x7f {
				list = append(list, s[:i]+string(c)+s[i+1:])
			}
		}
	}
	return list
}

// TestSignaturesRefuseFlippedBits: the request as it was signed is served; with a bit flipped in any byte of its signature, or
// of anything that the signature covers, it is refused, and not by chance: the object is never returned.
func TestSignaturesRefuseFlippedBits(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	srv := newSignedServer(t, now)
	host := strings.TrimPrefix(srv.URL, "http://")
	const key = "a/b c+d~ü"
	put := &wire{method: "PUT", bucket: "bucket", key: key, header: map[string]string{}, host: host}
	signer{version: "V1", id: "id", secret: "secret", now: now}.sign(put)
	want(t, "put", put.send(t, srv, "hello"), 200, nil)

	for _, s := range signers(now) {
		t.Run(s.name(), func(t *testing.T) {
			base := &wire{method: "GET", bucket: "bucket", key: key, host: host, query: [][2]string{{"response-content-type", "x/y z+"}},
				header: map[string]string{"Content-Type": "text/plain", "Content-MD5": helloMD5, "x-oss-range-behavior": "standard"}}
			if s.additional != nil {
				base.header["x-extra"] = "value"
			}
			s.sign(base)
			if r := base.send(t, srv, ""); r.StatusCode != 200 || r.body != "hello" || r.get("Content-Type") != "x/y z+" {
				t.Fatalf("as signed: %d %s", r.StatusCode, r.body)
			}
			tried := 0
			refused := func(what string, w *wire) {
				t.Helper()
				tried++
				if r := w.send(t, srv, ""); r.StatusCode < 400 || r.StatusCode >= 500 || r.body == "hello" {
					t.Errorf("%s: %d %q, want a refusal", what, r.StatusCode, r.body)
				}
			}
			for i, f := range base.query {
				for _, name := range flips(f[0]) {
					w := base.clone()
					w.query[i][0] = name
					refused("parameter "+name, w)
				}
				for _, value := range flips(f[1]) {
					w := base.clone()
					w.query[i][1] = value
					refused("parameter "+f[0]+"="+value, w)
				}
				w := base.clone()
				w.query = slices.Delete(w.query, i, i+1)
				refused("without parameter "+f[0], w)
			}
			for name, v := range base.header {
				for _, value := range flips(v) {
					w := base.clone()
					w.header[name] = value
					refused("header "+name+": "+value, w)
				}
				w := base.clone()
				delete(w.header, name)
				refused("without header "+name, w)
			}
			for _, flipped := range flips(key) {
				w := base.clone()
				w.key = flipped
				refused("key "+flipped, w)
			}
			for _, flipped := range flips("bucket") {
				w := base.clone()
				w.bucket = flipped
				refused("bucket "+flipped, w)
			}
			for _, method := range []string{"HEAD", "PUT", "DELETE", "POST"} {
				w := base.clone()
				w.method = method
				refused("method "+method, w)
			}
			added := base.clone()
			added.header["x-oss-meta-b"] = "v"
			refused("another x-oss- header", added)
			added = base.clone()
			added.query = append(added.query, [2]string{"response-expires", "x"})
			refused("another parameter", added)
			if slices.Contains(s.additional, "host") {
				w := base.clone()
				w.host = "127.0.0.2" + w.host[strings.LastIndexByte(w.host, ':'):]
				refused("host "+w.host, w)
			}
			if tried < 200 {
				t.Errorf("only %d changes were tried", tried)
			}
		})
	}
	if r := do(t, srv, request{method: "GET", path: "/bucket/", raw: true}); r.StatusCode != 403 {
		t.Errorf("the bucket became public: %d", r.StatusCode)
	}
}

// TestSignaturesOfWrites: each form signs a Put, whose body none of them covers, and a request on a bucket.
func TestSignaturesOfWrites(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	srv := newSignedServer(t, now)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, s := range signers(now) {
		t.Run(s.name(), func(t *testing.T) {
			base := func(method, key string) *wire {
				w := &wire{method: method, bucket: "bucket", key: key, host: host, header: map[string]string{}}
				if s.additional != nil {
					w.header["x-extra"] = "value"
				}
				return w
			}
			put := base("PUT", "k")
			put.header["x-oss-meta-a"] = "v"
			s.sign(put)
			want(t, "put", put.send(t, srv, "hello"), 200, map[string]string{"ETag": helloETag})
			acl := base("GET", "")
			acl.query = [][2]string{{"acl", ""}}
			s.sign(acl)
			if r := acl.send(t, srv, ""); r.element("Grant") != "private" {
				t.Errorf("acl: %d %s", r.StatusCode, r.body)
			}
		})
	}
}

// TestExpiry: a presigned request is served until it expires, and not after; a token likewise.
func TestExpiry(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, s := range signers(start) {
		t.Run(s.name(), func(t *testing.T) {
			var passed atomic.Int64 // the server looks at its clock after the answer, too
			srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return start.Add(time.Duration(passed.Load())) },
				Credentials: []fakeoss.Credential{{AccessKeyID: "id", AccessKeySecret: "secret"},
					{AccessKeyID: "sts", AccessKeySecret: "secret", SecurityToken: "tok+en/=", Expires: start.Add(5 * time.Second)}}})
			w := &wire{method: "GET", bucket: "bucket", host: strings.TrimPrefix(srv.URL, "http://"), header: map[string]string{"x-extra": "value"}}
			s.sign(w)
			for _, c := range []struct {
				after time.Duration
				code  string
			}{
				{4 * time.Second, ""},
				{10 * time.Second, map[bool]string{true: "SecurityTokenExpired"}[s.token != ""]},
				{time.Minute, map[bool]string{true: "SecurityTokenExpired"}[s.token != ""]},
				{time.Minute + time.Second, map[bool]string{true: "AccessDenied", false: map[bool]string{true: "SecurityTokenExpired"}[s.token != ""]}[s.presigned]},
				{16 * time.Minute, map[bool]string{true: "AccessDenied", false: "RequestTimeTooSkewed"}[s.presigned]},
			} {
				passed.Store(int64(c.after))
				if r := w.send(t, srv, ""); r.element("Code") != c.code || c.code != "" && r.StatusCode != 403 {
					t.Errorf("after %v: %d %s, want %q", c.after, r.StatusCode, r.body, c.code)
				}
			}
		})
	}
}
