package client

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

// raw is the floor: what net/http costs when it sends the file in parts and does nothing else.
func raw(job Job) (func(context.Context) error, error) {
	return rawUpload(job, func(r *io.SectionReader) io.Reader { return r }), nil
}

// rawCRC is raw with a CRC-64 of what is sent.
func rawCRC(job Job) (func(context.Context) error, error) {
	return rawUpload(job, func(r *io.SectionReader) io.Reader { return &summing{r: r} }), nil
}

// summing computes the CRC-64 of what is read through it.
type summing struct {
	r   io.Reader
	crc uint64
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.crc = crc64.Update(s.crc, p[:n])
	return n, err
}

// Raw is a bucket as net/http sees it.
type Raw struct {
	client *http.Client
	object string // URL
}

// NewRaw returns a client that keeps as many connections as there are workers.
func NewRaw(job Job) *Raw {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = job.Workers
	transport.DisableCompression = true
	return &Raw{client: &http.Client{Transport: transport}, object: job.Endpoint + "/" + Bucket + "/" + job.Key}
}

func rawUpload(job Job, body func(*io.SectionReader) io.Reader) func(context.Context) error {
	r := NewRaw(job)
	return func(ctx context.Context) error {
		return withFile(job, func(ctx context.Context, f *os.File) error { return r.upload(ctx, job, f, body) })(ctx)
	}
}

func (r *Raw) upload(ctx context.Context, job Job, f *os.File, body func(*io.SectionReader) io.Reader) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var begun struct {
		UploadID string `xml:"UploadId"`
	}
	if err := r.do(ctx, http.MethodPost, "uploads", nil, 0, func(resp *http.Response) error {
		return xml.NewDecoder(resp.Body).Decode(&begun)
	}); err != nil {
		return err
	}
	etags := make([]string, (info.Size()+job.PartSize-1)/job.PartSize)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan int)
	var wg sync.WaitGroup
	for range job.Workers {
		wg.Go(func() {
			for i := range queue {
				offset := int64(i) * job.PartSize
				size := min(job.PartSize, info.Size()-offset)
				query := url.Values{"partNumber": {strconv.Itoa(i + 1)}, "uploadId": {begun.UploadID}}.Encode()
				if err := r.do(ctx, http.MethodPut, query, body(io.NewSectionReader(f, offset, size)), size, func(resp *http.Response) error {
					etags[i] = resp.Header.Get("ETag")
					return nil
				}); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for i := range etags {
		select {
		case queue <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&text, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, etag)
	}
	text.WriteString("</CompleteMultipartUpload>")
	return r.do(ctx, http.MethodPost, url.Values{"uploadId": {begun.UploadID}}.Encode(), &text, int64(text.Len()), nil)
}

// ListParts reads all pages of an upload's parts one after the other, and looks at no more of them than is needed for the next.
func (r *Raw) ListParts(ctx context.Context, uploadID string) error {
	marker := ""
	for {
		query := url.Values{"uploadId": {uploadID}, "max-parts": {"1000"}, "part-number-marker": {marker}}.Encode()
		var page []byte
		if err := r.do(ctx, http.MethodGet, query, nil, 0, func(resp *http.Response) (err error) {
			page, err = io.ReadAll(resp.Body)
			return err
		}); err != nil {
			return err
		}
		if !bytes.Contains(page, []byte("<IsTruncated>true</IsTruncated>")) {
			return nil
		}
		_, rest, _ := bytes.Cut(page, []byte("<NextPartNumberMarker>"))
		next, _, _ := bytes.Cut(rest, []byte("<"))
		if string(next) == marker || len(next) == 0 {
			return fmt.Errorf("the page after part %q says that more follow, but not after what", marker)
		}
		marker = string(next)
	}
}

func (r *Raw) do(ctx context.Context, method, query string, body io.Reader, size int64, read func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, r.object+"?"+query, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s ?%s: %s", method, query, resp.Status)
	}
	if read != nil {
		if err := read(resp); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
