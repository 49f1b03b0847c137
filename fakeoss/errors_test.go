package fakeoss_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestErrors is the table of the errors that a request can meet: status, code, and the error-detail code where one is known.
func TestErrors(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	id := initiate(t, srv, "/bucket/up?uploads")
	header := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name   string
		rq     request
		status int
		code   string
		ec     string
	}{
		{"no such bucket", request{method: "GET", path: "/missing/k"}, 404, "NoSuchBucket", "0015-00000101"},
		{"no such bucket, not signed", request{method: "GET", path: "/missing/k", raw: true}, 404, "NoSuchBucket", "0015-00000101"},
		{"no such key", request{method: "GET", path: "/bucket/k"}, 404, "NoSuchKey", "0026-00000001"},
		{"no such key, HEAD", request{method: "HEAD", path: "/bucket/k"}, 404, "NoSuchKey", "0026-00000001"},
		{"no such key, tagging", request{method: "GET", path: "/bucket/k?tagging"}, 404, "NoSuchKey", "0026-00000001"},
		{"bucket name", request{method: "PUT", path: "/Bad_Name/"}, 400, "InvalidBucketName", ""},
		{"bucket name short", request{method: "PUT", path: "/ab/"}, 400, "InvalidBucketName", ""},
		{"key too long", request{method: "PUT", path: "/bucket/" + strings.Repeat("k", 1024)}, 400, "InvalidObjectName", ""},
		{"key with a backslash first", request{method: "PUT", path: "/bucket/%5Ck"}, 400, "InvalidObjectName", ""},
		{"key with a slash first", request{method: "PUT", path: "/bucket//k"}, 400, "InvalidObjectName", ""},
		{"key not UTF-8", request{method: "PUT", path: "/bucket/%FF", raw: true}, 400, "InvalidObjectName", ""},
		{"method", request{method: "PATCH", path: "/bucket/k"}, 405, "MethodNotAllowed", ""},
		{"anonymous", request{method: "GET", path: "/bucket/k", raw: true}, 403, "AccessDenied", "0003-00000001"},
		{"digest", request{method: "PUT", path: "/bucket/k", body: "x", header: header("Content-MD5", helloMD5)}, 400, "InvalidDigest", ""},
		{"digest malformed", request{method: "PUT", path: "/bucket/k", body: "x", header: header("Content-MD5", "x")}, 400, "InvalidDigest", ""},
		{"crc", request{method: "PUT", path: "/bucket/k", body: "x", header: header("x-oss-hash-crc64ecma", "1")}, 400, "InvalidCRC64", ""},
		{"acl", request{method: "PUT", path: "/bucket/k", header: header("x-oss-object-acl", "x")}, 400, "InvalidArgument", ""},
		{"bucket acl", request{method: "PUT", path: "/other/", header: header("x-oss-acl", "default")}, 400, "InvalidArgument", ""},
		{"storage class", request{method: "PUT", path: "/bucket/k", header: header("x-oss-storage-class", "x")}, 400, "InvalidArgument", ""},
		{"encryption", request{method: "PUT", path: "/bucket/k", header: header("x-oss-server-side-encryption", "x")}, 400, "InvalidEncryptionAlgorithmError", ""},
		{"metadata too large", request{method: "PUT", path: "/bucket/k", header: header("x-oss-meta-a", strings.Repeat("v", 8192))}, 400, "MetadataTooLarge", ""},
		{"tagging", request{method: "PUT", path: "/bucket/k", header: header("x-oss-tagging", "a&a")}, 400, "InvalidTag", ""},
		{"too many tags", request{method: "PUT", path: "/bucket/k", header: header("x-oss-tagging", "1&2&3&4&5&6&7&8&9&10&11")}, 400, "InvalidArgument", ""},
		{"forbid-overwrite", request{method: "PUT", path: "/bucket/k", header: header("x-oss-forbid-overwrite", "x")}, 400, "InvalidArgument", ""},
		{"condition on a write", request{method: "PUT", path: "/bucket/k", header: header("If-Modified-Since", "Sat, 16 Dec 2023 16:20:57 GMT")}, 400, "NotImplemented", ""},
		{"unknown header", request{method: "PUT", path: "/bucket/k", header: header("x-oss-unknown", "x")}, 501, "NotImplemented", ""},
		{"unknown sub-resource", request{method: "GET", path: "/bucket/k?versionId=1"}, 501, "NotImplemented", ""},
		{"unknown parameter", request{method: "GET", path: "/bucket/k?unknown"}, 501, "NotImplemented", ""},
		{"max-keys", request{method: "GET", path: "/bucket/?max-keys=1001"}, 400, "InvalidArgument", ""},
		{"max-keys zero", request{method: "GET", path: "/bucket/?max-keys=0"}, 400, "InvalidArgument", ""},
		{"encoding-type", request{method: "GET", path: "/bucket/?encoding-type=x"}, 400, "InvalidArgument", ""},
		{"list-type", request{method: "GET", path: "/bucket/?list-type=3"}, 400, "InvalidArgument", ""},
		{"token", request{method: "GET", path: "/bucket/?list-type=2&continuation-token=x"}, 400, "InvalidArgument", ""},
		{"part 0", request{method: "PUT", path: "/bucket/up?partNumber=0&uploadId=" + id}, 400, "InvalidArgument", "0017-00000220"},
		{"part 10001", request{method: "PUT", path: "/bucket/up?partNumber=10001&uploadId=" + id}, 400, "InvalidArgument", "0017-00000220"},
		{"encryption of a part", request{method: "PUT", path: "/bucket/up?partNumber=1&uploadId=" + id,
			header: header("x-oss-server-side-encryption", "AES256")}, 400, "InvalidArgument", ""},
		{"upload of another key", request{method: "PUT", path: "/bucket/x?partNumber=1&uploadId=" + id}, 404, "NoSuchUpload", "0042-00000104"},
		{"malformed upload", request{method: "PUT", path: "/bucket/x?partNumber=1&uploadId=x"}, 404, "NoSuchUpload", "0017-00000244"},
		{"list no upload", request{method: "GET", path: "/bucket/x?uploadId=" + id}, 404, "NoSuchUpload", "0042-00000002"},
		{"range", request{method: "GET", path: "/bucket/up", header: header("Range", "bytes=0-")}, 404, "NoSuchKey", "0026-00000001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := do(t, srv, c.rq)
			if c.rq.method == "HEAD" {
				b, err := base64.StdEncoding.DecodeString(r.get("x-oss-err"))
				if err != nil || r.body != "" || r.get("Content-Type") != "application/xml" || r.get("Content-Length") != fmt.Sprint(len(b)) {
					t.Errorf("HEAD: %v %q, %v", r.Header, r.body, err)
				}
				r.body = string(b)
			}
			if r.StatusCode != c.status || r.element("Code") != c.code || r.element("EC") != c.ec || r.get("x-oss-ec") != c.ec {
				t.Errorf("%d %s, EC %q and %q; want %d %s, EC %q\n%s", r.StatusCode, r.element("Code"), r.element("EC"), r.get("x-oss-ec"),
					c.status, c.code, c.ec, r.body)
			}
			if r.element("RequestId") != r.get("x-oss-request-id") || r.element("HostId") == "" || r.element("Message") == "" {
				t.Errorf("incomplete: %s", r.body)
			}
		})
	}
}

