package fakeoss_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// golden is one file of testdata/golden.
type golden struct {
	comment  string
	server   string
	given    []string
	request  string
	response string
}

var goldenSection = regexp.MustCompile(`(?m)^--- (given|request|response)\n`)

func parseGolden(text string) (*golden, error) {
	g := &golden{}
	marks := goldenSection.FindAllStringSubmatchIndex(text, -1)
	if len(marks) == 0 {
		return nil, errors.New("no sections")
	}
	g.comment = text[:marks[0][0]]
	if !strings.Contains(g.comment, "\n# Source: ") {
		return nil, errors.New("no source")
	}
	for line := range strings.Lines(g.comment) {
		if s, ok := strings.CutPrefix(line, "# Server: "); ok {
			g.server = strings.TrimSpace(s)
		}
	}
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		body := strings.TrimSuffix(text[m[1]:end], "\n")
		switch text[m[2]:m[3]] {
		case "given":
			g.given = append(g.given, body)
		case "request":
			g.request = body
		case "response":
			g.response = body
		}
	}
	if g.request == "" {
		return nil, errors.New("no request")
	}
	return g, nil
}

// with returns the text of the file with another response.
func (g *golden) with(response string) string {
	var b strings.Builder
	b.WriteString(g.comment)
	for _, s := range g.given {
		b.WriteString("--- given\n" + s + "\n")
	}
	b.WriteString("--- request\n" + g.request + "\n--- response\n" + response + "\n")
	return b.String()
}

// goldenExchange is a conversation with a server.
type goldenExchange struct {
	t       *testing.T
	srv     *fakeoss.TestServer
	uploads []string // the IDs seen, in their order
	next    string   // a continuation token
}

var (
	goldenBytes   = regexp.MustCompile(`\{bytes (\d+)\}`)
	goldenHeader  = regexp.MustCompile(`(?m)^Authorization: \{(V1|V4)( \w+)?\}$`)
	goldenURL     = regexp.MustCompile(`[?&]\{(V1|V4) URL( [a-z]+)?( -?\d+)?\}`)
	uploadElement = regexp.MustCompile(`<UploadId>([0-9A-F]{32})</UploadId>`)
	requestIDText = regexp.MustCompile(`(<RequestId>|x-oss-request-id: )[0-9A-F]{24}`)
	serverTime    = regexp.MustCompile(`x-oss-server-time: \d+`)
	errHeader     = regexp.MustCompile(`x-oss-err: (\S+)`)
)

// send sends a request as it stands, but for what is in braces, and returns the answer without what is never the same.
func (x *goldenExchange) send(text string) string {
	t := x.t
	t.Helper()
	text = goldenBytes.ReplaceAllStringFunc(text, func(s string) string {
		n, _ := strconv.Atoi(goldenBytes.FindStringSubmatch(s)[1])
		return strings.Repeat("x", n)
	})
	for i, id := range x.uploads {
		text = strings.ReplaceAll(text, uploadName(i), id)
	}
	text = strings.ReplaceAll(text, "{next}", x.next)
	head, body, _ := strings.Cut(text, "\n\n")
	head, short := x.frame(x.sign(head), body)
	conn, err := net.Dial("tcp", strings.TrimPrefix(x.srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head+body); err != nil {
		t.Fatal(err)
	}
	if short {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	var raw strings.Builder
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &raw)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in the answer to\n%s", err, head)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return x.normal(raw.String())
}

func uploadName(i int) string {
	if i == 0 {
		return "{upload}"
	}
	return fmt.Sprintf("{upload %d}", i+1)
}

// frame gives the head its line ends and a Content-Length, unless it has a framing of its own. short tells that the body is
// shorter than the head says.
func (x *goldenExchange) frame(head, body string) (_ string, short bool) {
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	length := -1
	chunked := false
	for i, l := range lines {
		if v, ok := strings.CutPrefix(l, "Content-Length: "); ok {
			if v == "{none}" {
				return strings.Join(slices.Delete(lines, i, i+1), "\r\n") + "\r\n\r\n", false
			}
			length, _ = strconv.Atoi(v)
		}
		chunked = chunked || strings.HasPrefix(l, "Transfer-Encoding: ")
	}
	if length < 0 && !chunked && (body != "" || !strings.HasPrefix(head, "GET ") && !strings.HasPrefix(head, "HEAD ")) {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n", length > len(body)
}

// normal takes out of a raw answer what changes from run to run, and its carriage returns.
func (x *goldenExchange) normal(raw string) string {
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	raw = errHeader.ReplaceAllStringFunc(raw, func(s string) string {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "x-oss-err: "))
		if err != nil {
			x.t.Errorf("%s: %v", s, err)
		}
		return "x-oss-err: {base64 of " + strings.ReplaceAll(string(b), "\n", "") + "}"
	})
	for _, m := range uploadElement.FindAllStringSubmatch(raw, -1) {
		if !slices.Contains(x.uploads, m[1]) {
			x.uploads = append(x.uploads, m[1])
		}
	}
	for i, id := range x.uploads {
		raw = strings.ReplaceAll(raw, id, uploadName(i))
	}
	if _, rest, ok := strings.Cut(raw, "<NextContinuationToken>"); ok {
		x.next, _, _ = strings.Cut(rest, "<")
	}
	raw = requestIDText.ReplaceAllString(raw, "${1}{request}")
	raw = serverTime.ReplaceAllString(raw, "x-oss-server-time: {ms}")
	return strings.TrimSuffix(raw, "\n")
}

