package fakeoss_test

import (
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestOtherOperationsAreRefusedByName: what selects an operation that the server has not is never taken for another one, even
// if the server is loose.
func TestOtherOperationsAreRefusedByName(t *testing.T) {
	for _, loose := range []bool{false, true} {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Loose: loose})
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
		for _, c := range []struct{ method, path, name string }{
			{"PUT", "/bucket/k?symlink", "symlink"}, {"GET", "/bucket/k?symlink", "symlink"}, {"POST", "/bucket/k?restore", "restore"},
			{"DELETE", "/bucket/?lifecycle", "lifecycle"}, {"PUT", "/bucket/?cors", "cors"}, {"GET", "/bucket/?versions", "versions"},
			{"PUT", "/bucket/?tagging", "tagging"}, {"DELETE", "/bucket/k?acl", ""}, {"GET", "/?regions", "regions"},
			{"GET", "/bucket/k?acl&tagging", "tagging"},
		} {
			r := do(t, srv, request{method: c.method, path: c.path})
			if c.name == "" {
				if r.StatusCode < 400 {
					t.Errorf("%s %s: %d", c.method, c.path, r.StatusCode)
				}
				continue
			}
			wantError(t, c.method+" "+c.path, r, 501, "NotImplemented", "")
			if r.element("Header") != c.name {
				t.Errorf("%s %s: refused for %q", c.method, c.path, r.element("Header"))
			}
		}
		if got := do(t, srv, request{method: "GET", path: "/bucket/k"}).body; got != "hello" {
			t.Errorf("the object is %q", got)
		}
	}
}

// TestPublicReadWrite: the bucket's ACL is changed, and everybody may do as it says.
func TestPublicReadWrite(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket", "closed"}})
	want(t, "put", do(t, srv, request{method: "PUT", path: "/closed/k", body: "hello"}), 200, nil)
	body := deleteBody("true", "k")
	requests := map[string]request{
		"put":    {method: "PUT", path: "/bucket/k", body: "hello"},
		"append": {method: "POST", path: "/bucket/a?append&position=0", body: "x"},
		"get":    {method: "GET", path: "/bucket/k"},
		"list":   {method: "GET", path: "/bucket/"},
		"copy":   {method: "PUT", path: "/bucket/c", header: map[string]string{"x-oss-copy-source": "/bucket/k"}},
		"steal":  {method: "PUT", path: "/bucket/c", header: map[string]string{"x-oss-copy-source": "/closed/k"}},
		"delete": {method: "POST", path: "/bucket/?delete", body: body, header: map[string]string{"Content-MD5": contentMD5(body)}},
		"acl":    {method: "PUT", path: "/bucket/?acl", header: map[string]string{"x-oss-acl": "private"}},
		"remove": {method: "DELETE", path: "/bucket/"},
	}
	order := strings.Fields("put append get list copy steal delete acl remove")
	for _, c := range []struct{ acl, allowed string }{
		{"private", ""},
		{"public-read", "get list"},
		{"public-read-write", "put append get list copy delete"},
	} {
		want(t, "object", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
		want(t, "put acl", do(t, srv, request{method: "PUT", path: "/bucket/?acl", header: map[string]string{"x-oss-acl": c.acl}}), 200, nil)
		r := do(t, srv, request{method: "GET", path: "/bucket/?acl"})
		if r.element("Grant") != c.acl || r.element("ID") == "" || !strings.Contains(r.body, "<AccessControlPolicy>") {
			t.Errorf("acl: %s", r.body)
		}
		for _, name := range order {
			rq := requests[name]
			rq.raw = true
			r := do(t, srv, rq)
			if strings.Contains(" "+c.allowed+" ", " "+name+" ") {
				want(t, c.acl+": "+name, r, 200, nil)
			} else {
				wantError(t, c.acl+": "+name, r, 403, "AccessDenied", "0003-00000001")
			}
		}
	}
}

// TestSequentialUpload: an object whose parts came in order has the MD5 of its content.
func TestSequentialUpload(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		one := string(randomBytes(5, 102400))
		id := initiate(t, srv, "/bucket/k?sequential&uploads")
		first := uploadPart(t, srv, "k", id, 1, one)
		again := uploadPart(t, srv, "k", id, 1, one)
		wantError(t, "again", again, 409, "PartAlreadyExist", "0042-00000108")
		if again.element("PartNumber") != "1" || again.element("PartEtag") == "" || !strings.Contains(first.get("ETag"), again.element("PartEtag")) {
			t.Errorf("again: %s", again.body)
		}
		wantError(t, "skipped", uploadPart(t, srv, "k", id, 3, "x"), 400, "PartNotSequential", "")
		second := uploadPart(t, srv, "k", id, 2, "tail")
		done := do(t, srv, request{method: "POST", path: "/bucket/k?uploadId=" + id, body: list(1, first.get("ETag"), 2, second.get("ETag"))})
		want(t, "complete", done, 200, map[string]string{"Content-MD5": contentMD5(done.body)})
		want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, map[string]string{"Content-MD5": contentMD5(one + "tail"),
			"x-oss-object-type": "Multipart"})
	})
}