func TestMissingContentLength(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	r, err := http.NewRequestWithContext(t.Context(), "PUT", srv.URL+"/bucket/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
	raw := fmt.Sprintf("PUT /bucket/k HTTP/1.1\r\nHost: x\r\nDate: %s\r\nAuthorization: %s\r\n\r\n", r.Header.Get("Date"), r.Header.Get("Authorization"))
	resp := exchange(t, srv, raw)
	want(t, "put without length", resp, 411, map[string]string{"x-oss-ec": "0017-00000101"})
	chunked := strings.Replace(raw, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1)
	want(t, "empty chunked put", exchange(t, srv, chunked), 200, map[string]string{"x-oss-hash-crc64ecma": "0"})
}

func TestLoose(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Loose: true})
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k?unknown", header: map[string]string{"x-oss-unknown": "x"}}), 200, nil)
}

func TestAuthenticationErrors(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return now },
		Credentials: []fakeoss.Credential{
			{AccessKeyID: "id", AccessKeySecret: "secret"},
			{AccessKeyID: "sts", AccessKeySecret: "secret", SecurityToken: "token", Expires: now.Add(time.Hour)},
			{AccessKeyID: "old", AccessKeySecret: "secret", SecurityToken: "oldtoken", Expires: now},
		}})
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	v4 := func(s string) string {
		return "OSS4-HMAC-SHA256 Credential=id/20261122/cn-hangzhou/oss/aliyun_v4_request" + s
	}
	for _, c := range []struct {
		name       string
		id, secret string // sign with these
		header     map[string]string
		query      string
		status     int
		code, ec   string
	}{
		{name: "right", id: "id", secret: "secret", status: 200},
		{name: "wrong secret", id: "id", secret: "x", status: 403, code: "SignatureDoesNotMatch", ec: "0002-00000040"},
		{name: "unknown key", id: "x", secret: "secret", status: 403, code: "InvalidAccessKeyId", ec: "0002-00000902"},
		{name: "clock 15 minutes off", id: "id", secret: "secret", header: map[string]string{"Date": at(-15 * time.Minute)}, status: 200},
		{name: "clock late", id: "id", secret: "secret", header: map[string]string{"Date": at(-15*time.Minute - time.Second)}, status: 403, code: "RequestTimeTooSkewed", ec: "0002-00000504"},
		{name: "clock early", id: "id", secret: "secret", header: map[string]string{"Date": at(15*time.Minute + time.Second)}, status: 403, code: "RequestTimeTooSkewed", ec: "0002-00000504"},
		{name: "date malformed", id: "id", secret: "secret", header: map[string]string{"Date": "x"}, status: 403, code: "AccessDenied", ec: "0002-00000503"},
		{name: "no scheme", header: map[string]string{"Authorization": "id:x"}, status: 400, code: "InvalidArgument"},
		{name: "no colon", header: map[string]string{"Authorization": "OSS id"}, status: 400, code: "InvalidArgument"},
		{name: "V4 wrong signature", header: map[string]string{"Authorization": v4(",Signature=00")}, status: 403, code: "SignatureDoesNotMatch", ec: "0002-00000201"},
		{name: "V4 no signature", header: map[string]string{"Authorization": v4("")}, status: 400, code: "InvalidArgument"},
		{name: "V4 empty additional headers", header: map[string]string{"Authorization": v4(",AdditionalHeaders=,Signature=00")}, status: 400, code: "InvalidArgument", ec: "0002-00000209"},
		{name: "V4 missing additional header", header: map[string]string{"Authorization": v4(",AdditionalHeaders=x-a,Signature=00")}, status: 400, code: "InvalidArgument"},
		{name: "V4 region", header: map[string]string{"Authorization": strings.Replace(v4(",Signature=00"), "hangzhou", "beijing", 1)}, status: 400, code: "InvalidArgument", ec: "0002-00000226"},
		{name: "V4 day", header: map[string]string{"Authorization": strings.Replace(v4(",Signature=00"), "20261122", "20261121", 1)}, status: 400, code: "InvalidArgument"},
		{name: "header and URL", id: "id", secret: "secret", query: "?OSSAccessKeyId=id", status: 400, code: "InvalidArgument"},
		{name: "URL incomplete", query: "?OSSAccessKeyId=id", status: 403, code: "AccessDenied"},
		{name: "URL expired", query: fmt.Sprintf("?OSSAccessKeyId=id&Signature=x&Expires=%d", now.Unix()-1), status: 403, code: "AccessDenied"},
		{name: "URL wrong", query: fmt.Sprintf("?OSSAccessKeyId=id&Signature=x&Expires=%d", now.Unix()), status: 403, code: "SignatureDoesNotMatch", ec: "0002-00000040"},
		{name: "V4 URL expires too late", query: "?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature=x&x-oss-credential=x&x-oss-date=20261122T120000Z&x-oss-expires=604801", status: 400, code: "InvalidArgument", ec: "0002-00000232"},
		{name: "token", id: "sts", secret: "secret", header: map[string]string{"x-oss-security-token": "token"}, status: 200},
		{name: "token missing", id: "sts", secret: "secret", status: 403, code: "InvalidAccessKeyId", ec: "0002-00000902"},
		{name: "token wrong", id: "sts", secret: "secret", header: map[string]string{"x-oss-security-token": "x"}, status: 403, code: "InvalidSecurityToken"},
		{name: "token of another key", id: "id", secret: "secret", header: map[string]string{"x-oss-security-token": "token"}, status: 403, code: "AccessKeyIdAndSecurityTokenNotMatch"},
		{name: "token expired", id: "old", secret: "secret", header: map[string]string{"x-oss-security-token": "oldtoken"}, status: 403, code: "SecurityTokenExpired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/bucket/"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Date", at(0))
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			if c.id != "" {
				signV1(r, c.id, c.secret)
			}
			resp := roundTrip(t, srv, r)
			if resp.StatusCode != c.status || resp.element("Code") != c.code || resp.element("EC") != c.ec {
				t.Errorf("%d %s, EC %q; want %d %s, EC %q\n%s", resp.StatusCode, resp.element("Code"), resp.element("EC"), c.status, c.code, c.ec, resp.body)
			}
			if strings.Contains(resp.body, "secret") {
				t.Errorf("the answer gives a secret away: %s", resp.body)
			}
			switch c.code {
			case "SignatureDoesNotMatch":
				if resp.element("OSSAccessKeyId") != "id" || resp.element("SignatureProvided") == "" || resp.element("StringToSign") == "" || resp.element("StringToSignBytes") == "" {
					t.Errorf("elements are missing: %s", resp.body)
				}
			case "RequestTimeTooSkewed":
				if resp.element("MaxAllowedSkewMilliseconds") != "900000" || resp.element("ServerTime") != "2026-11-22T12:00:00.000Z" || resp.element("RequestTime") == "" {
					t.Errorf("elements are missing: %s", resp.body)
				}
			}
		})
	}
}

