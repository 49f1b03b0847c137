package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/tidemark-go/tidemark/backend"
)

// objectFlags are what the object has beside its bytes.
type objectFlags struct {
	IfAbsent           bool              `help:"Fail rather than replace an object."`
	ContentType        string            `placeholder:"TYPE" help:"Content-Type (default: by the key)."`
	CacheControl       string            `placeholder:"TEXT" help:"Cache-Control."`
	ContentDisposition string            `placeholder:"TEXT" help:"Content-Disposition."`
	ContentEncoding    string            `placeholder:"TEXT" help:"Content-Encoding."`
	ContentLanguage    string            `placeholder:"TEXT" help:"Content-Language."`
	Expires            *instant          `placeholder:"TIME" help:"Expires, as 2030-01-31T12:00:00Z or as in HTTP."`
	Meta               map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Metadata of the user's own. Repeatable."`
	Tag                map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A tag. Repeatable."`
	StorageClass       string            `placeholder:"CLASS" help:"One of ${storage_classes} (default: the bucket's)."`
	ACL                string            `name:"acl" placeholder:"ACL" help:"One of ${acls} (default: the bucket's)."`
	Encryption         string            `placeholder:"ALGORITHM" help:"Encrypt at rest: one of ${encryptions}."`
	EncryptionKeyID    string            `placeholder:"ID" help:"The key to encrypt with, for --encryption KMS: its name, not a key."`
}

// The values that OSS takes. The adapter refuses others too, but only when the upload has begun.
var (
	storageClasses = []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}
	acls           = []string{"default", "private", "public-read", "public-read-write"}
	encryptions    = []string{"AES256", "KMS", "SM4"}
)

// objectVars are what the help of objectFlags refers to.
func objectVars() kong.Vars {
	return kong.Vars{
		"storage_classes": strings.Join(storageClasses, ", "), "acls": strings.Join(acls, ", "), "encryptions": strings.Join(encryptions, ", "),
	}
}

// instant is a time on the command line.
type instant time.Time

func (t *instant) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		parsed, err = http.ParseTime(string(text))
	}
	if err != nil {
		return fmt.Errorf("%q is no time: write it as 2030-01-31T12:00:00Z", text)
	}
	*t = instant(parsed)
	return nil
}

// Validate refuses, before anything begins, what OSS does not take.
func (f *objectFlags) Validate() error {
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"--storage-class", f.StorageClass, storageClasses}, {"--acl", f.ACL, acls}, {"--encryption", f.Encryption, encryptions},
	} {
		if c.value != "" && !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("%s: %.60q is none of %s", c.flag, c.value, strings.Join(c.allowed, ", "))
		}
	}
	if f.EncryptionKeyID != "" && f.Encryption != "KMS" {
		return errors.New("--encryption-key-id needs --encryption KMS")
	}
	seen := map[string]bool{}
	for name, value := range f.Meta {
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
			return fmt.Errorf("--meta: the name %.60q must have only letters, digits and hyphens", name)
		case seen[lower]:
			return fmt.Errorf("--meta: %.60q is there twice, and OSS does not regard the case", lower)
		case strings.TrimSpace(value) != value || strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("--meta: the value of %.60q must have no control characters, and no blanks at either end", name)
		}
		seen[lower] = true
	}
	return nil
}

func (f *objectFlags) attributes() backend.Attributes {
	attrs := backend.Attributes{
		ContentType: f.ContentType, CacheControl: f.CacheControl, ContentDisposition: f.ContentDisposition,
		ContentEncoding: f.ContentEncoding, ContentLanguage: f.ContentLanguage,
		Metadata: f.Meta, Tags: f.Tag, StorageClass: f.StorageClass, ACL: f.ACL,
		Encryption: backend.Encryption{Algorithm: f.Encryption, KeyID: f.EncryptionKeyID},
	}
	if f.Expires != nil {
		attrs.Expires = time.Time(*f.Expires)
	}
	return attrs
}
