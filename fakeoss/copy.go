package fakeoss

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// maxCopy bounds what CopyObject copies; for more there is UploadPartCopy. The page CopyObject allows more where neither the
// storage class nor the encryption changes, but advises against it; see [tooLargeToCopy].
const maxCopy = 1 << 30

// copySourceName is the header that makes a copy of a Put. Rows of [operations] select by it as if it were a parameter.
const copySourceName = "x-oss-copy-source"

// copies tells whether the operation reads another object.
func (op *operation) copies() bool { return op.name == "CopyObject" || op.name == "UploadPartCopy" }

// withCopySource adds the header that makes a copy to the parameters that a request is routed by.
func withCopySource(header http.Header, q query) query {
	if _, ok := header[http.CanonicalHeaderKey(copySourceName)]; ok {
		return append(q[:len(q):len(q)], pair{key: copySourceName})
	}
	return q
}

// source is what a copy reads.
type source struct{ bucket, key string }

// copySource reads the x-oss-copy-source header: /bucket/key, the key escaped; SDK v1 escapes its slashes, too.
func (c *call) copySource() (source, error) {
	v := c.r.Header.Get("X-Oss-Copy-Source")
	ec := func(empty, malformed string) string {
		switch {
		case c.op.name != "UploadPartCopy":
			return "" // no page of a detail code tells these of CopyObject
		case v == "":
			return empty
		}
		return malformed
	}
	invalid := errInvalidArgument(copySourceName, v, "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.").
		withEC(ec("0042-00000302", "0042-00000301"))
	path, parameters, versioned := strings.Cut(v, "?")
	if versioned {
		name, _, _ := strings.Cut(parameters, "=")
		return source{}, errNotImplemented("parameter of "+copySourceName, name)
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return source{}, invalid
	}
	bucket, key, _ := strings.Cut(rest, "/")
	key, err := unescapeKey(key)
	if err != nil || key == "" || !validKey(key) || !bucketName.MatchString(bucket) {
		return source{}, invalid
	}
	return source{bucket, key}, nil
}

// readable returns the metadata of the source, if the conditions of the copy hold and the object can be read. The source is
// locked.
func (c *call) readable(src source) (*objectMeta, error) {
	m, err := c.h.stat(src.bucket, src.key)
	if err != nil {
		return nil, err
	}
	if err := checkConditions(c.r.Header, copySourceName+"-", m); err != nil {
		return nil, err
	}
	if m.Type == typeAppendable {
		return nil, errBadRequest("OperationNotSupported", "The operation is not supported for this resource, Appendable object.")
	}
	return m, m.checkState()
}

// checkState refuses to read what is archived. It can be stored and listed here, but not restored.
func (m *objectMeta) checkState() error {
	if !strings.HasSuffix(m.Header["x-oss-storage-class"], "Archive") {
		return nil
	}
	return errForbidden("InvalidObjectState", "The operation is not valid for the object's state", "0016-00000404")
}

