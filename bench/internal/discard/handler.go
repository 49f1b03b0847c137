package discard

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/tidemark-go/tidemark/internal/crc64"
	"github.com/tidemark-go/tidemark/internal/link"
)

// handler speaks to the clients. What OSS and S3 name differently is sent under both names.
type handler struct {
	server *Server
	crc    bool
	faults Faults
}

// copySize of the buffers that bodies are read into. It is the server's cost, not the client's, and so is as large as is useful.
const copySize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([copySize]byte) }}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.server.active.Add(1)
	defer h.server.active.Add(-1)
	header := w.Header()
	header["X-Oss-Request-Id"] = []string{"5F0000000000000000000000"}
	header["X-Amz-Request-Id"] = header["X-Oss-Request-Id"]
	header["Server"] = []string{"discard"}

	query := r.URL.Query()
	id := query.Get("uploadId")
	switch {
	case r.Method == http.MethodPut && id != "":
		h.uploadPart(w, r, id, query.Get("partNumber"))
	case r.Method == http.MethodPost && query.Has("uploads"):
		document(w, "InitiateMultipartUploadResult", fmt.Sprintf("<Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId>",
			bucketOf(r), keyOf(r), h.server.uploads.begin(keyOf(r))))
	case r.Method == http.MethodGet && id != "":
		h.listParts(w, id, query.Get("part-number-marker"), query.Get("max-parts"))
	case r.Method == http.MethodPost && id != "":
		h.complete(w, r, id)
	case r.Method == http.MethodDelete && id != "":
		if !h.server.uploads.abort(id) {
			refuse(w, http.StatusNotFound, "NoSuchUpload")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		h.putObject(w, r)
	case r.Method == http.MethodHead:
		h.headObject(w, r)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func (h *handler) uploadPart(w http.ResponseWriter, r *http.Request, id, number string) {
	n, _ := strconv.Atoi(number) // 0 is refused
	place, ok := h.server.uploads.arrive(id, n)
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	request, active := h.server.traffic.arrive()
	defer h.server.traffic.leave()
	if h.faults.Most > 0 && active > h.faults.Most {
		h.server.traffic.ate(0)
		w.Header()["X-Oss-Qos-Delay-Time"] = []string{"200"}
		refuse(w, http.StatusServiceUnavailable, "QpsLimitExceeded")
		return
	}
	fault := h.faults.of(request)
	body := &partBody{Reader: r.Body, traffic: &h.server.traffic, key: keyOf(r), wire: r.ContentLength, content: contentOf(r)}
	if fault == reset {
		body.Reader = io.LimitReader(r.Body, r.ContentLength/2)
	}
	p, ok := h.read(w, r, body)
	if !ok {
		return
	}
	if fault != none {
		h.server.traffic.ate(body.read)
		fail(w, fault)
		return
	}
	etag, ok := h.server.uploads.store(place, p)
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	h.answerPart(w, p, etag)
	// With the flush the answer is in the client's kernel, and the part acknowledged, before it is counted.
	if http.NewResponseController(w).Flush() == nil {
		h.server.uploads.acknowledge(place)
	}
}

func (h *handler) putObject(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.read(w, r, r.Body); ok {
		h.answerPart(w, p, h.server.uploads.put(keyOf(r), p, h.crc).ETag)
	}
}

func (h *handler) answerPart(w http.ResponseWriter, p part, etag string) {
	header := w.Header()
	header["Etag"] = []string{`"` + etag + `"`}
	header["Content-Length"] = []string{"0"}
	if h.crc {
		header["X-Oss-Hash-Crc64ecma"] = []string{strconv.FormatUint(p.crc, 10)}
	}
	w.WriteHeader(http.StatusOK)
}

// fail answers a part request to which a fault happened.
func fail(w http.ResponseWriter, f fault) {
	if f == unavailable {
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		return
	}
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		link.Reset(conn) // the client may have done so itself
	}
}

// contentOf returns how many bytes of content a body has. S3 clients may wrap the content in chunks with signatures or a trailing checksum,
// and say how long it is without them.
func contentOf(r *http.Request) int64 {
	if decoded, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		return decoded
	}
	return r.ContentLength
}

