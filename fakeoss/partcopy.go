package fakeoss

import (
	"crypto/md5"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// ecNoSuchUploadPartCopy is the error-detail code of NoSuchUpload that UploadPartCopy has to itself.
const ecNoSuchUploadPartCopy = "0042-00000311"

func (c *call) uploadPartCopy() (*answer, error) {
	number, err := c.partNumber()
	if err != nil {
		return nil, err
	}
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), ecNoSuchUploadPartCopy)
	if err != nil {
		return nil, err
	}
	src, err := c.copySource()
	if err != nil {
		return nil, err
	}
	var p *part
	var contentRange string
	err = c.effect(func() error {
		content, answered, err := c.openSource(src)
		if err != nil {
			return err
		}
		contentRange = answered
		in, err := c.h.spool(content.Contents)
		if err != nil {
			return err
		}
		p = &part{store.Part{Number: number, MD5: in.md5, CRC64: in.crc, Body: in.Body}}
		if err := c.h.addPart(up, p, ecNoSuchUploadPartCopy); err != nil {
			c.h.discard(in.Body)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a, err := copied("CopyPartResult", p.Modified, p.etag())
	if err != nil {
		return nil, err
	}
	if contentRange != "" {
		a.set("Content-Range", contentRange)
	}
	up.writeEncryption(a)
	// ali-oss takes the part's ETag from the header, and not from the document.
	a.set("ETag", `"`+p.etag()+`"`)
	return a.set("x-oss-hash-crc64ecma", strconv.FormatUint(p.CRC64, 10)), nil
}

// copied is the answer of an operation that has copied.
func copied(root string, modified time.Time, etag string) (*answer, error) {
	return document(&copiedXML{XMLName: xml.Name{Local: root}, LastModified: xmlTime(modified), ETag: `"` + etag + `"`})
}

// spool copies an object's content into a body, and closes it.
func (h *Handler) spool(content io.ReadCloser) (_ *received, err error) {
	defer func() { err = errors.Join(err, content.Close()) }()
	body, err := h.store.Spool()
	if err != nil {
		return nil, err
	}
	in := &received{Body: body}
	sum := md5.New()
	buf := h.buffers.Get().(*[bufferSize]byte)
	defer h.buffers.Put(buf)
	for {
		n, rerr := content.Read(buf[:])
		sum.Write(buf[:n])
		in.crc = crc64.Update(in.crc, buf[:n])
		if _, err := body.Write(buf[:n]); err != nil {
			return nil, errors.Join(err, body.Discard())
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return nil, errors.Join(rerr, body.Discard())
		}
	}
	sum.Sum(in.md5[:0])
	return in, nil
}

// writeEncryption tells how the parts of the upload are encrypted, as the service does with each.
func (up *upload) writeEncryption(a *answer) {
	const name = "x-oss-server-side-encryption"
	if v := up.meta.Object.Header[name]; v != "" {
		a.set(name, v)
	}
}
