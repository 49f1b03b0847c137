package clients

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/tidemark-go/tidemark/fakeoss"
)

const partSize = 100 << 10

// TestV2Multipart calls InitiateMultipartUpload, UploadPart, ListParts (through its paginator), CompleteMultipartUpload (with
// a list and with complete-all) and AbortMultipartUpload.
func TestV2Multipart(t *testing.T) { eachConfiguration(t, testMultipart) }

func testMultipart(t *testing.T, _ *fakeoss.TestServer, client *oss.Client) {
	ctx := t.Context()
	data := randomBytes(1, 2*partSize+11)
	for _, all := range []bool{false, true} {
		up, err := client.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd),
			ContentType: oss.Ptr("text/x"), Metadata: map[string]string{"a": "b"}})
		must(t, "initiate", err)
		var parts []oss.UploadPart
		for i := range 3 {
			chunk := data[i*partSize : min((i+1)*partSize, len(data))]
			p, err := client.UploadPart(ctx, &oss.UploadPartRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), UploadId: up.UploadId,
				PartNumber: int32(i + 1), Body: bytes.NewReader(chunk)})
			must(t, "part", err)
			parts = append(parts, oss.UploadPart{PartNumber: int32(i + 1), ETag: p.ETag})
		}
		listed := 0
		for p := client.NewListPartsPaginator(&oss.ListPartsRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), UploadId: up.UploadId,
			MaxParts: 2}); p.HasNext(); {
			page, err := p.NextPage(ctx)
			must(t, "list parts", err)
			for _, part := range page.Parts {
				if want := parts[listed]; part.PartNumber != want.PartNumber || text(part.ETag) != text(want.ETag) || part.HashCRC64 == nil {
					t.Errorf("part listed: %+v, want %+v", part, want)
				}
				listed++
			}
		}
		if listed != 3 {
			t.Errorf("%d parts listed", listed)
		}
		request := &oss.CompleteMultipartUploadRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), UploadId: up.UploadId}
		if all {
			request.CompleteAll = oss.Ptr("yes")
		} else {
			request.CompleteMultipartUpload = &oss.CompleteMultipartUpload{Parts: parts}
		}
		done, err := client.CompleteMultipartUpload(ctx, request)
		must(t, "complete", err)
		_, err = client.CompleteMultipartUpload(ctx, request)
		wantCode(t, "complete again", err, "NoSuchUpload")
		get, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
		must(t, "get", err)
		if got := readAll(t, get.Body); got != string(data) || text(get.ETag) != text(done.ETag) || get.Metadata["a"] != "b" ||
			text(get.ObjectType) != "Multipart" || text(done.Key) != odd {
			t.Errorf("got %d bytes, %+v; completed as %+v", len(got), get, done)
		}
	}
	up, err := client.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)})
	must(t, "initiate", err)
	abort := &oss.AbortMultipartUploadRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd), UploadId: up.UploadId}
	_, err = client.AbortMultipartUpload(ctx, abort)
	must(t, "abort", err)
	_, err = client.AbortMultipartUpload(ctx, abort)
	wantCode(t, "abort again", err, "NoSuchUpload")
}

// TestV2Uploader interrupts Uploader.UploadFile at its fourth part and resumes it from the SDK's checkpoint; then Downloader
// fetches the object in pieces, and UploadFrom sends a stream whose length nobody knows.
func TestV2Uploader(t *testing.T) { eachConfiguration(t, testUploader) }

func testUploader(t *testing.T, srv *fakeoss.TestServer, client *oss.Client) {
	ctx := t.Context()
	data := randomBytes(2, 5*partSize+17)
	dir := t.TempDir()
	file := filepath.Join(dir, "data.txt")
	must(t, "write", os.WriteFile(file, data, 0o600))
	uploader := client.NewUploader(func(o *oss.UploaderOptions) {
		o.PartSize, o.ParallelNum = partSize, 1
		o.EnableCheckpoint, o.CheckpointDir, o.LeavePartsOnError = true, dir+string(filepath.Separator), true
	})
	request := &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)}
	must(t, "inject", srv.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 4, Status: http.StatusForbidden, Code: "AccessDenied"}))
	if _, err := uploader.UploadFile(ctx, request, file); err == nil {
		t.Fatal("the first upload succeeded, though part 4 was refused")
	}
	_, err := uploader.UploadFile(ctx, request, file)
	must(t, "resume", err)
	count := map[string]int{}
	for _, e := range srv.Journal() {
		if e.Status == http.StatusOK {
			count[e.Operation]++
		}
	}
	if count["InitiateMultipartUpload"] != 1 || count["UploadPart"] != 6 || count["CompleteMultipartUpload"] != 1 || count["ListParts"] == 0 {
		t.Errorf("successful requests: %v; want one upload of 6 parts, each sent once, found by ListParts", count)
	}

	got := filepath.Join(dir, "got")
	download := client.NewDownloader(func(o *oss.DownloaderOptions) { o.PartSize, o.ParallelNum = partSize, 1 })
	_, err = download.DownloadFile(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(odd)}, got)
	must(t, "download", err)
	if b, err := os.ReadFile(got); err != nil || !bytes.Equal(b, data) {
		t.Errorf("downloaded %d bytes, %v", len(b), err)
	}

	stream := io.MultiReader(bytes.NewReader(data))
	_, err = client.NewUploader(func(o *oss.UploaderOptions) { o.PartSize, o.ParallelNum = partSize, 1 }).
		UploadFrom(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("stream")}, stream)
	must(t, "upload a stream", err)
	head, err := client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("stream")})
	must(t, "head", err)
	if head.ContentLength != int64(len(data)) {
		t.Errorf("stream: %d bytes", head.ContentLength)
	}
}

