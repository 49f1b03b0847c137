package oss

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// The limits of attributes, from the service's pages "PutObject" and "Object tagging".
const (
	maxKeySize      = 1023    // bytes
	maxMetadataSize = 8 << 10 // bytes, names and values of one object together
	maxTags         = 10
	maxTagKey       = 128 // bytes
	maxTagValue     = 256 // bytes
)

// checkKey refuses a key that OSS would refuse (page "Object naming"), and two that would not arrive as they are.
func checkKey(op operation, key string) error {
	switch {
	case key == "":
		return invalid(op, "key is empty")
	case len(key) > maxKeySize:
		return invalid(op, "key has %d bytes, more than %d", len(key), maxKeySize)
	case !utf8.ValidString(key):
		return invalid(op, "key is not UTF-8")
	case key[0] == '/' || key[0] == '\\':
		return invalid(op, "key starts with %q", key[:1])
	case key == "." || key == "..":
		// A slash is escaped in the URL, so that "a/../b" is safe; these two are path elements that any proxy may resolve.
		return invalid(op, "key %q cannot be put into a URL", key)
	}
	return nil
}

// createHeaders returns the headers of InitiateMultipartUpload. The ACL is checked, but belongs to Complete.
func createHeaders(op operation, a backend.Attributes) (map[string]string, error) {
	h := make(map[string]string)
	for _, f := range []struct{ name, header, value string }{
		{"content type", sdk.HTTPHeaderContentType, a.ContentType},
		{"cache control", sdk.HTTPHeaderCacheControl, a.CacheControl},
		{"content disposition", sdk.HTTPHeaderContentDisposition, a.ContentDisposition},
		{"content encoding", sdk.HTTPHeaderContentEncoding, a.ContentEncoding},
		{"content language", sdk.HTTPHeaderContentLanguage, a.ContentLanguage},
	} {
		if !headerValue(f.value) {
			return nil, invalid(op, "%s %.60q cannot be sent in a header", f.name, f.value)
		}
		if f.value != "" {
			h[f.header] = f.value
		}
	}
	if !a.Expires.IsZero() {
		// The SDK's own option prints the local time and calls it GMT.
		h[sdk.HTTPHeaderExpires] = a.Expires.UTC().Format(http.TimeFormat)
	}
	if err := addMetadata(op, h, a.Metadata); err != nil {
		return nil, err
	}
	if err := addTags(op, h, a.Tags); err != nil {
		return nil, err
	}

	classes := []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}
	if a.StorageClass != "" && !slices.Contains(classes, a.StorageClass) {
		return nil, invalid(op, "storage class %.60q is none of %s", a.StorageClass, strings.Join(classes, ", "))
	}
	if a.StorageClass != "" {
		h[sdk.HTTPHeaderOssStorageClass] = a.StorageClass
	}
	if err := addEncryption(op, h, a.Encryption); err != nil {
		return nil, err
	}
	return h, addACL(op, make(map[string]string), a.ACL)
}

func addACL(op operation, h map[string]string, acl string) error {
	acls := []string{"default", "private", "public-read", "public-read-write"}
	if acl != "" && !slices.Contains(acls, acl) {
		return invalid(op, "ACL %.60q is none of %s", acl, strings.Join(acls, ", "))
	}
	if acl != "" {
		h[sdk.HTTPHeaderOssObjectACL] = acl
	}
	return nil
}

func addMetadata(op operation, h map[string]string, metadata map[string]string) error {
	size := 0
	seen := make(map[string]bool, len(metadata))
	for name, value := range metadata {
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notMetadataName):
			return invalid(op, "metadata name %.60q has other characters than letters, digits and hyphens", name)
		case seen[lower]:
			return invalid(op, "metadata name %.60q is there twice, and OSS does not regard the case", lower)
		case !headerValue(value):
			return invalid(op, "value of metadata %.60q cannot be sent in a header", name)
		}
		seen[lower] = true
		size += len(name) + len(value)
		h[sdk.HTTPHeaderOssMetaPrefix+lower] = value
	}
	if size > maxMetadataSize {
		return invalid(op, "metadata has %d bytes, more than %d", size, maxMetadataSize)
	}
	return nil
}

func notMetadataName(r rune) bool {
	return r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
}

func addTags(op operation, h map[string]string, tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid(op, "%d tags, more than %d", len(tags), maxTags)
	}
	pairs := make([]string, 0, len(tags))
	for key, value := range tags {
		switch {
		case key == "" || len(key) > maxTagKey || !utf8.ValidString(key):
			return invalid(op, "key of tag %.60q must have 1 to %d bytes of UTF-8", key, maxTagKey)
		case len(value) > maxTagValue || !utf8.ValidString(value):
			return invalid(op, "value of tag %.60q must have at most %d bytes of UTF-8", key, maxTagValue)
		}
		pairs = append(pairs, url.QueryEscape(key)+"="+url.QueryEscape(value))
	}
	if len(pairs) > 0 {
		slices.Sort(pairs) // the same tags give the same request
		h[sdk.HTTPHeaderOssTagging] = strings.Join(pairs, "&")
	}
	return nil
}

func addEncryption(op operation, h map[string]string, e backend.Encryption) error {
	algorithms := []string{"AES256", "KMS", "SM4"}
	switch {
	case e == backend.Encryption{}:
		return nil
	case !slices.Contains(algorithms, e.Algorithm):
		return invalid(op, "encryption %.60q is none of %s", e.Algorithm, strings.Join(algorithms, ", "))
	case e.KeyID != "" && e.Algorithm != "KMS":
		return invalid(op, "encryption %s takes no key ID; only KMS does", e.Algorithm)
	case !headerValue(e.KeyID):
		return invalid(op, "encryption key ID %.60q cannot be sent in a header", e.KeyID)
	}
	h[sdk.HTTPHeaderOssServerSideEncryption] = e.Algorithm
	if e.KeyID != "" {
		h[sdk.HTTPHeaderOssServerSideEncryptionKeyID] = e.KeyID
	}
	return nil
}

// headerValue reports whether s arrives unchanged in a header. Blanks at either end would be cut off, after the signature over
// them was made.
func headerValue(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}
