package oss

import (
	"bytes"
	"encoding/xml"
	"strconv"
)

// partsPage is a page of ListParts.
type partsPage struct {
	XMLName     xml.Name     `xml:"ListPartsResult"`
	IsTruncated bool         `xml:"IsTruncated"`
	Parts       []listedPart `xml:"Part"`
}

type listedPart struct {
	Number int    `xml:"PartNumber"`
	ETag   string `xml:"ETag"`
	CRC64  string `xml:"HashCrc64ecma"`
	Size   int64  `xml:"Size"`
}

// decodeParts reads a page. Package xml takes some 10 ms for 1000 parts, so that an upload of 10,000 would be resumed only after
// a tenth of a second or more of computing. The parts, which are nearly all of the page, are therefore read here in the plain
// form that OSS gives them, and the rest by package xml. A page of any other form is left to package xml as a whole.
func (a *answer) decodeParts() (page partsPage, err error) {
	if rest, parts, ok := cutParts(a.body); ok {
		// Where the parts were is one empty part now: if it is the only one, and counts as a part, then they did.
		if (&answer{header: a.header, body: rest}).decode(&page) == nil && len(page.Parts) == 1 && page.Parts[0] == (listedPart{}) {
			page.Parts = parts
			return page, nil
		}
		page = partsPage{}
	}
	err = a.decode(&page)
	return page, err
}

const (
	partStart = "<Part>"
	partEnd   = "</Part>"
)

// cutParts takes the parts that follow one another out of a page, and leaves an empty one in their place. It is not ok if there is
// none, or if one is anything but a row of elements that have a name and a text of plain characters. Of two with the same name the last counts, as it does in package xml.
func cutParts(doc []byte) (rest []byte, parts []listedPart, ok bool) {
	start := bytes.Index(doc, []byte(partStart))
	if start < 0 || bytes.Contains(doc, []byte("<!")) {
		return nil, nil, false // a comment or a CDATA section may have what only looks like a part
	}
	in := scanner{doc[start:]}
	for in.skip(partStart) {
		part, ok := in.part()
		if !ok {
			return nil, nil, false
		}
		parts = append(parts, part)
		in.space()
	}
	rest = bytes.Join([][]byte{doc[:start], in.rest}, []byte(partStart+partEnd))
	return rest, parts, true
}

// scanner reads what is left of a document.
type scanner struct{ rest []byte }

// part reads a part behind its start tag, with its end tag.
func (s *scanner) part() (p listedPart, ok bool) {
	for s.space(); !s.skip(partEnd); s.space() {
		name, text, ok := s.element()
		if !ok {
			return p, false
		}
		switch string(name) {
		case "PartNumber":
			var n int64
			n, ok = number(text)
			p.Number = int(n)
		case "Size":
			p.Size, ok = number(text)
		case "ETag":
			p.ETag = string(bytes.ReplaceAll(text, []byte("&quot;"), []byte{'"'}))
		case "HashCrc64ecma":
			p.CRC64 = string(text)
		}
		if !ok {
			return p, false
		}
	}
	return p, true
}

// element reads an element without attributes, whose text has no markup and no entity but that of the quote.
func (s *scanner) element() (name, text []byte, ok bool) {
	if !s.skip("<") {
		return nil, nil, false
	}
	n := bytes.IndexByte(s.rest, '>')
	if n <= 0 {
		return nil, nil, false
	}
	for i, c := range s.rest[:n] {
		if letter := 'a' <= c|' ' && c|' ' <= 'z'; !letter && (i == 0 || c < '0' || c > '9') {
			return nil, nil, false
		}
	}
	name, s.rest = s.rest[:n], s.rest[n+1:]
	n = bytes.IndexByte(s.rest, '<')
	if n < 0 {
		return nil, nil, false
	}
	text, s.rest = s.rest[:n], s.rest[n:]
	for i, c := range text {
		if c < ' ' || c > '~' || c == '>' || c == '&' && !bytes.HasPrefix(text[i:], []byte("&quot;")) {
			return nil, nil, false
		}
	}
	return name, text, s.skip("</") && s.skip(string(name)) && s.skip(">")
}

// skip goes past what the rest begins with, if it does.
func (s *scanner) skip(what string) bool {
	rest, ok := bytes.CutPrefix(s.rest, []byte(what))
	s.rest = rest
	return ok
}

// space goes past white space.
func (s *scanner) space() { s.rest = bytes.TrimLeft(s.rest, " \t\r\n") }

// number reads a number of up to 18 digits and nothing else.
func number(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 18 || len(bytes.Trim(text, "0123456789")) > 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
