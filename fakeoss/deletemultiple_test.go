package fakeoss_test

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

func contentMD5(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func deleteBody(quiet string, keys ...string) string {
	s := "<Delete><Quiet>" + quiet + "</Quiet>"
	for _, k := range keys {
		s += "<Object><Key>" + k + "</Key></Object>"
	}
	return s + "</Delete>"
}

func TestDeleteMultipleObjects(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		put := func(keys ...string) {
			t.Helper()
			for _, k := range keys {
				want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/" + k, body: "x"}), 200, nil)
			}
		}
		remove := func(query, body string) response {
			return do(t, srv, request{method: "POST", path: "/bucket/?delete" + query, body: body, header: map[string]string{"Content-MD5": contentMD5(body)}})
		}
		put("a", "b%20%2B", "c")
		r := remove("", deleteBody("false", "a", "b +", "absent"))
		want(t, "delete", r, 200, map[string]string{"Content-Type": "application/xml"})
		for _, key := range []string{"a", "b +", "absent"} {
			if !strings.Contains(r.body, "<Key>"+key+"</Key>") {
				t.Errorf("%q is missing: %s", key, r.body)
			}
		}
		if strings.Contains(r.body, "EncodingType") || strings.Count(r.body, "<Deleted>") != 3 {
			t.Errorf("delete: %s", r.body)
		}
		for key, status := range map[string]int{"a": 404, "b%20%2B": 404, "c": 200} {
			want(t, key, do(t, srv, request{method: "HEAD", path: "/bucket/" + key}), status, nil)
		}
		put("b%20%2B")
		r = remove("&encoding-type=url", deleteBody("", "b +", "a/b"))
		if r.element("EncodingType") != "url" || !strings.Contains(r.body, "<Key>b%20%2B</Key>") || !strings.Contains(r.body, "<Key>a%2Fb</Key>") {
			t.Errorf("encoded: %s", r.body)
		}
		want(t, "quiet", remove("", deleteBody("true", "c")), 200, map[string]string{"Content-Length": "0"})
		want(t, "after quiet", do(t, srv, request{method: "HEAD", path: "/bucket/c"}), 404, nil)

		put("kept")
		many := make([]string, 1001)
		for i := range many {
			many[i] = fmt.Sprintf("k%d", i)
		}
		want(t, "1000 keys", remove("", deleteBody("true", many[:1000]...)), 200, nil)
		for _, c := range []struct{ name, query, body, code, ec string }{
			{"1001 keys", "", deleteBody("true", many...), "MalformedXML", ""},
			{"above 2 MB", "", deleteBody("true", strings.Repeat("k", 2<<20)), "MalformedXML", ""},
			{"no keys", "", deleteBody("true"), "MalformedXML", "0016-00000615"},
			{"object without a key", "", "<Delete><Object></Object></Delete>", "MalformedXML", "0016-00000613"},
			{"empty key", "", deleteBody("true", "kept", ""), "MalformedXML", "0016-00000613"},
			{"no XML", "", "x", "MalformedXML", ""},
			{"empty", "", "", "MalformedXML", ""},
			{"another root", "", "<X/>", "MalformedXML", ""},
			{"quiet", "", deleteBody("yes", "kept"), "MalformedXML", ""},
			{"encoding", "&encoding-type=x", deleteBody("true", "kept"), "InvalidArgument", ""},
			{"key", "", deleteBody("true", "kept", "/x"), "InvalidObjectName", ""},
		} {
			wantError(t, c.name, remove(c.query, c.body), 400, c.code, c.ec)
		}
		version := "<Delete><Object><Key>kept</Key><VersionId>1</VersionId></Object></Delete>"
		wantError(t, "version", remove("", version), 501, "NotImplemented", "")
		body := deleteBody("true", "kept")
		wantError(t, "no MD5", do(t, srv, request{method: "POST", path: "/bucket/?delete", body: body}), 400, "MissingArgument", "0016-00000606")
		wantError(t, "wrong MD5", do(t, srv, request{method: "POST", path: "/bucket/?delete", body: body,
			header: map[string]string{"Content-MD5": helloMD5}}), 400, "InvalidDigest", "")
		want(t, "none of these has deleted", do(t, srv, request{method: "HEAD", path: "/bucket/kept"}), 200, nil)
	})
}

// TestDeleteMultipleWithoutLength: a body in chunks is refused.
func TestDeleteMultipleWithoutLength(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/bucket/?delete", strings.NewReader(deleteBody("true", "k")))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
	wantError(t, "chunked", roundTrip(t, srv, r), 411, "MissingContentLength", "0017-00000101")
}