// TestV2Retries lets the SDK's own retries meet an unavailable service, a connection that is cut, and a lost answer.
func TestV2Retries(t *testing.T) {
	for _, f := range []fakeoss.Fault{
		{Kind: fakeoss.Refuse, Operation: "UploadPart", PartNumber: 2},
		{Kind: fakeoss.CutBody, Operation: "UploadPart", PartNumber: 2, Bytes: 1000},
		{Kind: fakeoss.LoseAnswer, Operation: "UploadPart", PartNumber: 3},
	} {
		t.Run(f.String(), func(t *testing.T) {
			srv := newServer(t, f)
			client := newClient(srv, configurations()[1], &http.Client{Transport: dialing(t, srv)})
			data := randomBytes(3, 4*partSize)
			_, err := client.NewUploader(func(o *oss.UploaderOptions) { o.PartSize = partSize }).
				UploadFrom(t.Context(), &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("k")}, bytes.NewReader(data))
			must(t, "upload", err)
			get, err := client.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("k")})
			must(t, "get", err)
			if got := readAll(t, get.Body); got != string(data) {
				t.Errorf("got %d other bytes", len(got))
			}
		})
	}
}

// TestV2Presign makes URLs for PutObject, GetObject, HeadObject, InitiateMultipartUpload, UploadPart, CompleteMultipartUpload
// and AbortMultipartUpload, and uses them with net/http alone.
func TestV2Presign(t *testing.T) {
	for _, c := range configurations() {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t)
			hc := &http.Client{Transport: dialing(t, srv)}
			client := newClient(srv, c, hc)
			send := func(rq any, body string, status int) string {
				t.Helper()
				signed, err := client.Presign(t.Context(), rq, oss.PresignExpires(10*time.Minute))
				must(t, "presign", err)
				r, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, strings.NewReader(body))
				must(t, "request", err)
				for k, v := range signed.SignedHeaders {
					r.Header.Set(k, v)
				}
				// The signature may cover it, and net/http would set another.
				if _, ok := signed.SignedHeaders["User-Agent"]; !ok {
					r.Header.Set("User-Agent", "")
				}
				resp, err := hc.Do(r)
				must(t, "do", err)
				got := readAll(t, resp.Body)
				if resp.StatusCode != status {
					t.Errorf("%s %T: %s, want %d\n%s", signed.Method, rq, resp.Status, status, got)
				}
				return got
			}
			b, k := oss.Ptr(bucket), oss.Ptr(odd)
			send(&oss.PutObjectRequest{Bucket: b, Key: k, ContentType: oss.Ptr("text/x"), Metadata: map[string]string{"m": "1"}}, "signed", 200)
			if got := send(&oss.GetObjectRequest{Bucket: b, Key: k, ResponseContentType: oss.Ptr("text/y")}, "", 200); got != "signed" {
				t.Errorf("got %q", got)
			}
			send(&oss.HeadObjectRequest{Bucket: b, Key: k}, "", 200)
			id := uploadID(t, send(&oss.InitiateMultipartUploadRequest{Bucket: b, Key: k}, "", 200))
			send(&oss.UploadPartRequest{Bucket: b, Key: k, UploadId: oss.Ptr(id), PartNumber: 1}, "part", 200)
			send(&oss.CompleteMultipartUploadRequest{Bucket: b, Key: k, UploadId: oss.Ptr(id), CompleteAll: oss.Ptr("yes")}, "", 200)
			send(&oss.AbortMultipartUploadRequest{Bucket: b, Key: k, UploadId: oss.Ptr(id)}, "", 404)
			if got := send(&oss.GetObjectRequest{Bucket: b, Key: k}, "", 200); got != "part" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func uploadID(t *testing.T, document string) string {
	t.Helper()
	_, rest, _ := strings.Cut(document, "<UploadId>")
	id, _, ok := strings.Cut(rest, "</UploadId>")
	if !ok {
		t.Fatalf("no upload ID in %s", document)
	}
	return id
}
