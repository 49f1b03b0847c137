package fakeoss

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types of object, as x-oss-object-type and the lists have them.
const (
	typeNormal    = "Normal"
	typeMultipart = "Multipart"
)

// objectMeta is what is kept of an object beside its bytes.
type objectMeta struct {
	Size     int64             `json:"size"`
	ETag     string            `json:"etag"` // without quotes
	CRC64    uint64            `json:"crc64"`
	MD5      []byte            `json:"md5,omitempty"` // where the service gives a Content-MD5
	Type     string            `json:"type"`
	Modified time.Time         `json:"modified"`
	Header   map[string]string `json:"header,omitempty"` // what Get returns, by the name on the wire
	ACL      string            `json:"acl,omitempty"`    // empty: default
	Tags     []tag             `json:"tags,omitempty"`
}

type tag struct {
	Key   string `xml:"Key" json:"key"`
	Value string `xml:"Value" json:"value"`
}

// metaName is the one name under which everything is kept in a gofakes3.Backend: s3mem lets values of the object replaced
// live on under names that its successor lacks.
const metaName = "oss"

func (m *objectMeta) encode() (map[string]string, error) {
	b, err := json.Marshal(m)
	return map[string]string{metaName: string(b)}, err
}

func decodeMeta(stored map[string]string) (*objectMeta, error) {
	m := &objectMeta{}
	if err := json.Unmarshal([]byte(stored[metaName]), m); err != nil {
		return nil, fmt.Errorf("metadata of an object: %w", err)
	}
	return m, nil
}

// systemHeaders are kept with an object and returned as they came.
var systemHeaders = []string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires"}

// Values that the pages of PutObject and PutBucket allow. Anything else is refused.
var (
	storageClasses  = words("Standard IA Archive ColdArchive DeepColdArchive")
	objectACLs      = words("default private public-read public-read-write")
	bucketACLs      = words("private public-read public-read-write")
	encryptionNames = words("AES256 KMS SM4")
)

// maxUserMeta bounds the user's metadata, names and values together (the page PutObject).
const maxUserMeta = 8 << 10

// newMeta takes what the request's headers say of the object to be.
func newMeta(header http.Header) (*objectMeta, error) {
	m := &objectMeta{Header: map[string]string{}}
	for _, name := range systemHeaders {
		if v := header.Get(name); v != "" {
			m.Header[name] = v
		}
	}
	if m.Header["Content-Type"] == "" {
		m.Header["Content-Type"] = "application/octet-stream"
	}
	user := 0
	for k, v := range header {
		name := strings.ToLower(k)
		rest, ok := strings.CutPrefix(name, "x-oss-meta-")
		if !ok {
			continue
		}
		if rest == "" || strings.ContainsFunc(rest, notInMetaName) {
			return nil, errInvalidArgument(name, v[0], "The name of the metadata may hold letters, digits and hyphens only.")
		}
		m.Header[name] = strings.Join(v, ",")
		user += len(name) + len(m.Header[name])
	}
	if user > maxUserMeta {
		return nil, errBadRequest("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.")
	}
	m.Header["x-oss-storage-class"] = storageClasses[0]
	if v := header.Get("X-Oss-Storage-Class"); v != "" {
		if !slices.Contains(storageClasses, v) {
			return nil, errInvalidArgument("x-oss-storage-class", v, "The storage class is not supported.")
		}
		m.Header["x-oss-storage-class"] = v
	}
	if err := m.setEncryption(header); err != nil {
		return nil, err
	}
	var err error
	if m.ACL, err = parseACL(header.Get("X-Oss-Object-Acl"), "x-oss-object-acl", objectACLs); err != nil {
		return nil, err
	}
	m.Tags, err = parseTagging(header.Get("X-Oss-Tagging"))
	return m, err
}

