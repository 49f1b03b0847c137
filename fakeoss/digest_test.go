package fakeoss_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// Bodies around the sizes at which the server changes its ways: one buffer, as many as there are, what stays in memory.
func TestDigestSizes(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		for _, around := range []int{0, 128 << 10, 256 << 10, 512 << 10, 640 << 10, 1 << 20, 3 << 20} {
			for _, size := range []int{around - 1, around, around + 1} {
				if size < 0 {
					continue
				}
				body := string(randomBytes(uint64(size), size))
				sums := map[string]string{"ETag": md5ETag(body), "x-oss-hash-crc64ecma": crcOf([]byte(body))}
				want(t, fmt.Sprint(size, " put"), do(t, srv, request{method: "PUT", path: "/bucket/k", body: body}), 200, sums)
				if got := do(t, srv, request{method: "GET", path: "/bucket/k"}); got.body != body {
					t.Errorf("%d bytes were stored wrong", size)
				}
			}
		}
	})
}

// A body that ends early leaves no goroutine behind, wherever it ends; TestMain looks for them.
func TestDigestEnds(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	for _, size := range []int{0, 1, 128 << 10, 200 << 10, 900 << 10} {
		raw := signedHead(t, srv, "PUT", "/bucket/k") + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", size)
		conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r, err := answer(conn)
		if err != nil || r.element("Code") != "RequestTimeout" {
			t.Errorf("%d bytes of more: %v, %v", size, r.body, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Options.Network reaches the connections of a server: an object takes at least as long as the line needs.
func TestNetworkOfServer(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"},
		Network: fakeoss.Network{Latency: 20 * time.Millisecond, ReceiveRate: 500_000, SendRate: 500_000}})
	body := string(randomBytes(1, 100_000))
	for _, method := range []string{"PUT", "GET"} {
		rq := request{method: method, path: "/bucket/k"}
		if method == "PUT" {
			rq.body = body
		}
		begun := time.Now()
		r := do(t, srv, rq)
		// 100,000 bytes at that rate take 200 ms, less the last piece.
		if took := time.Since(begun); r.StatusCode != 200 || took < 200*time.Millisecond {
			t.Errorf("%s: %d after %v", method, r.StatusCode, took)
		}
		if method == "GET" && r.body != body {
			t.Error("another body came back")
		}
	}
}
