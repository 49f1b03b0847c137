package backend

import "time"

// Attributes are what an object has beside its bytes. The zero value asks for nothing. An adapter refuses what its store
// cannot honour with [ErrInvalid]; it drops nothing silently. They are kept in the checkpoint: put no secret into them.
type Attributes struct {
	ContentType        string    `json:"content_type,omitempty"`
	CacheControl       string    `json:"cache_control,omitempty"`
	ContentDisposition string    `json:"content_disposition,omitempty"`
	ContentEncoding    string    `json:"content_encoding,omitempty"`
	ContentLanguage    string    `json:"content_language,omitempty"`
	Expires            time.Time `json:"expires,omitzero"` // the Expires header; whole seconds

	// Metadata is the user's own. Names are compared without regard to case.
	Metadata map[string]string `json:"metadata,omitempty"`

	Tags         map[string]string `json:"tags,omitempty"`
	StorageClass string            `json:"storage_class,omitempty"` // the store's name for it (OSS: Standard, IA, Archive …)
	ACL          string            `json:"acl,omitempty"`           // the store's name for it (OSS: private, public-read …)
	Encryption   Encryption        `json:"encryption,omitzero"`
}

// IsZero reports whether a asks for nothing.
func (a Attributes) IsZero() bool {
	return len(a.Metadata) == 0 && len(a.Tags) == 0 && a.Expires.IsZero() && a.Encryption == Encryption{} &&
		a.ContentType == "" && a.CacheControl == "" && a.ContentDisposition == "" && a.ContentEncoding == "" &&
		a.ContentLanguage == "" && a.StorageClass == "" && a.ACL == ""
}

// Encryption asks the store to encrypt the object at rest.
type Encryption struct {
	Algorithm string `json:"algorithm,omitempty"` // the store's name for it (OSS: AES256, KMS, SM4)
	KeyID     string `json:"key_id,omitempty"`    // names a key that the store manages; not a key
}
