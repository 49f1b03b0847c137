package conformance

import (
	"errors"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
)

// oddKeys are keys that stores and the libraries in front of them have changed, cut or refused. They are put behind a prefix.
func (s *subject) oddKeys() []string {
	fill := func(n int) string { return strings.Repeat("k", max(n-len(s.prefix), 1)) }
	return []string{
		"plain", "white space", " leading", "trailing ", "plus+plus", "percent%", "%2F", "%252F", "a%2Fb", "q?x=1&y=2", "hash#tag", "semi;colon", "comma,@:=$!*'()~",
		"\u00e9", "e\u0301", "\U0001f30a", "\u65e5\u672c", "\u202eabc", "\ufeffbom", "trailing/", "a//b", "a///b", "d/./x", "d/../x", "d/...", ".hidden", "dot.", "~home",
		"line\nbreak", "carriage\rreturn", "tab\t", "\x01control", "nul\x00byte", "\x7f", "back\\slash", "<&>\"'", "]]>", "&amp;", "{}[]|^`", "con", "nul.txt", "aux/x",
		"case", "CASE", "a", "a/b", "uploadId=1", "notutf8\xff",
		fill(1023), fill(1024), fill(5000), strings.Repeat("s/", 300) + "x", strings.Repeat("\u65e5", 85),
	}
}

func keysAreExact(s *subject) {
	type outcome struct {
		way   string
		taken bool
	}
	for i, name := range s.oddKeys() {
		key := s.key(name)
		var first *outcome
		for j, w := range s.ways() {
			data := content(int64(i*2+j), 100)
			o, err := w.publish(key, data, backend.Attributes{}, backend.CompleteOptions{})
			now := outcome{w.name, err == nil}
			if first == nil {
				first = &now
			}
			switch {
			case err != nil && !errors.Is(err, backend.ErrInvalid):
				s.Errorf("%s of the key %.80q returned an error that is not ErrInvalid: %v", w.name, key, err)
			case now.taken != first.taken:
				s.Errorf("the key %.80q: %s takes it: %t, %s takes it: %t (%v)", key, first.way, first.taken, w.name, now.taken, err)
			case err == nil:
				s.holds("after "+w.name, key, data)
				if o.Key != key {
					s.Errorf("%s of the key %.80q returned an object with the key %.80q", w.name, key, o.Key)
				}
				if o, err := s.b.Stat(s.ctx, key); err != nil || o.Key != key {
					s.Errorf("after %s, Stat of the key %.80q returned the key %.80q and %v", w.name, key, o.Key, err)
				}
			}
		}
	}
}

func keysStayApart(s *subject) {
	taken := map[string][]byte{}
	for i, name := range s.oddKeys() {
		key, data := s.key(name), content(int64(1000+i), 100)
		_, err := s.multipart(key, data, backend.Attributes{}, backend.CompleteOptions{})
		if err == nil {
			taken[key] = data
		}
		if err != nil && !errors.Is(err, backend.ErrInvalid) {
			s.Errorf("beside others like %q, the key %.80q was refused with an error that is not ErrInvalid: %v", "a", key, err)
		}
	}
	for key, data := range taken {
		s.holds("after objects under other keys were stored,", key, data)
	}
	if len(taken) == 0 || taken[s.key("plain")] == nil {
		s.Errorf("the key %q was refused; a store must take ordinary keys", s.key("plain"))
	}
}
