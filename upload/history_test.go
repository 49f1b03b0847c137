package upload

import (
	"testing"

	"github.com/tidemark-go/tidemark/backend"
)

// A part is trusted only if it is the one that was recorded, in the place that it has.
func TestVersionOf(t *testing.T) {
	crc, other := uint64(1), uint64(2)
	for name, c := range map[string]struct {
		part     backend.Part
		crc      hex64
		partSize int64
		want     string
	}{
		"the same":          {backend.Part{Number: 3, Size: 5}, hex64{&crc}, 5, "v"},
		"not recorded":      {backend.Part{Number: 4, Size: 5}, hex64{&crc}, 5, ""},
		"another size":      {backend.Part{Number: 3, Size: 4}, hex64{&crc}, 5, ""},
		"other bytes":       {backend.Part{Number: 3, Size: 5}, hex64{&other}, 5, ""},
		"bytes not known":   {backend.Part{Number: 3, Size: 5}, hex64{}, 5, ""},
		"another part size": {backend.Part{Number: 3, Size: 5}, hex64{&crc}, 6, ""},
	} {
		s := &session{layout: evenly(c.partSize), parts: map[int]known{3: {offset: 10, size: 5, crc: crc, version: "v"}}}
		if got := s.versionOf(c.part, c.crc); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
