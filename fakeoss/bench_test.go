package fakeoss_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// timedPut sends body and returns how long the answer took.
func timedPut(b *testing.B, client *http.Client, url string, body []byte, sign func(r *http.Request)) time.Duration {
	r, err := http.NewRequestWithContext(b.Context(), "PUT", url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	sign(r)
	begun := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	took := time.Since(begun)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
	return took
}

// BenchmarkUploadPart sends parts over loopback, by turns to the server and to one that only reads the body and takes its
// CRC-64. "ratio" is the throughput of the former by that of the latter, from the medians: taking turns, both meet the
// same noise. ns/op is that of a turn, so of both.
func BenchmarkUploadPart(b *testing.B) {
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
	for _, store := range []string{"memory", "directory"} {
		for _, size := range []int{1 << 20, 8 << 20, 64 << 20} {
			b.Run(fmt.Sprintf("%s/%dMiB", store, size>>20), func(b *testing.B) {
				opts := &fakeoss.Options{Buckets: []string{"bucket"}}
				if store == "directory" {
					opts.Dir = b.TempDir()
				}
				srv := fakeoss.NewServer(b, opts)
				resp, doc := send(srv, "POST", "/bucket/k?uploads", nil)
				id := response{resp, string(doc)}.element("UploadId")
				url := fmt.Sprintf("%s/bucket/k?partNumber=1&uploadId=%s", srv.URL, id)
				body := randomBytes(1, size)
				var fake, only []time.Duration
				for b.Loop() {
					fake = append(fake, timedPut(b, srv.Client(), url, body, func(r *http.Request) {
						signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
					}))
					only = append(only, timedPut(b, plain.Client(), plain.URL, body, func(*http.Request) {}))
				}
				slices.Sort(fake)
				slices.Sort(only)
				f, o := fake[len(fake)/2].Seconds(), only[len(only)/2].Seconds()
				b.ReportMetric(float64(size)/f/1e6, "MB/s")
				b.ReportMetric(o/f, "ratio")
			})
		}
	}
}