// sign replaces the place of the signature, in the head or in the URL, by one.
func (x *goldenExchange) sign(head string) string {
	if m := goldenHeader.FindStringSubmatch(head); m != nil {
		r := x.parse(goldenHeader.ReplaceAllString(head, "X-Nothing: 1"))
		return goldenHeader.ReplaceAllLiteralString(head, "Authorization: "+authorization(r, m[1], goldenCredential(m[2])))
	}
	if m := goldenURL.FindStringSubmatchIndex(head); m != nil {
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return head[m[2*i]:m[2*i+1]]
		}
		seconds := 60
		if s := strings.TrimSpace(group(3)); s != "" {
			seconds, _ = strconv.Atoi(s)
		}
		plain := head[:m[0]] + head[m[1]:]
		return head[:m[0]] + head[m[0]:m[0]+1] + presigned(x.parse(plain), group(1), goldenCredential(group(2)), seconds) + head[m[1]:]
	}
	return head
}

func (x *goldenExchange) parse(head string) *http.Request {
	head = strings.ReplaceAll(head, "Content-Length: {none}", "X-Nothing: 1")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		x.t.Fatalf("%v:\n%s", err, head)
	}
	return r
}

// goldenCredential finds a credential by the beginning of its ID. "forged" has the ID of the first and another secret;
// "unknown" is none of the server's.
func goldenCredential(name string) fakeoss.Credential {
	switch name = strings.TrimSpace(name); name {
	case "":
		return goldenCredentials[0]
	case "forged":
		return fakeoss.Credential{AccessKeyID: goldenCredentials[0].AccessKeyID, AccessKeySecret: "another-secret"}
	}
	for _, c := range goldenCredentials {
		if c.AccessKeyID == name+"ID" {
			return c
		}
	}
	return fakeoss.Credential{AccessKeyID: name + "ID", AccessKeySecret: name + "-secret"}
}

