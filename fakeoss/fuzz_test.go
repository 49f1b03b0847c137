package fakeoss

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// fuzzTime is the time of the servers that are fuzzed.
var fuzzTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const fuzzUpload = "0123456789ABCDEF0123456789ABCDEF"

// fuzzServer returns a server with a public bucket, an object and an unfinished upload in it.
func fuzzServer(f testing.TB) *Handler {
	h, err := New(&Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return fuzzTime }, JournalLimit: 10, Admin: true,
		Credentials: []Credential{{AccessKeyID: "id", AccessKeySecret: "secret"}, {AccessKeyID: "sts", AccessKeySecret: "secret", SecurityToken: "token"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := h.Close(); err != nil {
			f.Error(err)
		}
	})
	if err := h.createBucket("bucket", &bucketMeta{ACL: "public-read-write"}); err != nil {
		f.Fatal(err)
	}
	h.uploads.add(&upload{id: fuzzUpload, bucket: "bucket", key: "k", parts: map[int]*part{}, meta: uploadMeta{Object: &objectMeta{Header: map[string]string{}}}})
	return h
}

// serveFuzzed serves r and checks what every answer must be.
func serveFuzzed(t *testing.T, h *Handler, r *http.Request) {
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		h.ServeHTTP(w, r)
	}()
	if w.Code >= 500 && w.Code != http.StatusNotImplemented {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Content-Type") != "application/xml" || r.Method == http.MethodHead || w.Code == http.StatusNotModified {
		return
	}
	if w.Header().Get("x-oss-object-type") != "" {
		return // an object that says that it is XML
	}
	d := xml.NewDecoder(w.Body)
	root := ""
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%d: the answer is not XML: %v", w.Code, err)
		}
		if s, ok := tok.(xml.StartElement); ok && root == "" {
			root = s.Name.Local
		}
	}
	if (w.Code >= 300) != (root == "Error") {
		t.Errorf("%d with the root %q", w.Code, root)
	}
}

// FuzzRequest feeds bytes as they come over a connection.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket/?list-type=2&prefix=a&delimiter=%2F&encoding-type=url HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nx-oss-meta-a: b\r\n\r\nhello",
		"PUT /k?partNumber=1&uploadId=" + fuzzUpload + " HTTP/1.1\r\nHost: bucket.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST /bucket/k?uploadId=" + fuzzUpload + " HTTP/1.1\r\nHost: x\r\nContent-Length: 66\r\n\r\n<CompleteMultipartUpload><Part></Part></CompleteMultipartUpload>\r\n",
		"HEAD /bucket/k?objectMeta HTTP/1.1\r\nHost: bucket.oss-cn-hangzhou.aliyuncs.com\r\nRange: bytes=0-1\r\n\r\n",
		"GET http://[::1]:9000/bucket/%2F%2e%2e?acl HTTP/1.1\r\nHost: [::1]:9000\r\nAuthorization: OSS id:x\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\r\n",
		"POST /-/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{\"kind\":\"Refuse\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // net/http answers 400
		}
		h := fuzzServer(t)
		if administered := h.administers(r); administered && strings.Contains(r.URL.Path, "faults") && r.Method == http.MethodPost {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("administration: %d %s", w.Code, w.Body)
			}
			return
		}
		serveFuzzed(t, h, r)
	})
}

