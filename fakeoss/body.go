package fakeoss

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

const (
	// maxPut and maxPart bound one body: 5 GB for PutObject, 5 GiB for a part (the page "Limits"). One constant serves both,
	// as the pages use both units for the same limit.
	maxPut  = 5 << 30
	maxPart = 5 << 30

	// maxDocument bounds an XML body: 2 MB (the page DeleteMultipleObjects), which a Complete of 10,000 parts stays below.
	maxDocument = 2 << 20

	// bodyIdle is how long a client may pause within a body.
	bodyIdle = time.Minute
)

// errSevered ends a request whose connection a fault has cut.
var errSevered = errors.New("connection cut by a fault")

// requestBody counts what is read of a body, and bounds how long a read may take.
type requestBody struct {
	c     *call
	inner io.ReadCloser
	read  int64
	cut   int64 // sever the connection once so many bytes were read; negative: never
	ended bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.cut >= 0 {
		if b.read >= b.cut {
			b.ended = true
			b.c.sever()
			return 0, errSevered
		}
		p = p[:min(int64(len(p)), b.cut-b.read)]
	}
	// Real time, not the Clock of the Options: it is the operating system that waits. A recorder has no deadlines.
	_ = http.NewResponseController(b.c.w).SetReadDeadline(time.Now().Add(bodyIdle))
	n, err := b.inner.Read(p)
	b.read += int64(n)
	b.c.entry.received(b.read)
	if err != nil {
		b.ended = true
	}
	return n, err
}

// drain reads what is left of the body: a client that is still sending when its answer arrives may lose the answer, and
// SDK v1 takes its checksum while the transport reads. A client that waits for "100 Continue" has not begun to send.
func (c *call) drain() error {
	if c.body.ended || c.severed || c.r.Body == nil || c.r.Header.Get("Expect") != "" && c.body.read == 0 {
		return nil
	}
	_, err := io.Copy(io.Discard, io.LimitReader(c.body, maxPart))
	if errors.Is(err, errSevered) {
		return err
	}
	return nil // a client that went away needs no answer; writing it will fail
}

// received is a body that is complete and was checked, and belongs to nobody yet.
type received struct {
	store.Body
	md5 [16]byte
	crc uint64
}

// receive reads the whole body of a request into the store. A body that ends early, or is not what its headers say, leaves
// nothing behind.
func (c *call) receive(limit int64) (_ *received, err error) {
	if c.r.ContentLength == 0 && c.r.Header.Get("Content-Length") == "" && len(c.r.TransferEncoding) == 0 {
		return nil, errMissingContentLength()
	}
	if c.r.ContentLength > limit {
		return nil, errTooLarge(c.r.ContentLength, limit)
	}
	body, err := c.h.store.Spool()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.h.discard(body)
		}
	}()
	in := &received{Body: body}
	sum := md5.New()
	buf := c.h.buffers.Get().(*[]byte)
	defer c.h.buffers.Put(buf)
	for {
		n, rerr := c.body.Read(*buf)
		p := (*buf)[:n]
		sum.Write(p)
		in.crc = crc64.Update(in.crc, p)
		if _, err := body.Write(p); err != nil {
			return nil, err
		}
		if body.Size() > limit {
			return nil, errTooLarge(body.Size(), limit)
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return nil, bodyError(rerr)
		}
	}
	sum.Sum(in.md5[:0])
	return in, c.checkSums(in.md5, in.crc)
}

func bodyError(err error) error {
	if errors.Is(err, errSevered) {
		return err
	}
	return errBadRequest("RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.")
}

func errTooLarge(size, limit int64) *serviceError {
	return errBadRequest("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.").
		with("ProposedSize", strconv.FormatInt(size, 10)).with("MaxSizeAllowed", strconv.FormatInt(limit, 10))
}

// checkSums compares a body with the checksums in its headers, if there are any.
func (c *call) checkSums(sum [16]byte, crc uint64) error {
	if want := c.r.Header.Get("Content-Md5"); want != "" {
		got := base64.StdEncoding.EncodeToString(sum[:])
		if b, err := base64.StdEncoding.DecodeString(want); err != nil || len(b) != md5.Size {
			return errBadRequest("InvalidDigest", "The Content-MD5 you specified is not valid.").with("Content-MD5", want)
		}
		if want != got {
			return errBadRequest("InvalidDigest", "The Content-MD5 you specified did not match what we received.").
				with("ExpectedDigest", want).with("CalculatedDigest", got)
		}
	}
	return c.checkCRC(crc)
}

// checkCRC compares crc with the one that the client states, if it does.
func (c *call) checkCRC(crc uint64) error {
	want := c.r.Header.Get("X-Oss-Hash-Crc64ecma")
	if want == "" {
		return nil
	}
	if n, err := strconv.ParseUint(want, 10, 64); err != nil || n != crc {
		return errBadRequest("InvalidCRC64", "The CRC64 you specified does not match what we calculated.")
	}
	return nil
}

// readDocument reads a small body of XML into v, and reports whether there was one.
func (c *call) readDocument(v any) (bool, error) {
	b, err := io.ReadAll(io.LimitReader(c.body, maxDocument+1))
	if err != nil {
		return false, bodyError(err)
	}
	if len(b) > maxDocument {
		return false, errMalformedXML()
	}
	if err := c.checkSums(md5.Sum(b), crc64.Update(0, b)); err != nil {
		return false, err
	}
	if len(b) == 0 {
		return false, nil
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return false, errMalformedXML()
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return false, errMalformedXML()
	}
	return true, nil
}
