package fakeoss

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// encoder escapes the names in a list, if the request asks for it.
type encoder struct{ on bool }

func (c *call) encoding() (encoder, string, error) {
	switch t := c.query.get("encoding-type"); t {
	case "":
		return encoder{}, "", nil
	case "url":
		return encoder{on: true}, t, nil
	default:
		return encoder{}, "", errInvalidArgument("encoding-type", t, "Invalid Encoding Method specified in Request.")
	}
}

func (e encoder) name(s string) string {
	if !e.on {
		return s
	}
	// A space as %20, since not every client takes a plus for one.
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// item is an entry of a list, an object or a common prefix.
type item struct {
	name   string
	prefix bool
}

// listing walks the keys of a bucket in bytewise order, grouped by the delimiter. Grouping is done here and not by the
// backend; see [store.Memory].
type listing struct {
	prefix, delimiter string
	after             string // list what comes after this key; a common prefix counts as the last of its keys
	limit             int
}

// groupOf returns the common prefix that a key belongs to.
func (l listing) groupOf(key string) (prefix string, ok bool) {
	if l.delimiter == "" || !strings.HasPrefix(key, l.prefix) {
		return "", false
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.prefix)+i+len(l.delimiter)], true
}

// run returns up to limit items and whether there are more.
func (l listing) run(h *Handler, bucket string) (items []item, more bool, err error) {
	match := gofakes3.Prefix{HasPrefix: l.prefix != "", Prefix: l.prefix}
	marker := l.after
	current := ""
	if g, ok := l.groupOf(l.after); ok && g == l.after {
		current = g
	}
	for {
		page, err := h.store.ListBucket(bucket, &match, gofakes3.ListBucketPage{Marker: marker, HasMarker: marker != "", MaxKeys: 1000})
		if err != nil {
			return nil, false, storeError(err, bucket, "")
		}
		for _, o := range page.Contents {
			marker = o.Key
			g, grouped := l.groupOf(o.Key)
			if grouped && g == current {
				continue
			}
			if len(items) == l.limit {
				return items, true, nil
			}
			if grouped {
				current = g
				items = append(items, item{g, true})
			} else {
				items = append(items, item{o.Key, false})
			}
		}
		if !page.IsTruncated || len(page.Contents) == 0 {
			return items, false, nil
		}
	}
}

type contentXML struct {
	Key          string `xml:"Key"`
	LastModified string `xml:"LastModified"`
	ETag         string `xml:"ETag"`
	Type         string `xml:"Type"`
	Size         int64  `xml:"Size"`
	StorageClass string `xml:"StorageClass"`
	Owner        *owner `xml:"Owner"`
}

type prefixXML struct {
	Prefix string `xml:"Prefix"`
}

type objectsXML struct {
	XMLName      xml.Name     `xml:"ListBucketResult"`
	Name         string       `xml:"Name"`
	Prefix       string       `xml:"Prefix"`
	Marker       *string      `xml:"Marker"` // v1
	StartAfter   *string      `xml:"StartAfter"`
	Token        *string      `xml:"ContinuationToken"`
	MaxKeys      int          `xml:"MaxKeys"`
	Delimiter    string       `xml:"Delimiter"`
	EncodingType string       `xml:"EncodingType,omitempty"`
	IsTruncated  bool         `xml:"IsTruncated"`
	NextMarker   *string      `xml:"NextMarker"`
	NextToken    *string      `xml:"NextContinuationToken"`
	KeyCount     *int         `xml:"KeyCount"`
	Contents     []contentXML `xml:"Contents"`
	Prefixes     []prefixXML  `xml:"CommonPrefixes"`
}

// list fills what both versions have in common, and returns the last name listed.
func (c *call) list(l listing, withOwner bool) (out *objectsXML, last string, err error) {
	enc, encodingType, err := c.encoding()
	if err != nil {
		return nil, "", err
	}
	if l.limit, err = c.limit("max-keys", 100, 1000); err != nil {
		return nil, "", err
	}
	l.prefix, l.delimiter = c.query.get("prefix"), c.query.get("delimiter")
	if len(l.prefix) > maxKey {
		return nil, "", errInvalidArgument("prefix", l.prefix, "The prefix is too long.")
	}
	items, more, err := l.run(c.h, c.target.bucket)
	if err != nil {
		return nil, "", err
	}
	out = &objectsXML{Name: c.target.bucket, Prefix: enc.name(l.prefix), MaxKeys: l.limit, Delimiter: enc.name(l.delimiter),
		EncodingType: encodingType, IsTruncated: more}
	for _, it := range items {
		last = it.name
		if it.prefix {
			out.Prefixes = append(out.Prefixes, prefixXML{enc.name(it.name)})
			continue
		}
		m, err := c.h.stat(c.target.bucket, it.name)
		if err != nil {
			if isNoSuchKey(err) {
				continue // deleted since it was listed
			}
			return nil, "", err
		}
		e := contentXML{Key: enc.name(it.name), LastModified: xmlTime(m.Modified), ETag: `"` + m.ETag + `"`, Type: m.Type,
			Size: m.Size, StorageClass: m.Header["x-oss-storage-class"]}
		if withOwner {
			e.Owner = &theOwner
		}
		out.Contents = append(out.Contents, e)
	}
	return out, last, nil
}

func (c *call) listObjects() (*answer, error) {
	marker := c.query.get("marker")
	out, last, err := c.list(listing{after: marker}, true)
	if err != nil {
		return nil, err
	}
	enc := encoder{on: out.EncodingType != ""}
	marker = enc.name(marker)
	out.Marker = &marker
	if out.IsTruncated {
		next := enc.name(last)
		out.NextMarker = &next
	}
	return document(out)
}

func (c *call) listObjectsV2() (*answer, error) {
	if t := c.query.get("list-type"); t != "2" {
		return nil, errInvalidArgument("list-type", t, "The list type must be 2.")
	}
	owners := c.query.get("fetch-owner")
	if !slices.Contains([]string{"", "true", "false"}, owners) {
		return nil, errInvalidArgument("fetch-owner", owners, "The value must be true or false.")
	}
	after := c.query.get("start-after")
	token := c.query.get("continuation-token")
	if token != "" {
		key, err := decodeToken(token)
		if err != nil {
			return nil, errInvalidArgument("continuation-token", token, "The continuation token provided is incorrect.")
		}
		after = key
	}
	out, last, err := c.list(listing{after: after}, owners == "true")
	if err != nil {
		return nil, err
	}
	enc := encoder{on: out.EncodingType != ""}
	if s := c.query.get("start-after"); s != "" {
		s = enc.name(s)
		out.StartAfter = &s
	}
	if token != "" {
		out.Token = &token
	}
	if out.IsTruncated {
		next := encodeToken(last)
		out.NextToken = &next
	}
	count := len(out.Contents) + len(out.Prefixes)
	out.KeyCount = &count
	return document(out)
}

// A continuation token is opaque. It has no character that any encoding changes: SDK v1 unescapes it always.
func encodeToken(key string) string { return base64.RawURLEncoding.EncodeToString([]byte("k" + key)) }

func decodeToken(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", err
	}
	key, ok := strings.CutPrefix(string(b), "k")
	if !ok {
		return "", errMalformedXML()
	}
	return key, nil
}
