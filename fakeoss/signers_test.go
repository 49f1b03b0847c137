package fakeoss_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// wire is a request before it is sent, in the pieces that signatures cover. It addresses its bucket in the path style.
type wire struct {
	method, bucket, key string
	query               [][2]string // unescaped; "" is a parameter without a value
	header              map[string]string
	host                string
}

// signer signs wires. It is written apart from the server, after the service's pages and the signers of the SDKs.
type signer struct {
	version    string // V1, V2, V4
	presigned  bool
	id, secret string
	token      string
	additional []string // V2, V4: sorted, in lower case
	now        time.Time
	ttl        time.Duration // presigned
}

func (s signer) String() string {
	if s.presigned {
		return s.version + " presigned"
	}
	return s.version + " header"
}

// escapeURI leaves the unreserved characters of RFC 3986 alone, and those in keep.
func escapeURI(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func mac(h func() hash.Hash, key []byte, s string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

// headers joins the headers that pick chooses, sorted, each as name:value and a newline.
func (w *wire) headers(pick func(name string) bool) string {
	var lines []string
	for k, v := range w.header {
		if name := strings.ToLower(k); pick(name) {
			lines = append(lines, name+":"+v+"\n")
		}
	}
	if pick("host") {
		lines = append(lines, "host:"+w.host+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func joinQuery(fields [][2]string, mapped func(string) string) string {
	fields = slices.Clone(fields)
	slices.SortFunc(fields, func(x, y [2]string) int { return strings.Compare(mapped(x[0]), mapped(y[0])) })
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = mapped(f[0])
		if f[1] != "" {
			out[i] += "=" + mapped(f[1])
		}
	}
	return strings.Join(out, "&")
}

// sign adds to w what makes it signed.
func (s signer) sign(w *wire) {
	amz := s.now.UTC().Format("20060102T150405Z")
	expires := fmt.Sprint(s.now.Add(s.ttl).Unix())
	switch {
	case s.token != "" && !s.presigned:
		w.header["x-oss-security-token"] = s.token
	case s.token != "" && s.version == "V4":
		w.query = append(w.query, [2]string{"x-oss-security-token", s.token})
	case s.token != "":
		w.query = append(w.query, [2]string{"security-token", s.token})
	}
	day := amz[:8]
	scope := day + "/cn-hangzhou/oss/aliyun_v4_request"
	additional := strings.Join(s.additional, ";")
	switch {
	case s.version == "V4" && s.presigned:
		w.query = append(w.query, [2]string{"x-oss-signature-version", "OSS4-HMAC-SHA256"}, [2]string{"x-oss-credential", s.id + "/" + scope},
			[2]string{"x-oss-date", amz}, [2]string{"x-oss-expires", fmt.Sprint(int(s.ttl.Seconds()))})
	case s.version == "V4":
		w.header["x-oss-date"] = amz
		w.header["x-oss-content-sha256"] = "UNSIGNED-PAYLOAD"
	case s.version == "V2" && s.presigned:
		w.query = append(w.query, [2]string{"x-oss-signature-version", "OSS2"}, [2]string{"x-oss-access-key-id", s.id}, [2]string{"x-oss-expires", expires})
	}
	if s.presigned && additional != "" {
		w.query = append(w.query, [2]string{"x-oss-additional-headers", additional})
	}
	if !s.presigned && s.version != "V4" { // x-oss-date stands for it there, and it would not be signed
		w.header["Date"] = s.now.UTC().Format(http.TimeFormat)
	}
	date := w.header["Date"]
	if s.presigned {
		date = expires
	}
	ossHeader := func(name string) bool { return strings.HasPrefix(name, "x-oss-") }
	top := w.method + "\n" + w.header["Content-MD5"] + "\n" + w.header["Content-Type"] + "\n" + date + "\n"
	uri := func(v string) string { return escapeURI(v, "") }
	var signature string
	switch s.version {
	case "V1":
		signed := slices.DeleteFunc(slices.Clone(w.query), func(f [2]string) bool {
			return !slices.Contains([]string{"response-content-type", "security-token", "acl", "delete", "partNumber", "uploadId"}, f[0])
		})
		resource := "/" + w.bucket + "/" + w.key
		if len(signed) > 0 {
			resource += "?" + joinQuery(signed, func(v string) string { return v })
		}
		signature = base64.StdEncoding.EncodeToString(mac(sha1.New, []byte(s.secret), top+w.headers(ossHeader)+resource))
	case "V2":
		resource := uri("/" + w.bucket + "/" + w.key)
		if len(w.query) > 0 {
			resource += "?" + joinQuery(w.query, uri)
		}
		lines := w.headers(func(name string) bool { return ossHeader(name) || slices.Contains(s.additional, name) })
		signature = base64.StdEncoding.EncodeToString(mac(sha256.New, []byte(s.secret), top+lines+additional+"\n"+resource))
	case "V4":
		lines := w.headers(func(name string) bool {
			return ossHeader(name) || name == "content-type" || name == "content-md5" || slices.Contains(s.additional, name)
		})
		canonical := w.method + "\n/" + w.bucket + "/" + escapeURI(w.key, "/") + "\n" + joinQuery(w.query, uri) + "\n" + lines + "\n" +
			additional + "\nUNSIGNED-PAYLOAD"
		sum := sha256.Sum256([]byte(canonical))
		key := []byte("aliyun_v4" + s.secret)
		for _, step := range strings.Split(scope, "/") {
			key = mac(sha256.New, key, step)
		}
		signature = hex.EncodeToString(mac(sha256.New, key, "OSS4-HMAC-SHA256\n"+amz+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	}
	list := func(label string) string {
		if additional == "" {
			return ""
		}
		return "AdditionalHeaders" + label + additional + ","
	}
	switch {
	case s.presigned && s.version == "V1":
		w.query = append(w.query, [2]string{"OSSAccessKeyId", s.id}, [2]string{"Expires", expires}, [2]string{"Signature", signature})
	case s.presigned:
		w.query = append(w.query, [2]string{"x-oss-signature", signature})
	case s.version == "V1":
		w.header["Authorization"] = "OSS " + s.id + ":" + signature
	case s.version == "V2":
		w.header["Authorization"] = "OSS2 AccessKeyId:" + s.id + "," + list(":") + "Signature:" + signature
	case s.version == "V4":
		w.header["Authorization"] = "OSS4-HMAC-SHA256 Credential=" + s.id + "/" + scope + "," + list("=") + "Signature=" + signature
	}
}

func (w *wire) clone() *wire {
	c := *w
	c.query = slices.Clone(w.query)
	c.header = map[string]string{}
	for k, v := range w.header {
		c.header[k] = v
	}
	return &c
}

// send sends w to the server at its own address, whatever its host is.
func (w *wire) send(t *testing.T, srv *fakeoss.TestServer, body string) response {
	t.Helper()
	fields := make([]string, len(w.query))
	for i, f := range w.query {
		fields[i] = escapeURI(f[0], "")
		if f[1] != "" {
			fields[i] += "=" + escapeURI(f[1], "")
		}
	}
	raw := srv.URL + "/" + escapeURI(w.bucket, "") + "/" + escapeURI(w.key, "/")
	if len(fields) > 0 {
		raw += "?" + strings.Join(fields, "&")
	}
	r, err := http.NewRequestWithContext(t.Context(), w.method, raw, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = w.host
	for k, v := range w.header {
		r.Header[http.CanonicalHeaderKey(k)] = []string{v}
	}
	return roundTrip(t, srv, r)
}

// now is the time of a server without a Clock.
func now() time.Time { return time.Now() }

// The tests' own signer makes the vectors that the signer of SDK v2 made, so that the server and it are not wrong together.
func TestSignersMakeTheVectors(t *testing.T) {
	for version, want := range map[string]string{
		"V1": "OSS ak:E3nf0+I71DXANMIGB/UMiej9M4U=",
		"V4": "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request," +
			"Signature=acfac91c16d4da7ec5e1b7cf45dcf96b984c7e88611bc4ef0b2db27dc9a9d530",
	} {
		w := &wire{method: "PUT", bucket: "bucket", key: "1234+-/123/1.txt", query: [][2]string{{"partNumber", "1"}, {"uploadId", "U1"}},
			header: map[string]string{"Content-Type": "text/plain", "x-oss-meta-a": "v"}}
		signer{version: version, id: "ak", secret: "sk", now: time.Unix(1702743657, 0)}.sign(w)
		if got := w.header["Authorization"]; got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}
