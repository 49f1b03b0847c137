package fakeoss

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// authorize lets a signed caller do everything, and an anonymous one what the ACLs grant, as far as the policy does not object.
func (c *call) authorize() error {
	if !c.signed {
		granted, err := c.granted()
		if err != nil {
			return err
		}
		if !granted {
			return errAccessDenied("You have no right to access this object because of bucket acl.", "0003-00000001")
		}
	}
	return c.permit()
}

func (c *call) granted() (bool, error) {
	if c.op.access == private || c.target.bucket == "" || c.op.name == "PutBucket" {
		return false, nil
	}
	if c.op.copies() {
		src, err := c.copySource()
		if err != nil {
			return false, err
		}
		if ok, err := c.h.grants(src.bucket, src.key, readObject); !ok || err != nil {
			return false, err
		}
	}
	return c.h.grants(c.target.bucket, c.target.key, c.op.access)
}

// grants tells whether the ACLs let everybody do something.
func (h *Handler) grants(bucket, key string, wanted access) (bool, error) {
	b, err := h.bucketMeta(bucket)
	if err != nil {
		return false, err
	}
	acl := b.ACL
	if key != "" {
		// The ACL of an object, if it has one, counts instead of the bucket's. A write makes a new object.
		if m, err := h.stat(bucket, key); err == nil && m.ACL != "" && m.ACL != objectACLs[0] {
			acl = m.ACL
		}
	}
	switch wanted {
	case readObject, readBucket:
		return strings.HasPrefix(acl, "public-read"), nil
	case writeObject, writeBucket:
		return acl == "public-read-write", nil
	}
	return false, nil
}

// change changes the metadata of the object in one step.
func (c *call) change(f func(m *objectMeta)) error {
	return c.effect(func() error {
		t := c.target
		c.h.buckets.RLock()
		defer c.h.buckets.RUnlock()
		defer c.h.lockKey(t.bucket, t.key)()
		m, err := c.h.stat(t.bucket, t.key)
		if err != nil {
			return err
		}
		f(m)
		meta, err := m.encode()
		if err != nil {
			return err
		}
		return storeError(c.h.store.SetMeta(t.bucket, t.key, meta), t.bucket, t.key)
	})
}

func (c *call) putObjectACL() (*answer, error) {
	acl, err := parseACL(c.r.Header.Get("X-Oss-Object-Acl"), "x-oss-object-acl", objectACLs)
	if err != nil {
		return nil, err
	}
	if acl == "" {
		return nil, errMissingArgument("x-oss-object-acl")
	}
	if err := c.change(func(m *objectMeta) { m.ACL = acl }); err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}

func (c *call) getObjectACL() (*answer, error) {
	m, err := c.h.stat(c.target.bucket, c.target.key)
	if err != nil {
		return nil, err
	}
	if m.ACL == "" {
		m.ACL = objectACLs[0]
	}
	return document(&accessControlXML{Owner: theOwner, Grant: m.ACL})
}

// accessControlXML is the ACL of an object or a bucket.
type accessControlXML struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Owner   owner    `xml:"Owner"`
	Grant   string   `xml:"AccessControlList>Grant"`
}

type taggingXML struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

func (c *call) putObjectTagging() (*answer, error) {
	var in taggingXML
	if ok, err := c.readDocument(&in); err != nil {
		return nil, err
	} else if !ok {
		return nil, errMalformedXML()
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := c.change(func(m *objectMeta) { m.Tags = in.Tags }); err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}

func (c *call) getObjectTagging() (*answer, error) {
	m, err := c.h.stat(c.target.bucket, c.target.key)
	if err != nil {
		return nil, err
	}
	return document(&taggingXML{Tags: m.Tags})
}

func (c *call) deleteObjectTagging() (*answer, error) {
	if err := c.change(func(m *objectMeta) { m.Tags = nil }); err != nil {
		return nil, err
	}
	return empty(http.StatusNoContent), nil
}
