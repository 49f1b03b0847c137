package upload

import (
	"maps"

	"github.com/tidemark-go/tidemark/backend"
)

// history is what the records of a log say, in order.
type history struct {
	key     string            // of the uploads
	claim   record            // the latest
	claims  map[string]record // all, by token
	intent  *record           // the latest; nil if there is none
	uploads []*session        // that were begun, in order
	damaged bool              // records may be missing
}

// session is one upload on the store, as the log knows it.
type session struct {
	backend.Upload
	layout     layout        // nil if not known
	request    string        // digest of its attributes; empty if not known
	parts      map[int]known // the latest of each number
	completing *record       // nil if Complete was never begun
	gone       bool
	abandoned  bool // a later intent took its place
	fresh      bool // just begun by this call: the store has nothing of it
}

// known is what a part's record says.
type known struct {
	offset, size  int64
	etag, version string
	crc           uint64
}

// newHistory reads the records of a log. If of is not nil, a record that says it is of another location, key or source is none of
// them.
func newHistory(records [][]byte, damaged bool, of *record) history {
	h := history{claims: map[string]record{}, damaged: damaged}
	if of != nil {
		h.key = string(of.Key)
	}
	list := make([]record, 0, len(records))
	var in reader
	for _, raw := range records {
		r, ok := in.read(raw)
		if ok && of != nil && (r.Kind == kindClaim || r.Kind == kindIntent) {
			ok = r.Location == of.Location && r.Key == of.Key && r.Source == of.Source
		}
		h.damaged = h.damaged || !ok || r.Kind == kindDamaged
		if ok {
			list = append(list, r)
		}
	}
	for _, r := range list {
		h.fold(r)
	}
	return h
}

// fold adds a record.
func (h *history) fold(r record) {
	if r.Kind == kindClaim {
		h.claim = r
		h.claims[r.Claim] = r
		return
	}
	// Its writer had been superseded, unless the claim is what was lost. All that a record says is held against the store and
	// the source before it is believed, so one too many does no harm.
	if r.Claim != h.claim.Claim && !h.damaged {
		return
	}
	switch r.Kind {
	case kindIntent:
		intent := r // a copy here, so that not every record that passes through is on the heap
		h.intent = &intent
		for _, s := range h.uploads {
			s.abandoned = true
		}
	case kindUpload:
		s := h.session(r)
		s.Initiated, s.request = r.Initiated, r.Request
		if r.PartSize > 0 {
			s.layout = evenly(r.PartSize)
		}
	case kindPart:
		s := h.session(r)
		s.parts[r.Number] = known{offset: r.Offset, size: r.Size, etag: r.ETag, version: r.Version, crc: *r.CRC64.uint64}
		if s.layout == nil && r.Number > 1 && r.Offset >= int64(r.Number-1) {
			s.layout = evenly(r.Offset / int64(r.Number-1))
		}
	case kindPlan:
		if s := h.session(r); s.layout != nil {
			// One that does not fit is of a log whose records were lost, and what is stored is compared anyway.
			var ok bool
			if s.layout, ok = s.layout.divided(segment{r.Number, r.Offset, r.PartSize}); ok {
				maps.DeleteFunc(s.parts, func(number int, _ known) bool { return number >= r.Number })
			}
		}
	case kindCompleting:
		completing := r
		h.session(r).completing = &completing
	case kindGone:
		h.session(r).gone = true
	}
}

// session returns the upload that r is about, also if the record that began it was lost: whoever sends parts to an upload asks
// for the attributes that it was begun with.
func (h *history) session(r record) *session {
	for _, s := range h.uploads {
		if s.ID == r.Upload {
			return s
		}
	}
	s := &session{Upload: backend.Upload{Key: h.key, ID: r.Upload}, request: h.claims[r.Claim].Request, parts: map[int]known{}}
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

// about is the latest word on what the log is for. Either of claim and intent may be lost.
func (h *history) about() record {
	if h.claim.Key == "" && h.intent != nil {
		return *h.intent
	}
	return h.claim
}

// versionOf returns the digest of the version of the source that a part of these bytes was read under, if the log proves that:
// the part that it recorded is the one that the store has, in the place that it has now.
func (s *session) versionOf(p backend.Part, crc hex64) string {
	rec, ok := s.parts[p.Number]
	if !ok || rec.size != p.Size || crc.IsZero() || rec.crc != *crc.uint64 || s.layout == nil || rec.offset != s.layout.offset(p.Number) {
		return ""
	}
	return rec.version
}
