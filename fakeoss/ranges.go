package fakeoss

import (
	"net/http"
	"strconv"
	"strings"
)

// byteRange is a part of an object that exists.
type byteRange struct{ start, length int64 }

// parseRange reads a Range header by OSS's rules, which differ from those of HTTP: a range that is malformed or reaches
// beyond the object gives the whole object (partial is false), unless the request asks for the standard behaviour. Of
// several ranges the first counts.
func parseRange(header string, size int64, standard bool) (r byteRange, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return r, false, nil
	}
	spec, _, _ = strings.Cut(spec, ",")
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return r, false, nil
	}
	unsatisfiable := &serviceError{status: http.StatusRequestedRangeNotSatisfiable, code: "InvalidRange",
		message: "The requested range cannot be satisfied."}
	unsatisfiable.with("ActualObjectSize", strconv.FormatInt(size, 10)).with("RangeRequested", header)
	unsatisfiable.set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))

	if first == "" {
		n, ok := digits(last)
		switch {
		case !ok:
			return r, false, nil
		case n == 0:
			return r, false, unsatisfiable
		case n > size && !standard || size == 0:
			return r, false, nil
		}
		n = min(n, size)
		return byteRange{size - n, n}, true, nil
	}
	start, ok := digits(first)
	if !ok {
		return r, false, nil
	}
	end := size - 1
	if last != "" {
		if end, ok = digits(last); !ok || end < start {
			return r, false, nil
		}
	}
	if start >= size {
		if standard {
			return r, false, unsatisfiable
		}
		return r, false, nil
	}
	if end >= size {
		if !standard {
			return r, false, nil
		}
		end = size - 1
	}
	return byteRange{start, end - start + 1}, true, nil
}

// digits reads a number without a sign.
func digits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil && s[0] != '+'
}
