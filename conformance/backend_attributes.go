package conformance

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/tidemark-go/tidemark/backend"
)

// wish is an attribute, asked alone.
type wish struct {
	names []string // of which an error that refuses it must have one, letters only
	value string
	attrs backend.Attributes
	got   func(a backend.Attributes) (string, bool) // what there is instead, and whether the wish is honoured
}

func text(name, value string, field func(a *backend.Attributes) *string) wish {
	w := wish{names: []string{name}, value: value, got: func(a backend.Attributes) (string, bool) { return *field(&a), *field(&a) == value }}
	*field(&w.attrs) = value
	if len(value) > 8 { // a short one may be in an error by chance
		w.names = append(w.names, letters(value))
	}
	return w
}

func wishes() []wish {
	expires := time.Date(2041, 2, 3, 4, 5, 6, 0, time.FixedZone("", 8*3600))
	metadata := map[string]string{"Author": "ann", "x-1": "a=b; c"}
	tags := map[string]string{"project": "tide mark", "a+b": "c=d"}
	return []wish{
		text("contenttype", "text/x-tidemark; charset=utf-8", func(a *backend.Attributes) *string { return &a.ContentType }),
		text("cachecontrol", "no-cache, max-age=3", func(a *backend.Attributes) *string { return &a.CacheControl }),
		text("contentdisposition", `attachment; filename="a b.txt"`, func(a *backend.Attributes) *string { return &a.ContentDisposition }),
		text("contentencoding", "identity", func(a *backend.Attributes) *string { return &a.ContentEncoding }),
		text("contentlanguage", "de", func(a *backend.Attributes) *string { return &a.ContentLanguage }),
		text("storageclass", "IA", func(a *backend.Attributes) *string { return &a.StorageClass }),
		text("acl", "public-read", func(a *backend.Attributes) *string { return &a.ACL }),
		text("encryption", "AES256", func(a *backend.Attributes) *string { return &a.Encryption.Algorithm }),
		{[]string{"expires"}, expires.String(), backend.Attributes{Expires: expires}, func(a backend.Attributes) (string, bool) {
			return a.Expires.String(), a.Expires.Unix() == expires.Unix()
		}},
		{[]string{"metadata", "author"}, pairs(metadata), backend.Attributes{Metadata: metadata}, func(a backend.Attributes) (string, bool) {
			return pairs(a.Metadata), pairs(lower(a.Metadata)) == pairs(lower(metadata))
		}},
		{[]string{"tag"}, pairs(tags), backend.Attributes{Tags: tags}, func(a backend.Attributes) (string, bool) {
			return pairs(a.Tags), pairs(a.Tags) == pairs(tags)
		}},
	}
}

func attributesEach(s *subject) {
	for _, w := range wishes() {
		name := w.names[0]
		refusedBy, takenBy := "", ""
		for _, way := range s.ways() {
			key := s.key(name + "/" + way.name)
			_, err := way.publish(key, s.bytesOf(1), w.attrs, backend.CompleteOptions{})
			if err != nil {
				refusedBy = way.name
				s.refusal(way.name, w, err)
				continue
			}
			takenBy = way.name
			_, attrs, err := s.f.Read(s.ctx, key)
			s.must("the fixture's Read", err)
			if got, ok := w.got(attrs); !ok {
				s.Errorf("%s was asked for the %s %q and returned nil; the object has %q", way.name, name, w.value, got)
			}
		}
		if refusedBy != "" && takenBy != "" {
			s.Errorf("%s takes %s, %s refuses it; an application cannot know which of them is used", takenBy, name, refusedBy)
		}
	}
}

// refusal holds that an attribute is refused as it should be. Create must do it, since an upload that cannot be completed is of
// no use.
func (s *subject) refusal(way string, w wish, err error) {
	name := w.names[0]
	if !errors.Is(err, backend.ErrInvalid) {
		s.Errorf("%s with %s returned %v; want it honoured or ErrInvalid", way, name, err)
	}
	named := false
	for _, n := range w.names {
		named = named || strings.Contains(letters(err.Error()), n)
	}
	if !named {
		s.Errorf("%s with %s returned an error that does not name it: %v", way, name, err)
	}
	if way == "Complete" {
		if u, err := s.begin(s.ctx, s.key("refused"), w.attrs); err == nil {
			s.Errorf("Create with %s returned the upload %q, which cannot be completed", name, u.ID)
		}
	}
}

// letters returns s in lower case without anything that is no letter, since a name may be written in several ways.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

func lower(m map[string]string) map[string]string {
	l := make(map[string]string, len(m))
	for k, v := range m {
		l[strings.ToLower(k)] = v
	}
	return l
}