// copyObject ignores conditions without the prefix: ali-oss sends each with it and without it, and its own tests show that the
// service goes by the former.
func (c *call) copyObject() (*answer, error) {
	src, err := c.copySource()
	if err != nil {
		return nil, err
	}
	replaceMeta, err := c.directive("x-oss-metadata-directive")
	if err != nil {
		return nil, err
	}
	replaceTags, err := c.directive("x-oss-tagging-directive")
	if err != nil {
		return nil, err
	}
	m, err := c.newMeta()
	if err != nil {
		return nil, err
	}
	err = c.effect(func() error {
		c.h.buckets.RLock()
		defer c.h.buckets.RUnlock()
		from, bodies, err := c.share(src)
		if err != nil {
			return err
		}
		if err := tooLargeToCopy(from, m, src == source{c.target.bucket, c.target.key}); err != nil {
			c.discardAll(bodies)
			return err
		}
		m.inherit(from, replaceMeta, replaceTags)
		if err := c.publish(m, "", bodies); err != nil {
			c.discardAll(bodies)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a, err := copied("CopyObjectResult", m.Modified, m.ETag)
	if err == nil {
		m.writeSums(a)
		// It would be that of the object, where clients expect that of the answer.
		delete(a.header, "Content-MD5")
	}
	return a, err
}

// directive reads a header that says COPY, which is what its absence means, or REPLACE.
func (c *call) directive(name string) (replace bool, err error) {
	switch v := c.r.Header.Get(name); strings.ToUpper(v) {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, errInvalidArgument(name, v, "The value must be COPY or REPLACE.")
	}
}

// share returns the source's metadata and its bytes, which are of one moment.
func (c *call) share(src source) (*objectMeta, []store.Body, error) {
	defer c.h.lockKey(src.bucket, src.key)()
	m, err := c.readable(src)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := c.h.store.Share(src.bucket, src.key)
	return m, bodies, storeError(err, src.bucket, src.key)
}

// tooLargeToCopy refuses a source above the limit. One that is copied onto itself, which is how metadata are changed, has
// none, unless its bytes have to be written anew for another storage class or encryption.
func tooLargeToCopy(from, to *objectMeta, itself bool) error {
	const encryption = "x-oss-server-side-encryption"
	same := from.Header["x-oss-storage-class"] == to.Header["x-oss-storage-class"] && from.Header[encryption] == to.Header[encryption]
	if from.Size <= maxCopy || itself && same {
		return nil
	}
	return errTooLarge(from.Size, maxCopy)
}

// inherit takes over from the source what a copy has of it. Storage class, encryption and ACL are always the request's.
func (m *objectMeta) inherit(from *objectMeta, replaceMeta, replaceTags bool) {
	if !replaceMeta {
		header := map[string]string{}
		for name, v := range from.Header {
			if !ofRequest(name) {
				header[name] = v
			}
		}
		for name, v := range m.Header {
			if ofRequest(name) {
				header[name] = v
			}
		}
		m.Header = header
	}
	if !replaceTags {
		m.Tags = from.Tags
	}
	// The bytes are those of the source, as they are: the parts that it was made of still show in its ETag.
	m.Size, m.ETag, m.CRC64, m.MD5, m.Type = from.Size, from.ETag, from.CRC64, from.MD5, from.Type
}

// ofRequest tells whether a header of an object is never inherited by a copy.
func ofRequest(name string) bool {
	return name == "x-oss-storage-class" || strings.HasPrefix(name, "x-oss-server-side-")
}

func (c *call) discardAll(bodies []store.Body) {
	for _, b := range bodies {
		c.h.discard(b)
	}
}

// openSource opens a range of the source, and returns its size and what the answer tells of the range. A range that is
// malformed or reaches beyond the source gives all of it, and is not spoken of (the page UploadPartCopy).
func (c *call) openSource(src source) (content *gofakes3.Object, contentRange string, err error) {
	defer c.h.lockKey(src.bucket, src.key)()
	m, err := c.readable(src)
	if err != nil {
		return nil, "", err
	}
	var ask *gofakes3.ObjectRangeRequest
	length := m.Size
	if r, partial, err := parseRange(c.r.Header.Get("X-Oss-Copy-Source-Range"), m.Size, false); err == nil && partial {
		last := r.start + r.length - 1
		ask = &gofakes3.ObjectRangeRequest{Start: r.start, End: last}
		contentRange = "bytes " + strconv.FormatInt(r.start, 10) + "-" + strconv.FormatInt(last, 10) + "/" + strconv.FormatInt(m.Size, 10)
		length = r.length
	}
	if length > maxPart {
		return nil, "", errTooLarge(length, maxPart)
	}
	content, err = c.h.store.GetObject(src.bucket, src.key, ask)
	return content, contentRange, storeError(err, src.bucket, src.key)
}

// copiedXML is the answer of both operations that copy.
type copiedXML struct {
	XMLName      xml.Name
	LastModified string `xml:"LastModified"`
	ETag         string `xml:"ETag"`
}