// TestPresigned uses the URLs that the SDK signs, with both versions, and changed ones.
func TestPresigned(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"},
		Credentials: []fakeoss.Credential{{AccessKeyID: "sts", AccessKeySecret: "secret", SecurityToken: "tok+en/="}}})
	for name, options := range map[string][]oss.ClientOption{
		"V1": {oss.AuthVersion(oss.AuthV1), oss.SecurityToken("tok+en/=")},
		"V4": {oss.AuthVersion(oss.AuthV4), oss.Region("cn-hangzhou"), oss.SecurityToken("tok+en/=")},
	} {
		t.Run(name, func(t *testing.T) {
			bucket, err := newClient(t, srv, srv.URL, options...).Bucket("bucket")
			if err != nil {
				t.Fatal(err)
			}
			const key = "a/b c+d%ü"
			put, err := bucket.SignURL(key, oss.HTTPPut, 60, oss.ContentType("text/plain"), oss.Meta("m", "v"))
			if err != nil {
				t.Fatal(err)
			}
			if err := bucket.PutObjectWithURL(put, strings.NewReader("hello"), oss.ContentType("text/plain"), oss.Meta("m", "v")); err != nil {
				t.Fatal(err)
			}
			get, err := bucket.SignURL(key, oss.HTTPGet, 60, oss.ResponseContentType("x/y"))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name, url string
				status    int
			}{
				{"as signed", get, 200},
				{"another key", strings.Replace(get, "a%2Fb", "a%2Fc", 1), 403},
				{"another parameter", strings.Replace(get, "x%2Fy", "x%2Fz", 1), 403},
				{"an added parameter", get + "&response-expires=x", 403},
				{"another method", put, 403},
			} {
				r, err := http.NewRequestWithContext(t.Context(), "GET", c.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp := roundTrip(t, srv, r)
				if resp.StatusCode != c.status || c.status == 200 && (resp.body != "hello" || resp.get("Content-Type") != "x/y") {
					t.Errorf("%s: %d %q, want %d", c.name, resp.StatusCode, resp.body, c.status)
				}
			}
		})
	}
}

