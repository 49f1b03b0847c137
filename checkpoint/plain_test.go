package checkpoint

import (
	"bytes"
	"encoding/json"
	"testing"
)

// A record of the engine is valid without package json: otherwise nobody would see that it no longer is.
func TestPlain(t *testing.T) {
	for _, rec := range []string{string(partRecord(7)), `{"a":0}`, `{"a":"","b":12}`} {
		if !isPlain([]byte(rec)) {
			t.Errorf("%s is left to package json", rec)
		}
	}
}

// What is taken for valid is so, and is one line.
func FuzzPlain(f *testing.F) {
	for _, rec := range []string{
		string(partRecord(7)), "", "{", "{}", "{,}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":01}`, `{"a":-1}`, `{"a":1.5}`, `{"a":1e5}`, `{"a":"b}`, `{"a":"\"}`,
		`{"a":"b"}}`, `{"a":"b"},`, `{"a":"b" }`, `{a:1}`, `{"a":1"b":2}`, `{"a":1;"b":2}`, `{"a"1}`, `["a"]`, `{"a":"é"}`, "{\"a\":\"\x00\"}", `{"a":{}}`, `{"a":null}`, `{"a":"b",`, "{\"a\":\"b\nc\"}",
	} {
		f.Add([]byte(rec))
	}
	f.Fuzz(func(t *testing.T, rec []byte) {
		if isPlain(rec) && (!json.Valid(rec) || bytes.ContainsAny(rec, "\r\n")) {
			t.Errorf("%q is no record, and was taken for one", rec)
		}
	})
}
