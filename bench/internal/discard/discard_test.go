package discard

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

const object = "/bucket/key"

func start(t *testing.T, opts Options) (*Server, *Control) {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, NewControl(s.Control())
}

// send returns status, header and body of the answer.
func send(t *testing.T, s *Server, method, target, body string, header http.Header) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(answer)
}

func element(t *testing.T, document, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(document, "<"+name+">")
	value, _, ok2 := strings.Cut(rest, "</"+name+">")
	if !ok || !ok2 {
		t.Fatalf("no %s in %s", name, document)
	}
	return value
}

func begin(t *testing.T, s *Server) string {
	t.Helper()
	_, _, answer := send(t, s, http.MethodPost, object+"?uploads", "", nil)
	return element(t, answer, "UploadId")
}

func putPart(t *testing.T, s *Server, id string, number int, body string) http.Header {
	t.Helper()
	status, header, _ := send(t, s, http.MethodPut, fmt.Sprintf("%s?uploadId=%s&partNumber=%d", object, id, number), body, nil)
	if status != http.StatusOK {
		t.Fatalf("part %d: status %d", number, status)
	}
	return header
}

func complete(t *testing.T, s *Server, id string, named int) (int, http.Header) {
	t.Helper()
	status, header, _ := send(t, s, http.MethodPost, object+"?uploadId="+id, strings.Repeat("<PartNumber>1</PartNumber>", named), nil)
	return status, header
}

