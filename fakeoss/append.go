package fakeoss

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

const (
	typeAppendable = "Appendable"

	// nextPosition is the header that says where the next append has to begin.
	nextPosition = "x-oss-next-append-position"
)

func (c *call) appendObject() (*answer, error) {
	if !c.query.has("position") {
		return nil, errMissingArgument("position").withEC("0016-00000501")
	}
	v := c.query.get("position")
	position, ok := digits(v)
	if !ok {
		return nil, errInvalidArgument("position", v, "The position must be an integer that is not negative.")
	}
	given, err := c.newMeta()
	if err != nil {
		return nil, err
	}
	if id := given.Header["x-oss-server-side-encryption-key-id"]; id != "" {
		return nil, errInvalidArgument("x-oss-server-side-encryption-key-id", id, "An appendable object takes no key ID.")
	}
	in, err := c.receive(maxPut)
	if err != nil {
		return nil, err
	}
	var m *objectMeta
	err = c.effect(func() (err error) {
		m, err = c.appendBody(given, position, in)
		return err
	})
	if err != nil {
		c.h.discard(in.Body)
		return nil, err
	}
	a := empty(http.StatusOK)
	m.writeSums(a)
	return a.set(nextPosition, strconv.FormatInt(m.Size, 10)), nil
}

// appendBody puts a body at the end of the object, or makes the object of it. If it fails the body is the caller's.
func (c *call) appendBody(given *objectMeta, position int64, in *received) (*objectMeta, error) {
	t := c.target
	c.h.buckets.RLock()
	defer c.h.buckets.RUnlock()
	defer c.h.lockKey(t.bucket, t.key)()
	m, err := c.h.stat(t.bucket, t.key)
	exists := err == nil
	switch {
	case isNoSuchKey(err):
		m = given
		m.Type = typeAppendable
	case err != nil:
		return nil, err
	case m.Type != typeAppendable:
		return nil, &serviceError{status: http.StatusConflict, code: "ObjectNotAppendable", ec: "0026-00000017",
			message: "The object is not appendable"}
	case given.ACL != "":
		// Of a later append only the ACL counts; SDK v1's tests show that its metadata are ignored.
		m.ACL = given.ACL
	}
	if position != m.Size {
		e := &serviceError{status: http.StatusConflict, code: "PositionNotEqualToLength", ec: "0026-00000016",
			message: "Position is not equal to file length"}
		return nil, e.set(nextPosition, strconv.FormatInt(m.Size, 10))
	}
	if m.Size+in.Size() > maxPut {
		return nil, errTooLarge(m.Size+in.Size(), maxPut)
	}
	m.CRC64 = crc64.Combine(m.CRC64, in.crc, in.Size())
	m.Size += in.Size()
	m.Modified = c.h.now().UTC().Truncate(time.Second)
	// It is no digest of the content, and ends in zeros in the service's examples. It differs after each append.
	sum := md5.Sum(fmt.Appendf(nil, "%s %d %d", m.ETag, m.CRC64, m.Size))
	m.ETag = fmt.Sprintf("%X00000000", sum[:12])
	meta, err := m.encode()
	if err != nil {
		return nil, err
	}
	var bodies []store.Body
	if exists {
		if bodies, err = c.h.store.Share(t.bucket, t.key); err != nil {
			return nil, storeError(err, t.bucket, t.key)
		}
	}
	if err := c.h.store.Link(t.bucket, t.key, meta, "", append(bodies[:len(bodies):len(bodies)], in.Body)); err != nil {
		c.discardAll(bodies)
		return nil, storeError(err, t.bucket, t.key)
	}
	return m, nil
}
