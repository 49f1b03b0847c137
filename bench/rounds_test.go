package main

import (
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/bench/internal/discard"
)

func TestVerify(t *testing.T) {
	sc := small(3)
	f := file{crc: 7}
	whole := discard.Object{Key: "key", Parts: 3, Size: 3*smallPart - 1, CRC64: 7}
	for name, test := range map[string]struct {
		change func(*discard.Object)
		want   string // empty: no error
	}{
		"whole":            {func(*discard.Object) {}, ""},
		"a byte less":      {func(o *discard.Object) { o.Size-- }, "bytes in"},
		"larger parts":     {func(o *discard.Object) { o.Parts = 2 }, "in 2 parts"},
		"other content":    {func(o *discard.Object) { o.CRC64 = 8 }, "CRC-64"},
		"another's object": {func(o *discard.Object) { o.Key = "other" }, "no object"},
	} {
		t.Run(name, func(t *testing.T) {
			o := whole
			test.change(&o)
			err := verify(discard.State{Objects: []discard.Object{o}}, sc, "key", "client", f)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, not one with %q", err, test.want)
			}
		})
	}
}
