package fakeoss

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// maxDepth bounds the nesting of a document; those of the service go no deeper than four elements.
const maxDepth = 16

var errNotPlain = errors.New("xml: too deep, or more than elements and text")

// decodeDocument reads the one element that b must be into v. What no client of the service sends is refused before it
// costs anything: nesting beyond maxDepth, a document type (and with it entities of the document's own, which the decoder
// would not expand anyway), and anything but white space and comments behind the root.
func decodeDocument(b []byte, v any) error {
	g := &xmlGuard{d: xml.NewDecoder(bytes.NewReader(b))}
	if err := xml.NewTokenDecoder(g).Decode(v); err != nil {
		return err
	}
	for {
		t, err := g.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.Comment:
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errNotPlain
			}
		default:
			return errNotPlain
		}
	}
}

// xmlGuard is an [xml.TokenReader] that ends with an error at what is refused.
type xmlGuard struct {
	d     *xml.Decoder
	depth int
}

// Token implements [xml.TokenReader].
func (g *xmlGuard) Token() (xml.Token, error) {
	t, err := g.d.RawToken()
	switch t.(type) {
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, errNotPlain
		}
	case xml.EndElement:
		g.depth--
	case xml.Directive:
		return nil, errNotPlain
	}
	return t, err
}
