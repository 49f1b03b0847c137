package fakeoss

import "net/http"

func (c *call) putBucketACL() (*answer, error) {
	acl, err := parseACL(c.r.Header.Get("X-Oss-Acl"), "x-oss-acl", bucketACLs)
	if err != nil {
		return nil, err
	}
	if acl == "" {
		return nil, errMissingArgument("x-oss-acl")
	}
	if err := c.effect(func() error { return c.h.createBucket(c.target.bucket, &bucketMeta{ACL: acl}) }); err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}

func (c *call) getBucketACL() (*answer, error) {
	m, err := c.h.bucketMeta(c.target.bucket)
	if err != nil {
		return nil, err
	}
	return document(&accessControlXML{Owner: theOwner, Grant: m.ACL})
}