// FuzzSigned gives requests a valid signature, so that what is behind the check is reached.
func FuzzSigned(f *testing.F) {
	f.Add("GET", "/bucket/", "max-keys=1&marker=a", "", "", []byte(nil))
	f.Add("PUT", "/bucket/k", "tagging", "", "", []byte("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"))
	f.Add("PUT", "/new-bucket/", "", "x-oss-acl", "private", []byte("<CreateBucketConfiguration><StorageClass>IA</StorageClass></CreateBucketConfiguration>"))
	f.Add("PUT", "/bucket/k", "partNumber=1&uploadId="+fuzzUpload, "Content-MD5", "x", []byte("part"))
	f.Add("POST", "/bucket/k", "uploadId="+fuzzUpload, "x-oss-complete-all", "yes", []byte(nil))
	f.Add("POST", "/bucket/k", "uploads&sequential", "x-oss-tagging", "a=b&c", []byte(nil))
	f.Add("GET", "/bucket/k", "uploadId="+fuzzUpload+"&part-number-marker=1", "", "", []byte(nil))
	f.Add("GET", "/bucket/", "uploads&key-marker=a&upload-id-marker=b&delimiter=/", "", "", []byte(nil))
	f.Add("POST", "/bucket/", "delete", "Content-MD5", "x", []byte("<Delete><Object><Key>k</Key></Object></Delete>"))
	f.Fuzz(func(t *testing.T, method, path, query, name, value string, body []byte) {
		u, err := url.ParseRequestURI(path + "?" + query)
		if err != nil || strings.HasPrefix(path, adminRoot) {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", bytes.NewReader(body))
		r.Method, r.URL, r.RequestURI, r.Host = method, u, path+"?"+query, "127.0.0.1"
		r.Header.Set("Date", fuzzTime.Format(http.TimeFormat))
		if name != "" && !strings.EqualFold(name, "Authorization") && !strings.EqualFold(name, "Date") && !strings.EqualFold(name, "x-oss-date") {
			r.Header.Set(name, value)
		}
		h := fuzzServer(t)
		target, err := h.resolve(r)
		if err != nil {
			return
		}
		_, raw, _ := strings.Cut(r.RequestURI, "?")
		q, err := parseQuery(raw)
		if err != nil {
			return
		}
		mac := hmac.New(sha1.New, []byte("secret"))
		mac.Write([]byte(stringToSignV1(r, target, q, r.Header.Get("Date"))))
		r.Header.Set("Authorization", "OSS id:"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		serveFuzzed(t, h, r)
	})
}

// FuzzAuthorization feeds the parsers of all signatures: nothing that is made up may be taken for signed.
func FuzzAuthorization(f *testing.F) {
	day := fuzzTime.Format("20060102")
	f.Add("OSS id:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", fuzzTime.Format(http.TimeFormat), "")
	f.Add("OSS2 AccessKeyId:id,AdditionalHeaders:host,Signature:x", "", fuzzTime.Format(http.TimeFormat), "")
	f.Add("OSS4-HMAC-SHA256 Credential=id/"+day+"/cn-hangzhou/oss/aliyun_v4_request,AdditionalHeaders=host;range, Signature=00", "", "", fuzzTime.Format(timeFormatV4))
	f.Add("", "OSSAccessKeyId=id&Expires=1800000000&Signature=x&security-token=t", "", "")
	f.Add("", "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=id/"+day+"/cn-hangzhou/oss/aliyun_v4_request&x-oss-date="+
		fuzzTime.Format(timeFormatV4)+"&x-oss-expires=60&x-oss-signature=00&x-oss-additional-headers=host", "", "")
	f.Add("", "x-oss-signature-version=OSS2&x-oss-access-key-id=id&x-oss-expires=1800000000&x-oss-signature=x", "", "")
	h := fuzzServer(f)
	f.Fuzz(func(t *testing.T, authorization, rawQuery, date, ossDate string) {
		q, err := parseQuery(rawQuery)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/bucket/k", nil)
		for name, v := range map[string]string{"Authorization": authorization, "Date": date, "X-Oss-Date": ossDate} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		c := &call{h: h, r: r, query: q, target: target{bucket: "bucket", key: "k"}}
		signed, err := c.authenticate()
		var se *serviceError
		if err != nil && !errors.As(err, &se) {
			t.Errorf("%v is not an error of the service", err)
		}
		if signed {
			t.Errorf("Authorization %q and query %q were taken for signed", authorization, rawQuery)
		}
		if se != nil && strings.Contains(string(se.document("", "")), "secret") && !strings.Contains(authorization+rawQuery+date+ossDate, "secret") {
			t.Errorf("the secret is in %s", se.document("", ""))
		}
	})
}

// FuzzDocument feeds each XML parser. What a parser takes, encoding/xml takes to be the same.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&#34;A&#34;</ETag></Part></CompleteMultipartUpload>",
		"<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>",
		`<?xml version="1.0" encoding="UTF-8"?><CreateBucketConfiguration xmlns="x"><StorageClass>IA</StorageClass></CreateBucketConfiguration>`,
		"<Tagging><TagSet><Tag><Key>k</Key><Value><![CDATA[v]]></Value></Tag></TagSet></Tagging><!-- end -->",
		"<!DOCTYPE x [<!ENTITY a 'b'>]><Tagging>&a;</Tagging>",
		strings.Repeat("<a>", 20),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(got, want any) {
			if err := decodeDocument(b, got); err != nil {
				return
			}
			if err := xml.Unmarshal(b, want); err != nil {
				t.Errorf("taken, although encoding/xml says %v", err)
				return
			}
			x, err1 := xml.Marshal(got)
			y, err2 := xml.Marshal(want)
			if err := errors.Join(err1, err2); err == nil && !bytes.Equal(x, y) {
				t.Errorf("%s, encoding/xml has %s", x, y)
			}
		}
		check(&completeXML{}, &completeXML{})
		check(&taggingXML{}, &taggingXML{})
		type bucketConfiguration struct {
			XMLName      xml.Name `xml:"CreateBucketConfiguration"`
			StorageClass string   `xml:"StorageClass"`
		}
		check(&bucketConfiguration{}, &bucketConfiguration{})
		type deletion struct {
			XMLName xml.Name `xml:"Delete"`
			Quiet   string   `xml:"Quiet"`
			Keys    []string `xml:"Object>Key"`
		}
		check(&deletion{}, &deletion{})
	})
}

// FuzzRange: a range that is taken lies within the object.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-0,1-2", "bytes=9223372036854775807-", "bytes= 1-2", "x"} {
		f.Add(s, int64(10), true)
		f.Add(s, int64(0), false)
	}
	f.Fuzz(func(t *testing.T, header string, size int64, standard bool) {
		if size < 0 {
			return
		}
		r, partial, err := parseRange(header, size, standard)
		if partial && (err != nil || r.start < 0 || r.length < 1 || r.start+r.length > size || r.start+r.length < r.length) {
			t.Errorf("%q of %d: %+v, %v", header, size, r, err)
		}
	})
}
