package fakeoss

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// stat returns the metadata of an object, or NoSuchKey.
func (h *Handler) stat(bucket, key string) (*objectMeta, error) {
	o, err := h.store.HeadObject(bucket, key)
	if err != nil {
		return nil, storeError(err, bucket, key)
	}
	return decodeMeta(o.Metadata)
}

// storeError turns the errors that a gofakes3.Backend has for what is not there into those of OSS.
func storeError(err error, bucket, key string) error {
	switch {
	case gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchBucket):
		return errNoSuchBucket(bucket)
	case gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey):
		return errNoSuchKey(key)
	}
	return err
}

// publish makes an object of bodies. It checks forbid-overwrite and replaces the old object in one step.
func (c *call) publish(m *objectMeta, upload string, bodies []store.Body) error {
	t := c.target
	defer c.h.lockKey(t.bucket, t.key)()
	if err := c.forbidOverwrite(); err != nil {
		return err
	}
	m.Modified = c.h.now().UTC().Truncate(time.Second)
	meta, err := m.encode()
	if err != nil {
		return err
	}
	return storeError(c.h.store.Link(t.bucket, t.key, meta, upload, bodies), t.bucket, t.key)
}

func (c *call) forbidOverwrite() error {
	v := c.r.Header.Get("X-Oss-Forbid-Overwrite")
	switch strings.ToLower(v) {
	case "", "false":
		return nil
	case "true":
	default:
		return errInvalidArgument("x-oss-forbid-overwrite", v, "The value must be true or false.")
	}
	_, err := c.h.store.HeadObject(c.target.bucket, c.target.key)
	if err == nil {
		return errFileAlreadyExists()
	}
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return nil
	}
	return err
}

func (c *call) putObject() (*answer, error) {
	if err := c.noConditions(); err != nil {
		return nil, err
	}
	cb, err := c.callback()
	if err != nil {
		return nil, err
	}
	m, err := c.newMeta()
	if err != nil {
		return nil, err
	}
	in, err := c.receive(maxPut)
	if err != nil {
		return nil, err
	}
	m.Size, m.MD5, m.CRC64, m.Type = in.Size(), in.md5[:], in.crc, typeNormal
	m.ETag = fmt.Sprintf("%X", in.md5)
	err = c.effect(func() error {
		c.h.buckets.RLock()
		defer c.h.buckets.RUnlock()
		return c.publish(m, "", []store.Body{in.Body})
	})
	if err != nil {
		c.h.discard(in.Body)
		return nil, err
	}
	a := empty(http.StatusOK)
	m.writeSums(a)
	return c.notify(cb, m, a)
}

// noConditions refuses the conditions of reads on a write, as the service does.
func (c *call) noConditions() error {
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since", "If-Match", "If-None-Match"} {
		if c.r.Header.Get(name) != "" {
			return errBadRequest("NotImplemented", "A header you provided implies functionality that is not implemented.").with("Header", name)
		}
	}
	return nil
}

func (c *call) getObject() (*answer, error) { return c.read(true) }

func (c *call) headObject() (*answer, error) { return c.read(false) }

func (c *call) read(withContent bool) (*answer, error) {
	// The key is locked so that metadata and content are of one object; what was opened stays readable afterwards.
	unlock := c.h.lockKey(c.target.bucket, c.target.key)
	defer unlock()
	m, err := c.h.stat(c.target.bucket, c.target.key)
	if err != nil {
		return nil, err
	}
	if err := checkConditions(c.r.Header, "", m); err != nil {
		return nil, err
	}
	r, partial, err := parseRange(c.r.Header.Get("Range"), m.Size, c.r.Header.Get("X-Oss-Range-Behavior") == "standard")
	if err != nil {
		return nil, err
	}
	a := empty(http.StatusOK)
	m.write(a)
	if err := c.overrides(a); err != nil {
		return nil, err
	}
	a.length = m.Size
	var ask *gofakes3.ObjectRangeRequest
	if partial {
		a.status = http.StatusPartialContent
		a.length = r.length
		a.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.start, r.start+r.length-1, m.Size))
		ask = &gofakes3.ObjectRangeRequest{Start: r.start, End: r.start + r.length - 1}
	}
	a.set("Content-Length", strconv.FormatInt(a.length, 10))
	if withContent {
		if err := m.checkState(); err != nil {
			return nil, err
		}
		o, err := c.h.store.GetObject(c.target.bucket, c.target.key, ask)
		if err != nil {
			return nil, storeError(err, c.target.bucket, c.target.key)
		}
		a.content = o.Contents
	}
	return a, nil
}

// checkConditions checks the conditions of a request, or with a prefix those on the source of a copy, in the order of RFC 9110,
// section 13.2.2. The element Condition has no prefix either way (ali-oss's tests).
func checkConditions(header http.Header, prefix string, m *objectMeta) error {
	get := func(name string) string { return header.Get(prefix + name) }
	matches := func(list string) bool {
		for e := range strings.SplitSeq(list, ",") {
			if e = strings.Trim(strings.TrimSpace(e), `"`); e == "*" || strings.EqualFold(e, m.ETag) {
				return true
			}
		}
		return false
	}
	notModified := &serviceError{status: http.StatusNotModified, code: "NotModified", message: "Not modified."}
	notModified.set("ETag", `"`+m.ETag+`"`).set("Last-Modified", m.Modified.UTC().Format(http.TimeFormat))
	if v := get("If-Match"); v != "" {
		if !matches(v) {
			return errPreconditionFailed("If-Match")
		}
	} else if t, err := http.ParseTime(get("If-Unmodified-Since")); err == nil && m.Modified.After(t) {
		return errPreconditionFailed("If-Unmodified-Since")
	}
	if v := get("If-None-Match"); v != "" {
		if matches(v) {
			return notModified
		}
	} else if t, err := http.ParseTime(get("If-Modified-Since")); err == nil && !m.Modified.After(t) {
		return notModified
	}
	return nil
}

// overrides are the response-* parameters of a signed request.
func (c *call) overrides(a *answer) error {
	for _, name := range responseQuery {
		v := c.query.get(name)
		if v == "" {
			continue
		}
		if !c.signed {
			return errBadRequest("InvalidRequest", "Anonymous requests cannot override the headers of the response.")
		}
		header := http.CanonicalHeaderKey(strings.TrimPrefix(name, "response-"))
		a.set(header, v)
	}
	return nil
}

func (c *call) getObjectMeta() (*answer, error) {
	m, err := c.h.stat(c.target.bucket, c.target.key)
	if err != nil {
		return nil, err
	}
	a := empty(http.StatusOK)
	a.set("ETag", `"`+m.ETag+`"`)
	a.set("Last-Modified", m.Modified.UTC().Format(http.TimeFormat))
	a.set("Content-Length", strconv.FormatInt(m.Size, 10))
	a.set("x-oss-hash-crc64ecma", strconv.FormatUint(m.CRC64, 10))
	return a, nil
}

func (c *call) deleteObject() (*answer, error) {
	err := c.effect(func() error {
		return c.h.deleteKey(c.target.bucket, c.target.key)
	})
	if err != nil {
		return nil, err
	}
	return empty(http.StatusNoContent), nil
}
