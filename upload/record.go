package upload

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

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
	Location string    `json:"location,omitempty"`
	Key      string    `json:"key,omitempty"`
	Source   string    `json:"source,omitempty"`
	Path     string    `json:"path,omitempty"` // of a file that can be opened again

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
	Request   string    `json:"request,omitempty"` // digest of the attributes that it was begun with

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
	kindPart       kind = "part"       // UploadPart's answer
	kindCompleting kind = "completing" // before Complete
	kindGone       kind = "gone"       // the upload is known to be gone and settled
)

// hex64 is a checksum as 16 hexadecimal digits: JSON numbers above 2⁵³ do not survive every reader. Nil is omitted.
type hex64 struct{ *uint64 }

func sumOf(crc uint64) hex64 { return hex64{&crc} }

func (h hex64) IsZero() bool { return h.uint64 == nil }

func (h hex64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", *h.uint64), nil }

func (h *hex64) UnmarshalText(text []byte) error {
	var v uint64
	if _, err := fmt.Sscanf(string(text), "%16x", &v); err != nil || len(text) != 16 {
		return fmt.Errorf("%q is not a checksum", text)
	}
	h.uint64 = &v
	return nil
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

// digest is 128 bits of SHA-256 as text: enough to tell versions and requests apart, short enough for every record.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// digestOf names attributes.
func digestOf(a backend.Attributes) (string, error) {
	text, err := json.Marshal(a) // map keys are sorted
	if err != nil {
		return "", fmt.Errorf("attributes: %w: %w", err, backend.ErrInvalid)
	}
	return digest(string(text)), nil
}

// history is what the records of a log say, in order.
type history struct {
	claim   record     // the latest
	intent  *record    // the latest; nil if there is none
	uploads []*session // that were begun, in order
	damaged bool       // records may be missing
}

// session is one upload on the store, as the log knows it.
type session struct {
	backend.Upload
	partSize   int64
	request    string         // digest of its attributes; empty if not known
	parts      map[int]record // the latest of each number
	completing *record        // nil if Complete was never begun
	gone       bool
	abandoned  bool // a later intent took its place
}

// valid says that r has what its kind must have. A log comes from outside: whoever could write to it wrote anything.
func (r record) valid() bool {
	if r.Number < 0 || r.Offset < 0 || r.Size < 0 || r.PartSize < 0 {
		return false
	}
	switch r.Kind {
	case kindClaim:
		return r.Claim != ""
	case kindIntent:
		return !r.Put || !r.CRC64.IsZero()
	case kindUpload, kindGone:
		return r.Upload != ""
	case kindPart:
		return r.Upload != "" && r.Number > 0 && !r.CRC64.IsZero()
	case kindCompleting:
		return r.Upload != "" && !r.CRC64.IsZero()
	}
	return false
}

// fold adds a record to h. A record that cannot be read, or is not one of ours, is damage.
func (h *history) fold(raw []byte) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil || !r.valid() {
		h.damaged = true
		return
	}
	if r.Kind == kindClaim {
		h.claim = r
		return
	}
	if r.Claim != h.claim.Claim {
		return // its writer had been superseded
	}
	switch r.Kind {
	case kindIntent:
		h.intent = &r
		for _, s := range h.uploads {
			s.abandoned = true
		}
	case kindUpload:
		s := h.session(r)
		s.Initiated, s.partSize, s.request = r.Initiated, r.PartSize, r.Request
	case kindPart:
		s := h.session(r)
		s.parts[r.Number] = r
		if s.partSize == 0 && r.Number > 1 {
			s.partSize = r.Offset / int64(r.Number-1)
		}
	case kindCompleting:
		h.session(r).completing = &r
	case kindGone:
		h.session(r).gone = true
	}
}

// session returns the upload that r is about, also if the record that began it was lost.
func (h *history) session(r record) *session {
	for _, s := range h.uploads {
		if s.ID == r.Upload {
			return s
		}
	}
	s := &session{Upload: backend.Upload{Key: h.claim.Key, ID: r.Upload}, parts: map[int]record{}}
	h.uploads = append(h.uploads, s)
	return s
}

// current is the upload to go on with; nil if there is none.
func (h *history) current() *session {
	if n := len(h.uploads); n > 0 {
		if s := h.uploads[n-1]; !s.gone && !s.abandoned {
			return s
		}
	}
	return nil
}

// versionOf returns the digest of the version of the source that a part of these bytes was read under, if the log proves that:
// the part that it recorded is the one that the store has, in the place that it has now.
func (s *session) versionOf(p backend.Part, crc hex64) string {
	rec, ok := s.parts[p.Number]
	if !ok || rec.Size != p.Size || rec.ETag != p.ETag || crc.IsZero() || *rec.CRC64.uint64 != *crc.uint64 ||
		rec.Offset != int64(p.Number-1)*s.partSize {
		return ""
	}
	return rec.Version
}
