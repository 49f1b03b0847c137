package fakeoss

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// minPart is the least size of a part that is not the last one listed (the page CompleteMultipartUpload).
const minPart = 100 << 10

type completeXML struct {
	XMLName xml.Name     `xml:"CompleteMultipartUpload"`
	Parts   []listedPart `xml:"Part"`
}

// listedPart is a part as the client lists it. White space around the values, and quotes around the ETag, do not matter.
type listedPart struct {
	Number string `xml:"PartNumber"`
	ETag   string `xml:"ETag"`
}

func (c *call) complete() (*answer, error) {
	enc, encodingType, err := c.encoding()
	if err != nil {
		return nil, err
	}
	cb, err := c.callback()
	if err != nil {
		return nil, err
	}
	acl, err := parseACL(c.r.Header.Get("X-Oss-Object-Acl"), "x-oss-object-acl", objectACLs)
	if err != nil {
		return nil, err
	}
	all := c.r.Header.Get("X-Oss-Complete-All")
	if all != "" && all != "yes" {
		return nil, errInvalidArgument("x-oss-complete-all", all, "The value must be yes.")
	}
	var list completeXML
	has, err := c.readDocument(&list)
	if err != nil {
		return nil, err
	}
	switch {
	case all != "" && has:
		e := errInvalidArgument("x-oss-complete-all", all, "A request with x-oss-complete-all must not have a body.")
		e.ec = "0042-00000216"
		return nil, e
	case all == "" && !has, len(list.Parts) > maxPartNumber:
		return nil, errMalformedXML()
	}
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), ecNoSuchUpload)
	if err != nil {
		return nil, err
	}
	var m *objectMeta
	err = c.effect(func() error {
		c.h.buckets.RLock()
		defer c.h.buckets.RUnlock()
		if err := up.lock(ecNoSuchUpload); err != nil {
			return err
		}
		defer up.mu.Unlock()
		parts := up.sorted()
		if all == "" {
			if parts, err = up.pick(list.Parts); err != nil {
				return err
			}
		}
		m, err = c.assemble(up, parts, acl)
		return err
	})
	if err != nil {
		return nil, err
	}
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	a, err := document(&struct {
		XMLName      xml.Name `xml:"CompleteMultipartUploadResult"`
		EncodingType string   `xml:"EncodingType,omitempty"`
		Location     string   `xml:"Location"`
		Bucket       string   `xml:"Bucket"`
		Key          string   `xml:"Key"`
		ETag         string   `xml:"ETag"`
	}{EncodingType: encodingType, Location: scheme + up.bucket + "." + c.target.endpoint + "/" + escapePath(up.key),
		Bucket: up.bucket, Key: enc.name(up.key), ETag: `"` + m.ETag + `"`})
	if err != nil {
		return nil, err
	}
	m.writeSums(a)
	// The Content-MD5 is that of the answer, not of the object.
	sum := md5.Sum(a.body)
	return c.notify(cb, m, a.set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:])))
}

// pick returns the parts of the upload that are listed, after checking the list. The upload is locked.
func (up *upload) pick(list []listedPart) ([]*part, error) {
	parts := make([]*part, 0, len(list))
	last := 0
	for _, l := range list {
		number, err := strconv.Atoi(strings.TrimSpace(l.Number))
		if err != nil || number < 1 || number > maxPartNumber {
			e := errInvalidArgument("PartNumber", l.Number, "Part number must be an integer between 1 and 10000, inclusive.")
			e.ec = "0017-00000220"
			return nil, e
		}
		if number <= last {
			return nil, &serviceError{status: http.StatusBadRequest, code: "InvalidPartOrder", ec: "0042-00000209",
				message: "The list of parts was not in ascending order. Parts list must specified in order by part number."}
		}
		last = number
		etag := strings.Trim(strings.TrimSpace(l.ETag), `"`)
		p := up.parts[number]
		if p == nil || !strings.EqualFold(p.etag(), etag) {
			return nil, errBadRequest("InvalidPart",
				"One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag.").
				with("ETag", etag).with("PartNumber", strconv.Itoa(number)).with("UploadId", up.id)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// assemble makes the object of parts and ends the upload. The upload is locked; if it fails the upload stays as it is.
func (c *call) assemble(up *upload, parts []*part, acl string) (*objectMeta, error) {
	for i, p := range parts {
		if i < len(parts)-1 && p.Body.Size() < minPart {
			return nil, errBadRequest("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.").
				withEC("0042-00000213").with("MinSizeAllowed", strconv.Itoa(minPart)).
				with("ProposedSize", strconv.FormatInt(p.Body.Size(), 10)).with("PartNumber", strconv.Itoa(p.Number))
		}
	}
	m := *up.meta.Object
	m.Type = typeMultipart
	if acl != "" {
		m.ACL = acl
	}
	etags := md5.New()
	used := map[int]bool{}
	bodies := make([]store.Body, len(parts))
	for i, p := range parts {
		// The ETag is made of the hexadecimal text of the parts' ETags, where S3 takes the bytes.
		fmt.Fprintf(etags, "%X", p.MD5)
		m.CRC64 = crc64.Combine(m.CRC64, p.CRC64, p.Body.Size())
		m.Size += p.Body.Size()
		bodies[i] = p.Body
		used[p.Number] = true
	}
	m.ETag = fmt.Sprintf("%X-%d", etags.Sum(nil), len(parts))
	if up.meta.Sequential {
		sum, err := md5Of(bodies)
		if err != nil {
			return nil, err
		}
		m.MD5 = sum
	}
	if err := c.checkCRC(m.CRC64); err != nil {
		return nil, err
	}
	if err := c.publish(&m, up.id, bodies); err != nil {
		return nil, err
	}
	c.h.endUpload(up, used)
	return &m, nil
}

// md5Of is the MD5 of bodies, one after the other. Only an object whose parts came in order has one at the service, where it is
// computed as they come; here they are read once more.
func md5Of(bodies []store.Body) ([]byte, error) {
	sum := md5.New()
	for _, b := range bodies {
		r, err := b.Open()
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(sum, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
	}
	return sum.Sum(nil), nil
}
