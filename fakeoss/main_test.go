package fakeoss_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/fakeoss"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(serveChild(dir))
	}
	// net/http keeps a connection for half a second when it closes one whose request was not read to its end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// request is a request by hand, signed with V1 unless raw is set.
type request struct {
	method string
	path   string // as it goes over the wire, with the query
	header map[string]string
	body   string
	raw    bool
}

// response is what came back.
type response struct {
	*http.Response
	body string
}

func (r response) get(name string) string { return r.Header.Get(name) }

// element returns the text of the first element of a name.
func (r response) element(name string) string {
	_, rest, ok := strings.Cut(r.body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</"+name+">")
	var out struct {
		Text string `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte("<x>"+text+"</x>"), &out); err != nil {
		return text
	}
	return out.Text
}

// do sends a request, and fails the test if there is no answer.
func do(t *testing.T, srv *fakeoss.TestServer, rq request) response {
	t.Helper()
	resp, err := try(t, srv, rq)
	if err != nil {
		t.Fatalf("%s %s: %v", rq.method, rq.path, err)
	}
	return resp
}

func try(t *testing.T, srv *fakeoss.TestServer, rq request) (response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), rq.method, srv.URL+rq.path, bytes.NewReader([]byte(rq.body)))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range rq.header {
		r.Header.Set(k, v)
	}
	if !rq.raw {
		signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		return response{}, err
	}
	b, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); cerr != nil {
		t.Error(cerr)
	}
	return response{resp, string(b)}, err
}

// signV1 is written apart from the server's verifier, for path style only. It signs every query parameter that is not one
// of those which V1 leaves out.
func signV1(r *http.Request, id, secret string) {
	if r.Header.Get("Date") == "" {
		r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	s := r.Method + "\n" + r.Header.Get("Content-MD5") + "\n" + r.Header.Get("Content-Type") + "\n" + r.Header.Get("Date") + "\n"
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		if name := strings.ToLower(k); strings.HasPrefix(name, "x-oss-") {
			s += name + ":" + r.Header.Get(k) + "\n"
		}
	}
	s += r.URL.Path
	unsigned := strings.Fields(`prefix marker max-keys delimiter encoding-type list-type start-after fetch-owner max-uploads
		key-marker upload-id-marker max-parts part-number-marker unknown`)
	mark := "?"
	for _, k := range slices.Sorted(maps.Keys(r.URL.Query())) {
		if slices.Contains(unsigned, k) {
			continue
		}
		s += mark + k
		if v := r.URL.Query().Get(k); v != "" {
			s += "=" + v
		}
		mark = "&"
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(s))
	r.Header.Set("Authorization", "OSS "+id+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// crcOf is the CRC-64 of b as OSS writes it, by another implementation than the server's.
func crcOf(b []byte) string {
	return strconv.FormatUint(crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)), 10)
}

func md5ETag(s string) string { return fmt.Sprintf(`"%X"`, md5.Sum([]byte(s))) }

// multipartETag is the MD5 of the hexadecimal text of the parts' MD5 sums.
func multipartETag(parts ...string) string {
	text := ""
	for _, p := range parts {
		text += strings.Trim(md5ETag(p), `"`)
	}
	return fmt.Sprintf(`"%X-%d"`, md5.Sum([]byte(text)), len(parts))
}

func roundTrip(t *testing.T, srv *fakeoss.TestServer, r *http.Request) response {
	t.Helper()
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response{resp, string(b)}
}

// exchange sends bytes over a connection of their own and reads the answer.
func exchange(t *testing.T, srv *fakeoss.TestServer, raw string) response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close(), conn.Close()); err != nil {
		t.Fatal(err)
	}
	return response{resp, string(b)}
}
