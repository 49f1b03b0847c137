package fakeoss

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// bucketMeta is what is kept of a bucket.
type bucketMeta struct {
	ACL          string    `json:"acl"`
	StorageClass string    `json:"storage_class"`
	Created      time.Time `json:"created"`
}

// maxBuckets is the service's limit for an account (TooManyBuckets).
const maxBuckets = 100

func (h *Handler) bucketMeta(name string) (*bucketMeta, error) {
	s, err := h.store.BucketMeta(name)
	if err != nil {
		return nil, storeError(err, name, "")
	}
	m := &bucketMeta{ACL: bucketACLs[0], StorageClass: storageClasses[0]}
	if s != "" {
		if err := json.Unmarshal([]byte(s), m); err != nil {
			return nil, fmt.Errorf("metadata of bucket %s: %w", name, err)
		}
	}
	return m, nil
}

// createBucket creates a bucket, or changes the ACL of the one that is there. A nil m leaves an existing one as it is.
func (h *Handler) createBucket(name string, m *bucketMeta) error {
	h.buckets.Lock()
	defer h.buckets.Unlock()
	exists, err := h.store.BucketExists(name)
	if err != nil {
		return err
	}
	switch {
	case exists && m == nil:
		return nil
	case exists:
		old, err := h.bucketMeta(name)
		if err != nil {
			return err
		}
		old.ACL, m = m.ACL, old
	default:
		all, err := h.store.ListBuckets()
		if err != nil {
			return err
		}
		if len(all) >= maxBuckets {
			return errBadRequest("TooManyBuckets", "You have attempted to create more buckets than allowed.")
		}
		if err := h.store.CreateBucket(name); err != nil {
			return err
		}
		if m == nil {
			m = &bucketMeta{ACL: bucketACLs[0], StorageClass: storageClasses[0]}
		}
		m.Created = h.now().UTC().Truncate(time.Second)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return h.store.SetBucketMeta(name, string(b))
}

func (c *call) putBucket() (*answer, error) {
	m := &bucketMeta{ACL: bucketACLs[0], StorageClass: storageClasses[0]}
	acl, err := parseACL(c.r.Header.Get("X-Oss-Acl"), "x-oss-acl", bucketACLs)
	if err != nil {
		return nil, err
	}
	if acl != "" {
		m.ACL = acl
	}
	var conf struct {
		XMLName            xml.Name `xml:"CreateBucketConfiguration"`
		StorageClass       string   `xml:"StorageClass"`
		DataRedundancyType string   `xml:"DataRedundancyType"`
	}
	if _, err := c.readDocument(&conf); err != nil {
		return nil, err
	}
	if s := conf.StorageClass; s != "" {
		if !slices.Contains(storageClasses, s) {
			return nil, errInvalidArgument("StorageClass", s, "The storage class is not supported.")
		}
		m.StorageClass = s
	}
	if s := conf.DataRedundancyType; s != "" && s != "LRS" && s != "ZRS" {
		return nil, errInvalidArgument("DataRedundancyType", s, "The redundancy type is not supported.")
	}
	if err := c.effect(func() error { return c.h.createBucket(c.target.bucket, m) }); err != nil {
		return nil, err
	}
	return empty(http.StatusOK).set("Location", "/"+c.target.bucket), nil
}

func (c *call) deleteBucket() (*answer, error) {
	err := c.effect(func() error {
		c.h.buckets.Lock()
		defer c.h.buckets.Unlock()
		notEmpty := &serviceError{status: http.StatusConflict, code: "BucketNotEmpty",
			message: "The bucket you tried to delete is not empty."}
		notEmpty.with("BucketName", c.target.bucket)
		if c.h.uploads.any(c.target.bucket) {
			return notEmpty
		}
		err := c.h.store.DeleteBucket(c.target.bucket)
		if gofakes3.HasErrorCode(err, gofakes3.ErrBucketNotEmpty) {
			return notEmpty
		}
		return storeError(err, c.target.bucket, "")
	})
	if err != nil {
		return nil, err
	}
	return empty(http.StatusNoContent), nil
}

// owner is the one account that this server knows.
type owner struct {
	ID          string `xml:"ID"`
	DisplayName string `xml:"DisplayName"`
}

var theOwner = owner{ID: "1000000000000000", DisplayName: "1000000000000000"}

type bucketXML struct {
	XMLName            xml.Name `xml:"Bucket"`
	CreationDate       string   `xml:"CreationDate"`
	ExtranetEndpoint   string   `xml:"ExtranetEndpoint"`
	IntranetEndpoint   string   `xml:"IntranetEndpoint"`
	Location           string   `xml:"Location"`
	Name               string   `xml:"Name"`
	Region             string   `xml:"Region"`
	StorageClass       string   `xml:"StorageClass"`
	DataRedundancyType string   `xml:"DataRedundancyType,omitempty"`
	Owner              *owner   `xml:"Owner"`
	ACL                *grant   `xml:"AccessControlList"`
}

// grant is the one element of an access control list.
type grant struct {
	Grant string `xml:"Grant"`
}

// describe gives the address at which this server was reached as the bucket's endpoint: clients go on there.
func (c *call) describe(name string, m *bucketMeta) bucketXML {
	return bucketXML{
		CreationDate:     xmlTime(m.Created),
		ExtranetEndpoint: c.target.endpoint,
		IntranetEndpoint: c.target.endpoint,
		Location:         "oss-" + c.h.region,
		Name:             name,
		Region:           c.h.region,
		StorageClass:     m.StorageClass,
	}
}

func (c *call) getBucketInfo() (*answer, error) {
	m, err := c.h.bucketMeta(c.target.bucket)
	if err != nil {
		return nil, err
	}
	b := c.describe(c.target.bucket, m)
	b.DataRedundancyType, b.Owner, b.ACL = "LRS", &theOwner, &grant{m.ACL}
	return document(&struct {
		XMLName xml.Name `xml:"BucketInfo"`
		Bucket  bucketXML
	}{Bucket: b})
}

func (c *call) getBucketLocation() (*answer, error) {
	return document(&struct {
		XMLName  xml.Name `xml:"LocationConstraint"`
		Location string   `xml:",chardata"`
	}{Location: "oss-" + c.h.region})
}

type bucketsXML struct {
	XMLName     xml.Name    `xml:"ListAllMyBucketsResult"`
	Prefix      *string     `xml:"Prefix"`
	Marker      *string     `xml:"Marker"`
	MaxKeys     *int        `xml:"MaxKeys"`
	IsTruncated *bool       `xml:"IsTruncated"`
	NextMarker  *string     `xml:"NextMarker"`
	Owner       owner       `xml:"Owner"`
	Buckets     []bucketXML `xml:"Buckets>Bucket"`
}

func (c *call) listBuckets() (*answer, error) {
	prefix, marker := c.query.get("prefix"), c.query.get("marker")
	limit, err := c.limit("max-keys", 100, 1000)
	if err != nil {
		return nil, err
	}
	all, err := c.h.store.ListBuckets()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y gofakes3.BucketInfo) int { return strings.Compare(x.Name, y.Name) })
	out := &bucketsXML{Owner: theOwner}
	truncated := false
	for _, b := range all {
		if !strings.HasPrefix(b.Name, prefix) || b.Name <= marker {
			continue
		}
		if len(out.Buckets) == limit {
			truncated = true
			break
		}
		m, err := c.h.bucketMeta(b.Name)
		if err != nil {
			return nil, err
		}
		out.Buckets = append(out.Buckets, c.describe(b.Name, m))
	}
	// The paging elements are there only if the answer is a page.
	if truncated || marker != "" {
		out.Prefix, out.Marker, out.MaxKeys, out.IsTruncated = &prefix, &marker, &limit, &truncated
		if truncated {
			out.NextMarker = &out.Buckets[len(out.Buckets)-1].Name
		}
	}
	return document(out)
}

// limit reads a parameter such as max-keys: from 1 to most, def if it is not there.
func (c *call) limit(name string, def, most int) (int, error) {
	v := c.query.get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, errInvalidArgument(name, v, "Argument "+name+" must be an integer between 1 and "+strconv.Itoa(most)+".")
	}
	return n, nil
}
