package fakeoss_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// BenchmarkUploadPart sends parts of 1 MiB over loopback, to the server and to one that only takes their CRC-64.
func BenchmarkUploadPart(b *testing.B) {
	body := randomBytes(1, 1<<20)
	run := func(b *testing.B, client *http.Client, url string, sign func(r *http.Request)) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			r, err := http.NewRequestWithContext(b.Context(), "PUT", url, bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			sign(r)
			resp, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			if resp.StatusCode != http.StatusOK {
				b.Fatal(resp.Status)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				b.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	for name, dir := range map[string]string{"memory": "", "directory": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			srv := fakeoss.NewServer(b, &fakeoss.Options{Dir: dir, Buckets: []string{"bucket"}})
			resp, doc := send(srv, "POST", "/bucket/k?uploads", nil)
			id := response{resp, string(doc)}.element("UploadId")
			run(b, srv.Client(), fmt.Sprintf("%s/bucket/k?partNumber=1&uploadId=%s", srv.URL, id), func(r *http.Request) {
				signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
			})
		})
	}
	b.Run("CRC-64 only", func(b *testing.B) {
		plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 128<<10)
			var crc uint64
			for {
				n, err := r.Body.Read(buf)
				crc = crc64.Update(crc, buf[:n])
				if err != nil {
					return
				}
			}
		}))
		defer plain.Close()
		run(b, plain.Client(), plain.URL, func(*http.Request) {})
	})
}