// TestAddressing: the same bucket under an IP address, a known host, a public one and a CNAME.
func TestAddressing(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Endpoints: []string{"oss.test"},
		CNAMEs: map[string]string{"files.example.com": "bucket"}})
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
	for _, c := range []struct {
		host, path, code string
	}{
		{"bucket.localhost:1", "/k", ""},
		{"BUCKET.localhost", "/k", ""},
		{"localhost", "/bucket/k", ""},
		{"bucket.oss.test", "/k", ""},
		{"bucket.oss-cn-hangzhou.aliyuncs.com", "/k", ""},
		{"bucket.oss-cn-hangzhou-internal.aliyuncs.com", "/k", ""},
		{"bucket.cn-hangzhou.oss.aliyuncs.com", "/k", ""},
		{"bucket.oss-accelerate.aliyuncs.com", "/k", ""},
		{"files.example.com", "/k", ""},
		{"[::1]:1", "/bucket/k", ""},
		{"other-host", "/bucket/k", ""},
		{"bucket.oss-cn-beijing.aliyuncs.com", "/k", "AccessDenied"},
		{"oss-cn-hangzhou.aliyuncs.com", "/bucket/k", "SecondLevelDomainForbidden"},
		{"missing.localhost", "/k", "NoSuchBucket"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/bucket/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
		r.Host = c.host
		r.URL.Path = c.path
		resp := roundTrip(t, srv, r)
		if resp.element("Code") != c.code || c.code == "" && resp.body != "hello" {
			t.Errorf("%s%s: %d %s, want %q", c.host, c.path, resp.StatusCode, resp.body, c.code)
		}
	}
}