// resource is the bucket and the escaped key of a request to the golden server.
func resource(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if host, ok := strings.CutSuffix(r.Host, ".localhost"); ok {
		return host, path
	}
	if r.Host == "files.example.com" {
		return "golden", path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// stringV1 is what V1 signs; written apart from the server's verifier.
func stringV1(r *http.Request, date string) string {
	s := r.Method + "\n" + r.Header.Get("Content-MD5") + "\n" + r.Header.Get("Content-Type") + "\n" + date + "\n"
	s += ossHeaders(r)
	bucket, key := resource(r)
	s += "/"
	if bucket != "" {
		key, _ = url.PathUnescape(key)
		s += bucket + "/" + key
	}
	signed := strings.Fields(`acl append bucketInfo callback callback-var continuation-token delete location objectMeta partNumber position
		response-content-type security-token sequential symlink restore tagging uploadId uploads versionId`)
	mark := "?"
	for _, k := range slices.Sorted(maps.Keys(r.URL.Query())) {
		if !slices.Contains(signed, k) {
			continue
		}
		s += mark + k
		if v := r.URL.Query().Get(k); v != "" {
			s += "=" + v
		}
		mark = "&"
	}
	return s
}

func ossHeaders(r *http.Request) (s string) {
	lines := map[string]string{}
	for k, v := range r.Header {
		if k = strings.ToLower(k); strings.HasPrefix(k, "x-oss-") {
			lines[k] = strings.TrimSpace(v[0])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(lines)) {
		s += k + ":" + lines[k] + "\n"
	}
	return s
}

func signatureV1(s, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(s))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signatureV4 signs a request whose time is that of the golden servers.
func signatureV4(r *http.Request, q url.Values, date, secret string) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var fields []string
	for k := range q {
		f := escape(k)
		if v := q.Get(k); v != "" {
			f += "=" + escape(v)
		}
		fields = append(fields, f)
	}
	slices.Sort(fields)
	bucket, key := resource(r)
	path := "/"
	if bucket != "" {
		key, _ = url.PathUnescape(key)
		path += bucket + "/" + strings.ReplaceAll(escape(key), "%2F", "/")
	}
	headers := ""
	for _, k := range []string{"content-md5", "content-type"} {
		if v := r.Header.Get(k); v != "" {
			headers += k + ":" + v + "\n"
		}
	}
	headers += ossHeaders(r)
	hash := sha256.Sum256([]byte(r.Method + "\n" + path + "\n" + strings.Join(fields, "&") + "\n" + headers + "\n\nUNSIGNED-PAYLOAD"))
	s := "OSS4-HMAC-SHA256\n" + date + "\n" + goldenScope + "\n" + hex.EncodeToString(hash[:])
	mac := []byte("aliyun_v4" + secret)
	for _, part := range append(strings.Split(goldenScope, "/"), s) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(part))
		mac = h.Sum(nil)
	}
	return hex.EncodeToString(mac)
}

const goldenScope = "20260102/cn-hangzhou/oss/aliyun_v4_request"

func authorization(r *http.Request, version string, cred fakeoss.Credential) string {
	if version == "V1" {
		return "OSS " + cred.AccessKeyID + ":" + signatureV1(stringV1(r, r.Header.Get("Date")), cred.AccessKeySecret)
	}
	return "OSS4-HMAC-SHA256 Credential=" + cred.AccessKeyID + "/" + goldenScope + ",Signature=" +
		signatureV4(r, r.URL.Query(), r.Header.Get("x-oss-date"), cred.AccessKeySecret)
}

// presigned returns the parameters that sign a URL for so many seconds from the time of the server.
func presigned(r *http.Request, version string, cred fakeoss.Credential, seconds int) string {
	if version == "V1" {
		expires := strconv.FormatInt(goldenTime.Unix()+int64(seconds), 10)
		return url.Values{"OSSAccessKeyId": {cred.AccessKeyID}, "Expires": {expires},
			"Signature": {signatureV1(stringV1(r, expires), cred.AccessKeySecret)}}.Encode()
	}
	date := goldenTime.Format("20060102T150405Z")
	if seconds < 0 {
		date, seconds = goldenTime.Add(-time.Hour).Format("20060102T150405Z"), -seconds
	}
	q := url.Values{"x-oss-signature-version": {"OSS4-HMAC-SHA256"}, "x-oss-credential": {cred.AccessKeyID + "/" + goldenScope},
		"x-oss-date": {date}, "x-oss-expires": {strconv.Itoa(seconds)}}
	all := r.URL.Query()
	maps.Copy(all, q)
	q.Set("x-oss-signature", signatureV4(r, all, date, cred.AccessKeySecret))
	return q.Encode()
}
