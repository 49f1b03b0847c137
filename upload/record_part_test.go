package upload

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inside lets cmp look at checksums.
var inside = cmp.AllowUnexported(hex64{})

func partRecord() record {
	return record{Kind: kindPart, Claim: "C", Upload: "U", Number: 7, Offset: 600, Size: 100, ETag: "E", CRC64: sumOf(1<<64 - 1), Version: "V"}
}

// What encode makes of a part is read without package json: otherwise nobody would see that it no longer is.
func TestReaderTakesParts(t *testing.T) {
	var in reader // of all: what one shares with the one before, another does not
	for name, change := range map[string]func(*record){
		"whole":             func(*record) {},
		"the first":         func(r *record) { r.Number, r.Offset = 1, 0 },
		"empty":             func(r *record) { r.Size = 0 },
		"without ETag":      func(r *record) { r.ETag = "" },
		"without version":   func(r *record) { r.Version = "" },
		"large":             func(r *record) { r.Offset, r.Size = 48<<40, 5<<30 },
		"of another claim":  func(r *record) { r.Claim, r.Upload, r.Version = "D", "W", "X" },
		"odd, but readable": func(r *record) { r.ETag = "}{,:[" },
	} {
		r := partRecord()
		change(&r)
		raw, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, ok := in.part(raw)
			if diff := cmp.Diff(r, got, inside); !ok || diff != "" {
				t.Errorf("%s: part(%s) %t (-want +got):\n%s", name, raw, ok, diff)
			}
		}
	}
}

// What the reader takes, it takes for the same as package json does, and for a valid part.
func FuzzReader(f *testing.F) {
	r := partRecord()
	for _, etag := range []string{"E", "", `"`, `\`, "é", "\x7f", "\xff", "<&>", strings.Repeat("x", 300)} {
		r.ETag = etag
		raw, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	whole, err := partRecord().encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"number":7`, `"number":0`}, {`"number":7`, `"number":07`}, {`"number":7`, `"number":-7`}, {`"number":7`, `"number":`},
		{`"number":7`, `"number":7e1`}, {`"number":7`, `"number":99999999999999999999`}, {`"size":100`, `"size":1.5`},
		{`"upload":"U"`, `"upload":""`}, {`"upload":"U",`, ``}, {`"crc64":"ffffffffffffffff",`, ``}, {`ffffffffffffffff`, `fffffffffffffff`},
		{`ffffffffffffffff`, `FFFFFFFFFFFFFFFF`}, {`ffffffffffffffff`, `+fffffffffffffff`}, {`"E"`, `null`}, {`}`, ``}, {`}`, `}}`}, {`}`, ` }`},
		{`}`, `,"number":8}`}, {`"part"`, `"Part"`}, {`"part"`, `"gone"`}, {`{"kind"`, ` {"kind"`}, {`"claim":"C"`, `"claim":"\u0043"`},
	} {
		f.Add(bytes.Replace(whole, []byte(change[0]), []byte(change[1]), 1))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in reader
		got, ok := in.part(raw)
		if !ok {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON, and was taken", raw)
		}
		want, valid := decode(raw)
		if diff := cmp.Diff(want, got, inside); !valid || diff != "" {
			t.Errorf("%q: valid %t (-json +ours):\n%s", raw, valid, diff)
		}
	})
}
