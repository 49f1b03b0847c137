package fakeoss

import (
	"net/url"
	"strings"
)

// query is the query of a request in its order. url.Values would lose the order and drop what it cannot parse.
type query []pair

type pair struct{ key, value string }

func parseQuery(raw string) (query, error) {
	var q query
	for field := range strings.SplitSeq(raw, "&") {
		if field == "" {
			continue
		}
		k, v, _ := strings.Cut(field, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, err
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, err
		}
		q = append(q, pair{key, value})
	}
	return q, nil
}

func (q query) has(key string) bool {
	for _, p := range q {
		if p.key == key {
			return true
		}
	}
	return false
}

// get returns the first value of key, empty if there is none.
func (q query) get(key string) string {
	for _, p := range q {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// escape is RFC 3986: everything but the unreserved characters is escaped, a space as %20.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// escapePath is escape, with the slashes kept.
func escapePath(s string) string { return strings.ReplaceAll(escape(s), "%2F", "/") }