// TestStorageClassAndEncryption: both are kept and returned; what has none of its own gets the class of its bucket.
func TestStorageClassAndEncryption(t *testing.T) {
	srv := fakeoss.NewServer(t, nil)
	want(t, "bucket", do(t, srv, request{method: "PUT", path: "/bucket/",
		body: "<CreateBucketConfiguration><StorageClass>IA</StorageClass></CreateBucketConfiguration>"}), 200, nil)
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
	want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, map[string]string{"x-oss-storage-class": "IA"})
	header := map[string]string{"x-oss-storage-class": "ColdArchive", "x-oss-server-side-encryption": "KMS", "x-oss-server-side-encryption-key-id": "key",
		"x-oss-server-side-data-encryption": "SM4"}
	up := do(t, srv, request{method: "POST", path: "/bucket/m?uploads", header: header})
	want(t, "initiate", up, 200, map[string]string{"x-oss-server-side-encryption": "KMS"})
	id := up.element("UploadId")
	want(t, "part", uploadPart(t, srv, "m", id, 1, "hello"), 200, map[string]string{"x-oss-server-side-encryption": "KMS"})
	if r := do(t, srv, request{method: "GET", path: "/bucket/m?uploadId=" + id}); r.element("StorageClass") != "ColdArchive" {
		t.Errorf("parts: %s", r.body)
	}
	done := do(t, srv, request{method: "POST", path: "/bucket/m?uploadId=" + id, body: list(1, md5ETag("hello"))})
	want(t, "complete", done, 200, map[string]string{"x-oss-server-side-encryption": "KMS", "x-oss-server-side-encryption-key-id": "key"})
	want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/m"}), 200, header)
	wantError(t, "get", do(t, srv, request{method: "GET", path: "/bucket/m"}), 403, "InvalidObjectState", "0016-00000404")
}

// TestV2Errors are those that only the second version of the signature has.
func TestV2Errors(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	url := "/bucket/?x-oss-signature-version=OSS2&x-oss-signature=x&x-oss-expires=4000000000"
	for _, c := range []struct {
		name, path, authorization string
		status                    int
		code, ec                  string
	}{
		{"no key ID", url, "", 403, "AccessDenied", "0002-00000115"},
		{"no expiry", "/bucket/?x-oss-signature-version=OSS2&x-oss-signature=x&x-oss-access-key-id=x", "", 403, "AccessDenied", ""},
		{"expired", strings.Replace(url, "4000000000", "1000000000", 1) + "&x-oss-access-key-id=x", "", 403, "AccessDenied", ""},
		{"expiry malformed", strings.Replace(url, "4000000000", "x", 1) + "&x-oss-access-key-id=x", "", 403, "AccessDenied", ""},
		{"empty additional headers", url + "&x-oss-access-key-id=x&x-oss-additional-headers=", "", 400, "InvalidArgument", "0002-00000076"},
		{"upper case", url + "&x-oss-access-key-id=x&x-oss-additional-headers=User-Agent", "", 400, "InvalidArgument", ""},
		{"unknown key", url + "&x-oss-access-key-id=x", "", 403, "InvalidAccessKeyId", "0002-00000902"},
		{"wrong", url + "&x-oss-access-key-id=" + srv.AccessKeyID, "", 403, "SignatureDoesNotMatch", "0002-00000040"},
		{"in the header, too", url + "&x-oss-access-key-id=x", "OSS x:x", 400, "InvalidArgument", ""},
		{"V1 in the URL, too", url + "&x-oss-access-key-id=x&OSSAccessKeyId=x", "", 400, "InvalidArgument", ""},
		{"header without an ID", "/bucket/", "OSS2 Signature:x", 400, "InvalidArgument", ""},
		{"header without a signature", "/bucket/", "OSS2 AccessKeyId:x", 400, "InvalidArgument", ""},
		{"header with a field more", "/bucket/", "OSS2 AccessKeyId:x,Signature:x,X:x", 400, "InvalidArgument", ""},
		{"header with empty additional headers", "/bucket/", "OSS2 AccessKeyId:x,AdditionalHeaders:,Signature:x", 400, "InvalidArgument", ""},
		{"header without Date", "/bucket/", "OSS2 AccessKeyId:x,Signature:x", 403, "AccessDenied", "0002-00000503"},
	} {
		header := map[string]string{}
		if c.authorization != "" {
			header["Authorization"] = c.authorization
		}
		r := do(t, srv, request{method: "GET", path: c.path, header: header, raw: true})
		wantError(t, c.name, r, c.status, c.code, c.ec)
		if c.code == "SignatureDoesNotMatch" && (r.element("StringToSign") == "" || r.element("SignatureProvided") != "x" || r.element("OSSAccessKeyId") != srv.AccessKeyID) {
			t.Errorf("%s: %s", c.name, r.body)
		}
	}
}
