package upload

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/backend"
)

// A record is one entry of an upload's log. Every record is written under a claim and counts only if that claim is the latest
// one before it.
type record struct {
	Kind  kind   `json:"kind"`
	Claim string `json:"claim"`

	// Of a claim: who made it. Of a claim and of an intent: when, and what is uploaded to where.
	Holder   string    `json:"holder,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Location text      `json:"location,omitempty"`
	Key      text      `json:"key,omitempty"`
	Source   text      `json:"source,omitempty"`
	Path     text      `json:"path,omitempty"` // of a file that can be opened again

	// Of an intent.
	Attributes *backend.Attributes `json:"attributes,omitempty"`
	IfAbsent   bool                `json:"if_absent,omitempty"`
	Absent     bool                `json:"absent,omitempty"` // there was no object when it was written
	Put        bool                `json:"put,omitempty"`    // one request, of Size bytes with CRC64

	// The upload that the record is about: of all that follow the upload's own record, so that a log which lost that one
	// to damage still knows it.
	Upload    string    `json:"upload,omitempty"`
	Initiated time.Time `json:"initiated,omitzero"`
	PartSize  int64     `json:"part_size,omitempty"`
	Request   string    `json:"request,omitempty"` // digest of the attributes that it was begun with; of a claim: that are asked

	// Of a part: its number (from 1), place, what the store answered, the CRC-64 of what was sent, and the digest of the
	// version that it was read under, empty if that proves nothing. Of completing: of the whole.
	Number  int    `json:"number,omitempty"`
	Offset  int64  `json:"offset,omitempty"`
	Size    int64  `json:"size,omitempty"`
	ETag    string `json:"etag,omitempty"`
	CRC64   hex64  `json:"crc64,omitzero"`
	Version string `json:"version,omitempty"`
}

type kind string

const (
	kindClaim      kind = "claim"      // a process goes on with the upload
	kindIntent     kind = "intent"     // before Create or Put
	kindUpload     kind = "upload"     // Create's answer
	kindPlan       kind = "plan"       // before the first part of another size: from part Number, at Offset, on they have PartSize
	kindPart       kind = "part"       // UploadPart's answer
	kindCompleting kind = "completing" // before Complete
	kindGone       kind = "gone"       // the upload is known to be gone and settled
	kindDamaged    kind = "damaged"    // the log was set aside, and records may be missing before this one; of no claim
)

// hex64 is a checksum as 16 hexadecimal digits: JSON numbers above 2⁵³ do not survive every reader. Nil is omitted.
type hex64 struct{ *uint64 }

func sumOf(crc uint64) hex64 { return hex64{&crc} }

func (h hex64) IsZero() bool { return h.uint64 == nil }

func (h hex64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", *h.uint64), nil }

func (h *hex64) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("%q is not a checksum", text)
	}
	h.uint64 = &v
	return nil
}

// text is a string that JSON keeps whatever its bytes are: the name of a file need not be UTF-8.
type text string

const inBase64 = "base64:"

func (t text) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(t)) && !strings.HasPrefix(string(t), inBase64) {
		return []byte(t), nil
	}
	return base64.StdEncoding.AppendEncode([]byte(inBase64), []byte(t)), nil
}

func (t *text) UnmarshalText(b []byte) error {
	encoded, ok := bytes.CutPrefix(b, []byte(inBase64))
	if !ok {
		*t = text(b)
		return nil
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, encoded)
	*t = text(raw)
	return err
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

// decode reads a record. It is not ok if it is none of ours, or lacks what its kind must have: a log comes from outside, and
// whoever could write to it wrote anything.
func decode(raw []byte) (r record, ok bool) {
	if json.Unmarshal(raw, &r) != nil || r.Number < 0 || r.Offset < 0 || r.Size < 0 || r.PartSize < 0 {
		return r, false
	}
	switch r.Kind {
	case kindClaim:
		return r, r.Claim != ""
	case kindIntent:
		return r, !r.Put || !r.CRC64.IsZero()
	case kindUpload, kindGone:
		return r, r.Upload != ""
	case kindPlan:
		return r, r.Upload != "" && r.Number > 0 && r.PartSize > 0
	case kindPart:
		return r, r.Upload != "" && r.Number > 0 && !r.CRC64.IsZero()
	case kindCompleting:
		return r, r.Upload != "" && !r.CRC64.IsZero()
	case kindDamaged:
		return r, true
	}
	return r, false
}

// digest is 128 bits of SHA-256 as text: enough to tell versions and requests apart, short enough for every record.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// digestOf names attributes. Those that ask for the same have the same: names of metadata have no case, and times have whole
// seconds and no zone.
func digestOf(a backend.Attributes) (string, error) {
	if !a.Expires.IsZero() {
		a.Expires = a.Expires.UTC().Truncate(time.Second)
	}
	metadata := make(map[string]string, len(a.Metadata))
	for name, value := range a.Metadata {
		metadata[strings.ToLower(name)] = value
	}
	a.Metadata = metadata
	text, err := json.Marshal(a) // map keys are sorted
	if err != nil {
		return "", fmt.Errorf("attributes: %w: %w", err, backend.ErrInvalid)
	}
	if bytes.Contains(text, []byte(`\ufffd`)) { // what JSON makes of bytes that are no text
		return "", fmt.Errorf("an attribute is not UTF-8: %w", backend.ErrInvalid)
	}
	return digest(string(text)), nil
}
