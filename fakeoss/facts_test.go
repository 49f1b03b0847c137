package fakeoss_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// The tests of this file are the facts that the clients' own integration tests insist on, one each.

func newFactServer(t *testing.T) *fakeoss.TestServer {
	return fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
}

func TestFactXMLDatesEndInZeroMilliseconds(t *testing.T) {
	srv := newFactServer(t)
	id := initiate(t, srv, "/bucket/k?uploads")
	want(t, "part", uploadPart(t, srv, "k", id, 1, "x"), 200, nil)
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "x"}), 200, nil)
	copied := do(t, srv, request{method: "PUT", path: "/bucket/c", header: map[string]string{"x-oss-copy-source": "/bucket/k"}})
	date := regexp.MustCompile(`\d{4}-\d\d-\d\dT[^<]*`)
	zero := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$`)
	skewed := do(t, srv, request{method: "GET", path: "/", header: map[string]string{"Date": "Sat, 16 Dec 2023 16:20:57 GMT"}})
	for name, body := range map[string]string{"copy": copied.body, "skewed": skewed.body,
		"buckets": do(t, srv, request{method: "GET", path: "/"}).body, "info": do(t, srv, request{method: "GET", path: "/bucket/?bucketInfo"}).body,
		"objects": do(t, srv, request{method: "GET", path: "/bucket/"}).body, "uploads": do(t, srv, request{method: "GET", path: "/bucket/?uploads"}).body,
		"parts": do(t, srv, request{method: "GET", path: "/bucket/k?uploadId=" + id}).body} {
		dates := date.FindAllString(body, -1)
		if len(dates) == 0 {
			t.Errorf("%s: no date in %s", name, body)
		}
		for _, d := range dates {
			if !zero.MatchString(d) {
				t.Errorf("%s: the date %s", name, d)
			}
		}
	}
}

func TestFactNoSuchBucketBeforeSignature(t *testing.T) {
	srv := newFactServer(t)
	for _, header := range []map[string]string{nil, {"Authorization": "OSS x:x"}, {"Authorization": "nonsense"}} {
		r := do(t, srv, request{method: "GET", path: "/missing/k", raw: true, header: header})
		wantError(t, fmt.Sprint(header), r, 404, "NoSuchBucket", "0015-00000101")
		if r.element("BucketName") != "missing" {
			t.Errorf("BucketName %q", r.element("BucketName"))
		}
	}
}

func TestFactNoSuchUploadDetailCodes(t *testing.T) {
	srv := newFactServer(t)
	gone := strings.Repeat("0123456789ABCDEF", 2)
	for ec, rq := range map[string]request{
		"0042-00000002 abort":          {method: "DELETE", path: "/bucket/k?uploadId=" + gone},
		"0042-00000002 list":           {method: "GET", path: "/bucket/k?uploadId=" + gone},
		"0042-00000104 part":           {method: "PUT", path: "/bucket/k?partNumber=1&uploadId=" + gone, body: "x"},
		"0042-00000311 part copy":      {method: "PUT", path: "/bucket/k?partNumber=1&uploadId=" + gone, header: map[string]string{"x-oss-copy-source": "/bucket/k"}},
		"0017-00000244 malformed part": {method: "PUT", path: "/bucket/k?partNumber=1&uploadId=x", body: "x"},
	} {
		r := do(t, srv, rq)
		wantError(t, ec, r, 404, "NoSuchUpload", ec[:13])
		if r.element("UploadId") == "" {
			t.Errorf("%s: no UploadId", ec)
		}
	}
}

func TestFactUserMetadataIsLowerCaseOnTheWire(t *testing.T) {
	srv := newFactServer(t)
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", header: map[string]string{"X-Oss-Meta-Some-Name": "v",
		"x-oss-object-acl": "public-read"}}), 200, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HEAD /bucket/k HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.Contains(string(text), "\r\nx-oss-meta-some-name: v\r\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestFactCRCInObjectMeta(t *testing.T) {
	srv := newFactServer(t)
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello"}), 200, nil)
	want(t, "meta", do(t, srv, request{method: "HEAD", path: "/bucket/k?objectMeta"}), 200, map[string]string{"x-oss-hash-crc64ecma": crcOf([]byte("hello"))})
}

// That a plus in a path is a space is in TestKeys.

func TestFactEndpointsAnswer(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, CNAMEs: map[string]string{"files.example.com": "bucket"}})
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	own := strings.TrimPrefix(srv.URL, "http://")
	for host, endpoint := range map[string]string{own: own, "bucket.localhost" + port: "localhost" + port, "files.example.com": own,
		"bucket.oss-cn-hangzhou.aliyuncs.com": "oss-cn-hangzhou.aliyuncs.com"} {
		w := &wire{method: "GET", bucket: "bucket", host: host, header: map[string]string{}, query: [][2]string{{"bucketInfo", ""}}}
		signer{version: "V2", id: srv.AccessKeyID, secret: srv.AccessKeySecret, now: now()}.sign(w)
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/?bucketInfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		if host == own {
			r.URL.Path = "/bucket/"
		}
		r.Host = host
		for k, v := range w.header {
			r.Header.Set(k, v)
		}
		info := roundTrip(t, srv, r)
		if info.element("ExtranetEndpoint") != endpoint || info.element("IntranetEndpoint") != endpoint {
			t.Errorf("%s: %d %s, want the endpoint %s", host, info.StatusCode, info.body, endpoint)
		}
	}
	if list := do(t, srv, request{method: "GET", path: "/"}); list.element("ExtranetEndpoint") != own {
		t.Errorf("list: %s", list.body)
	}
}

// That all versions sign in the header and in the URL is in TestSignaturesRefuseFlippedBits.

func TestFactMissingSignedHeaderIs400(t *testing.T) {
	srv := newFactServer(t)
	for _, version := range []string{"V2", "V4"} {
		for _, presigned := range []bool{false, true} {
			s := signer{version: version, presigned: presigned, id: srv.AccessKeyID, secret: srv.AccessKeySecret, now: now(), ttl: 60e9, additional: []string{"x-extra"}}
			w := &wire{method: "GET", bucket: "bucket", host: strings.TrimPrefix(srv.URL, "http://"), header: map[string]string{"x-extra": "v"}}
			s.sign(w)
			want(t, s.String(), w.send(t, srv, ""), 200, nil)
			delete(w.header, "x-extra")
			wantError(t, s.String(), w.send(t, srv, ""), 400, "InvalidArgument", "")
		}
	}
}

func TestFactConditionsOnPutAndInitiate(t *testing.T) {
	srv := newFactServer(t)
	header := map[string]string{"If-Modified-Since": "Sat, 16 Dec 2023 16:20:57 GMT"}
	wantError(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", header: header}), 400, "NotImplemented", "")
	want(t, "initiate", do(t, srv, request{method: "POST", path: "/bucket/k?uploads", header: header}), 200, nil)
}

// That a quiet DeleteMultipleObjects has an empty body is in TestDeleteMultipleObjects.

func TestFactMalformedValuesAreRefused(t *testing.T) {
	for _, loose := range []bool{false, true} {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Loose: loose})
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/src"}), 200, nil)
		id := initiate(t, srv, "/bucket/up?uploads")
		for name, value := range map[string]string{"x-oss-object-acl": "public", "x-oss-storage-class": "standard", "x-oss-server-side-encryption": "aes256"} {
			for _, rq := range []request{
				{method: "PUT", path: "/bucket/k"},
				{method: "POST", path: "/bucket/k?append&position=0", body: "x"},
				{method: "POST", path: "/bucket/k?uploads"},
				{method: "PUT", path: "/bucket/k", header: map[string]string{"x-oss-copy-source": "/bucket/src"}},
			} {
				header := map[string]string{name: value}
				for k, v := range rq.header {
					header[k] = v
				}
				rq.header = header
				if r := do(t, srv, rq); r.StatusCode != 400 {
					t.Errorf("%s %s with %s %s: %d, want 400", rq.method, rq.path, name, value, r.StatusCode)
				}
			}
		}
		for _, rq := range []request{
			{method: "PUT", path: "/bucket/?acl", header: map[string]string{"x-oss-acl": "default"}},
			{method: "PUT", path: "/bucket/?acl"},
			{method: "PUT", path: "/bucket/src?acl", header: map[string]string{"x-oss-object-acl": "x"}},
			{method: "POST", path: "/bucket/up?uploadId=" + id, body: list(), header: map[string]string{"x-oss-object-acl": "x"}},
			{method: "PUT", path: "/other/", body: "<CreateBucketConfiguration><StorageClass>x</StorageClass></CreateBucketConfiguration>"},
		} {
			if r := do(t, srv, rq); r.StatusCode != 400 {
				t.Errorf("%s %s: %d, want 400", rq.method, rq.path, r.StatusCode)
			}
		}
		want(t, "nothing is stored", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 404, nil)
	}
}
