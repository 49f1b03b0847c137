package checkpoint

import "bytes"

// isPlain reports whether rec is a JSON object without white space, whose values are strings of plain characters and whole numbers. The
// engine's records are. Package json takes five times as long to find them valid, which would be most of reading a long log.
func isPlain(rec []byte) bool {
	rest, ok := bytes.CutPrefix(rec, []byte("{"))
	for ok {
		if rest, ok = plainString(rest); !ok || len(rest) < 2 || rest[0] != ':' {
			return false
		}
		if rest = rest[1:]; rest[0] == '"' {
			rest, ok = plainString(rest)
		} else {
			rest, ok = wholeNumber(rest)
		}
		if !ok || len(rest) == 0 {
			return false
		}
		if rest[0] == '}' {
			return len(rest) == 1
		}
		ok, rest = rest[0] == ',', rest[1:]
	}
	return false
}

// plainString returns what follows a string that is quoted without an escape.
func plainString(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	for i, c := range b[1:] {
		switch {
		case c == '"':
			return b[i+2:], true
		case c < ' ' || c > '~' || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// wholeNumber returns what follows a whole number.
func wholeNumber(b []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return b[n:], n == 1 || n > 1 && b[0] != '0'
}