// newMeta takes what the request's headers say of the object to be. Without a storage class it gets the bucket's.
func (c *call) newMeta() (*objectMeta, error) {
	m, err := newMeta(c.r.Header)
	if err != nil || c.r.Header.Get("X-Oss-Storage-Class") != "" {
		return m, err
	}
	b, err := c.h.bucketMeta(c.target.bucket)
	if err != nil {
		return nil, err
	}
	m.Header["x-oss-storage-class"] = b.StorageClass
	return m, nil
}

// notInMetaName leaves the underscore in, which the page forbids: SDK v1 sends it unchecked and the service is not known to
// refuse it.
func notInMetaName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

func (m *objectMeta) setEncryption(header http.Header) error {
	const name = "x-oss-server-side-encryption"
	algorithm, keyID := header.Get(name), header.Get(name+"-key-id")
	data := header.Get("X-Oss-Server-Side-Data-Encryption")
	if algorithm == "" {
		if keyID != "" || data != "" {
			return errInvalidArgument(name+"-key-id", keyID, "A key needs "+name+".")
		}
		return nil
	}
	if !slices.Contains(encryptionNames, algorithm) || data != "" && data != "SM4" {
		return errBadRequest("InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256/KMS/SM4.")
	}
	if (keyID != "" || data != "") && algorithm != "KMS" {
		return errInvalidArgument(name+"-key-id", keyID, "Only KMS takes a key.")
	}
	m.Header[name] = algorithm
	if keyID != "" {
		m.Header[name+"-key-id"] = keyID
	}
	if data != "" {
		m.Header["x-oss-server-side-data-encryption"] = data
	}
	return nil
}

func parseACL(value, name string, allowed []string) (string, error) {
	if value != "" && !slices.Contains(allowed, value) {
		return "", errInvalidArgument(name, value, "The ACL is not valid.")
	}
	return value, nil
}

// parseTagging reads the x-oss-tagging header: a query of keys and values.
func parseTagging(s string) ([]tag, error) {
	if s == "" {
		return nil, nil
	}
	var tags []tag
	for field := range strings.SplitSeq(s, "&") {
		k, v, _ := strings.Cut(field, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			return nil, errInvalidArgument("x-oss-tagging", s, "The tagging header is not well-formed.")
		}
		tags = append(tags, tag{key, value})
	}
	return tags, checkTags(tags)
}

// checkTags: at most 10 tags, keys of 1 to 128 and values of up to 256 bytes, no key twice (the page PutObjectTagging).
func checkTags(tags []tag) error {
	if len(tags) > 10 {
		return errInvalidArgument("Tag", strconv.Itoa(len(tags)), "Object tags cannot be greater than 10.")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || seen[t.Key] {
			return errBadRequest("InvalidTag", "The tag you have provided is invalid.").with("TagKey", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

// write puts the object's headers into an answer.
func (m *objectMeta) write(a *answer) {
	for k, v := range m.Header {
		a.set(k, v)
	}
	m.writeSums(a)
	a.set("Accept-Ranges", "bytes")
	a.set("Last-Modified", m.Modified.UTC().Format(http.TimeFormat))
	a.set("x-oss-object-type", m.Type)
	if m.Type == typeAppendable {
		a.set(nextPosition, strconv.FormatInt(m.Size, 10))
	}
	if len(m.Tags) > 0 {
		a.set("x-oss-tagging-count", strconv.Itoa(len(m.Tags)))
	}
}

// writeSums is what an answer to a write has, too.
func (m *objectMeta) writeSums(a *answer) {
	a.set("ETag", `"`+m.ETag+`"`)
	a.set("x-oss-hash-crc64ecma", strconv.FormatUint(m.CRC64, 10))
	if len(m.MD5) > 0 {
		a.set("Content-MD5", base64.StdEncoding.EncodeToString(m.MD5))
	}
	for _, name := range []string{"x-oss-server-side-encryption", "x-oss-server-side-encryption-key-id"} {
		if v := m.Header[name]; v != "" {
			a.set(name, v)
		}
	}
}