func state(t *testing.T, c *Control) State {
	t.Helper()
	s, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An upload in parts, one of them sent twice, becomes an object with the checksum of its content.
func TestUpload(t *testing.T) {
	s, control := start(t, Options{CRC: true})
	id := begin(t, s)
	first, second := strings.Repeat("a", 300_000), "bc"
	putPart(t, s, id, 2, "x")
	putPart(t, s, id, 2, second)
	header := putPart(t, s, id, 1, first)
	if got, want := header.Get("X-Oss-Hash-Crc64ecma"), fmt.Sprint(crc64.Update(0, []byte(first))); got != want {
		t.Errorf("the part's CRC is %s, not %s", got, want)
	}
	if status, _ := complete(t, s, id, 3); status == http.StatusOK {
		t.Error("three parts were named, two are there, and it was completed")
	}
	status, header := complete(t, s, id, 2)
	crc := crc64.Update(0, []byte(first+second))
	if got := header.Get("X-Oss-Hash-Crc64ecma"); status != http.StatusOK || got != fmt.Sprint(crc) {
		t.Errorf("status %d, CRC %s, not %d", status, got, crc)
	}
	_, header, _ = send(t, s, http.MethodHead, object, "", nil)
	if got := header.Get("Content-Length"); got != "300002" {
		t.Errorf("the object has %s bytes", got)
	}

	got := state(t, control)
	want := State{Puts: []Put{{Number: 2, Size: 1}, {Number: 2, Size: 2}, {Number: 1, Size: 300_000}}, Objects: []Object{{Key: "key", Parts: 2, Size: 300_002, CRC64: crc}}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(State{}, "Received", "Active", "Traffic"), cmpopts.IgnoreFields(Object{}, "ETag", "Completed"),
		cmpopts.IgnoreFields(Put{}, "Upload", "Begun", "Stored", "Acknowledged")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, p := range got.Puts {
		if !(0 < p.Begun && p.Begun <= p.Stored && p.Stored <= p.Acknowledged) {
			t.Errorf("times out of order: %+v", p)
		}
	}
	if got.Received < 300_003 {
		t.Errorf("%d bytes received", got.Received)
	}
	if err := control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, control); len(got.Puts)+len(got.Objects) > 0 {
		t.Errorf("after a reset: %+v", got)
	}
}

// Without the option nothing is computed, and no answer has a CRC.
func TestNoCRC(t *testing.T) {
	s, control := start(t, Options{})
	id := begin(t, s)
	part := putPart(t, s, id, 1, "a")
	_, whole := complete(t, s, id, 1)
	for _, header := range []http.Header{part, whole} {
		if crc := header.Get("X-Oss-Hash-Crc64ecma"); crc != "" {
			t.Errorf("CRC %s", crc)
		}
		if header.Get("Etag") == "" || header.Get("X-Oss-Request-Id") == "" {
			t.Errorf("header %v", header)
		}
	}
	if got := state(t, control).Objects[0].CRC64; got != 0 {
		t.Errorf("CRC %d", got)
	}
}

// A client that goes away in the middle of a part has not stored it.
func TestCutPart(t *testing.T) {
	s, control := start(t, Options{})
	id := begin(t, s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s?uploadId=%s&partNumber=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", object, id)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(answer, []byte("200 OK")) {
		t.Errorf("answer %s", answer)
	}
	if puts := state(t, control).Puts; len(puts) != 1 || puts[0].Stored != 0 || puts[0].Acknowledged != 0 {
		t.Errorf("%+v", puts)
	}
	if status, _ := complete(t, s, id, 1); status == http.StatusOK {
		t.Error("half a part was completed")
	}
}

// S3 clients say how long the content is without the chunks' signatures.
func TestDecodedLength(t *testing.T) {
	s, control := start(t, Options{})
	id := begin(t, s)
	send(t, s, http.MethodPut, object+"?partNumber=1&uploadId="+id, "4;chunk-signature=0\r\ndata\r\n", http.Header{"X-Amz-Decoded-Content-Length": {"4"}})
	if puts := state(t, control).Puts; len(puts) != 1 || puts[0].Size != 4 {
		t.Errorf("%+v", puts)
	}
}

// Pages have at most 1000 parts, begin after the marker, leave out what is not there and say whether more follow.
func TestListParts(t *testing.T) {
	s, _ := start(t, Options{CRC: true})
	id := begin(t, s)
	for _, n := range []int{1, 2, 4, 5} {
		putPart(t, s, id, n, strings.Repeat("a", n))
	}
	page := func(query string) string {
		_, _, answer := send(t, s, http.MethodGet, object+"?uploadId="+id+query, "", nil)
		var numbers []string
		for part := range strings.SplitSeq(answer, "<Part>") {
			if strings.HasPrefix(part, "<PartNumber>") {
				numbers = append(numbers, element(t, part, "PartNumber")+":"+element(t, part, "Size"))
			}
		}
		return fmt.Sprintf("%v %s %s", numbers, element(t, answer, "IsTruncated"), element(t, answer, "NextPartNumberMarker"))
	}
	for query, want := range map[string]string{
		"":                                    "[1:1 2:2 4:4 5:5] false 5",
		"&max-parts=3":                        "[1:1 2:2 4:4] true 4",
		"&max-parts=3&part-number-marker=2":   "[4:4 5:5] false 5",
		"&max-parts=2&part-number-marker=2":   "[4:4 5:5] false 5",
		"&max-parts=9&part-number-marker=100": "[] false 100",
	} {
		if got := page(query); got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
	}
	if status, _, _ := send(t, s, http.MethodGet, object+"?uploadId=none", "", nil); status != http.StatusNotFound {
		t.Errorf("status %d for an upload that does not exist", status)
	}
}

func TestAwait(t *testing.T) {
	s, control := start(t, Options{})
	id := begin(t, s)
	done := make(chan error, 1)
	go func() { done <- control.Await(t.Context(), 2) }()
	putPart(t, s, id, 1, "a")
	select {
	case err := <-done:
		t.Fatalf("one part was acknowledged, not two: %v", err)
	default:
	}
	putPart(t, s, id, 2, "b")
	if err := <-done; err != nil {
		t.Error(err)
	}
	// What is the case already is not waited for.
	if err := control.Await(t.Context(), 2); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := control.Await(ctx, 3); err == nil {
		t.Error("a third part was never sent")
	}
}

func TestAbort(t *testing.T) {
	s, _ := start(t, Options{})
	id := begin(t, s)
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, _, _ := send(t, s, http.MethodDelete, object+"?uploadId="+id, "", nil); status != want {
			t.Errorf("status %d, not %d", status, want)
		}
	}
	if status, _, _ := send(t, s, http.MethodPut, object+"?partNumber=1&uploadId="+id, "a", nil); status != http.StatusNotFound {
		t.Errorf("status %d for a part of an aborted upload", status)
	}
}