// partBody counts what is read of a part's body, by its share of content.
type partBody struct {
	io.Reader
	traffic       *counter
	key           string
	wire, content int64 // bytes of it all
	read          int64 // of content
}

func (b *partBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	content := int64(n)
	if b.wire > 0 && b.wire != b.content {
		content = int64(float64(n) * float64(b.content) / float64(b.wire))
	}
	b.read += content
	b.traffic.read(b.key, content)
	return n, err
}

// read reads a request's body to its end and forgets it. A body that does not come whole is not answered as if it had.
func (h *handler) read(w http.ResponseWriter, r *http.Request, body io.Reader) (part, bool) {
	buffer := buffers.Get().(*[copySize]byte)
	defer buffers.Put(buffer)
	// What S3 clients wrapped is taken as they say it is: a CRC of what came would be of the wrapping too.
	content := contentOf(r)
	wrapped := content != r.ContentLength
	var p part
	for {
		n, err := body.Read(buffer[:])
		p.size += int64(n)
		if h.crc && !wrapped {
			p.crc = crc64.Update(p.crc, buffer[:n])
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody")
			return part{}, false
		}
	}
	if wrapped {
		p.size = content
	}
	return p, true
}

func (h *handler) listParts(w http.ResponseWriter, id, marker, limit string) {
	after, _ := strconv.Atoi(marker) // none: from the start
	most, err := strconv.Atoi(limit)
	if err != nil || most < 1 || most > 1000 {
		most = 1000
	}
	parts, last, more, ok := h.server.uploads.page(nil, id, after, most, h.crc)
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	document(w, "ListPartsResult", fmt.Sprintf("<UploadId>%s</UploadId><PartNumberMarker>%d</PartNumberMarker><NextPartNumberMarker>%d"+
		"</NextPartNumberMarker><MaxParts>%d</MaxParts><IsTruncated>%t</IsTruncated>%s", id, after, last, most, more, parts))
}

func (h *handler) complete(w http.ResponseWriter, r *http.Request, id string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	o, ok := h.server.uploads.complete(id, bytes.Count(body, []byte("<PartNumber>")), h.crc)
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	w.Header()["Etag"] = []string{`"` + o.ETag + `"`}
	if h.crc {
		w.Header()["X-Oss-Hash-Crc64ecma"] = []string{strconv.FormatUint(o.CRC64, 10)}
	}
	document(w, "CompleteMultipartUploadResult", fmt.Sprintf("<Location>/</Location><Bucket>%s</Bucket><Key>%s</Key><ETag>&quot;%s&quot;</ETag>",
		bucketOf(r), o.Key, o.ETag))
}

func (h *handler) headObject(w http.ResponseWriter, r *http.Request) {
	o, ok := h.server.uploads.object(keyOf(r))
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	header := w.Header()
	header["Etag"] = []string{`"` + o.ETag + `"`}
	header["Content-Length"] = []string{strconv.FormatInt(o.Size, 10)}
	header["Last-Modified"] = []string{"Thu, 01 Jan 2026 00:00:00 GMT"}
	if h.crc {
		header["X-Oss-Hash-Crc64ecma"] = []string{strconv.FormatUint(o.CRC64, 10)}
	}
	w.WriteHeader(http.StatusOK)
}

// Requests are in path style: /bucket/key. The keys of a benchmark need no escape.
func bucketOf(r *http.Request) string {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket
}

func keyOf(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return key
}

func document(w http.ResponseWriter, root, content string) {
	text := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + root + ">" + content + "</" + root + ">"
	w.Header()["Content-Type"] = []string{"application/xml"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(text))}
	io.WriteString(w, text) // a client that is gone needs no answer
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header()["Content-Type"] = []string{"application/xml"}
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><RequestId>0</RequestId></Error>", code, code)
}
