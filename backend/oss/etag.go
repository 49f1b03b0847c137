package oss

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
)

// canonicalETag returns an ETag as this package shows it: without quotes, in upper case. OSS sends it so, in quotes; the
// upper case is for what stands between.
func canonicalETag(s string) string {
	return strings.ToUpper(strings.Trim(strings.TrimSpace(s), `"`))
}

// ETag returns the ETag that OSS gives the object completed from parts: the MD5 of the parts' ETags as text, unlike S3,
// which hashes the binary digests. It returns false if there are no parts or one's ETag is no MD5.
//
// The service's pages do not describe it; the form is taken from answers recorded in its SDKs' tests.
func (b *Backend) ETag(parts []backend.Part) (string, bool) {
	if len(parts) == 0 {
		return "", false
	}
	sum := md5.New()
	for _, p := range parts {
		etag := canonicalETag(p.ETag)
		if digest, err := hex.DecodeString(etag); err != nil || len(digest) != md5.Size {
			return "", false
		}
		io.WriteString(sum, etag) // a hash never fails
	}
	return fmt.Sprintf("%X-%d", sum.Sum(nil), len(parts)), true
}
