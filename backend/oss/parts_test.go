package oss

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const listedParts = `<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult>
  <UploadId>U</UploadId><IsTruncated>true</IsTruncated>
  <Part>
    <PartNumber>1</PartNumber><LastModified>2012-02-23T07:01:34.000Z</LastModified><ETag>&quot;AA&quot;</ETag><Size>102400</Size>
  </Part>
  <Part><Size>5</Size><HashCrc64ecma>18446744073709551615</HashCrc64ecma><PartNumber>20</PartNumber><ETag>"BB"</ETag></Part>
</ListPartsResult>
`

// The plain form is read without package xml: otherwise nobody would see that it no longer is.
func TestCutParts(t *testing.T) {
	rest, got, ok := cutParts([]byte(listedParts))
	if !ok {
		t.Fatal("a page as OSS sends it was left to package xml")
	}
	want := []listedPart{{Number: 1, ETag: `"AA"`, Size: 102400}, {Number: 20, ETag: `"BB"`, CRC64: "18446744073709551615", Size: 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if strings.Count(string(rest), "Part>") != 2 {
		t.Errorf("the rest is %s", rest)
	}
}

// What is read here is what package xml would read.
func FuzzDecodeParts(f *testing.F) {
	f.Add([]byte(listedParts))
	for _, change := range [][2]string{
		{"<Part>", "<Owner><Part>"}, {"<Part>", "<!-- <Part>"}, {"<Part>", "<Part a='b'>"}, {"<Part>", "<Part ><PartNumber>7</PartNumber></Part><Part>"},
		{"</ListPartsResult>", ""}, {"</ListPartsResult>", "<Part><Size>1</Size></Part></ListPartsResult>"}, {"ListPartsResult>", "Other>"},
		{"</Part>", "</Part><StorageClass>Standard</StorageClass>"}, {"</Part>", "<PartNumber>9</PartNumber></Part>"}, {"</Part>", ""},
		{"<Size>", "<Size><b/>"}, {"<Size>", "<Size> "}, {"<Size>", "<Size>-"}, {"<Size>", "<Size>9999999999999999999"}, {"<Size>", "<oss:Size>"},
		{"<ETag>", "<ETag>&amp;&#34;"}, {"<ETag>", "<ETag>é"}, {"<ETag>", "<ETag>\x00"}, {"<ETag>", "<ETag>&quot"}, {"<ETag>", "<ETag>]]>"},
		{"<ListPartsResult>", "<ListPartsResult xmlns='http://doc.example.com'>"}, {"<?xml", "<!DOCTYPE x><?xml"}, {"UTF-8", "ISO-8859-1"},
		{"</PartNumber>", "</partNumber>"}, {"<PartNumber>", "<PartNumber>\n"}, {"<LastModified>", "<LastModified><PartNumber>3</PartNumber>"},
	} {
		f.Add([]byte(strings.Replace(listedParts, change[0], change[1], 1)))
		f.Add([]byte(strings.ReplaceAll(listedParts, change[0], change[1])))
	}
	f.Add([]byte(`<ListPartsResult><!-- <Part><Size>5</Size></Part> --><Part></Part></ListPartsResult>`))
	f.Add([]byte(strings.ReplaceAll(listedParts, "</Part>", `<Size>7</Size><ETag>"CC"</ETag><HashCrc64ecma>1</HashCrc64ecma><PartNumber>30</PartNumber></Part>`)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		a := &answer{header: http.Header{}, body: bytes.Clone(doc)}
		var want partsPage
		wantErr := a.decode(&want)
		got, err := a.decodeParts()
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%q: error %v, package xml says %v", doc, err, wantErr)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Errorf("%q (-xml +ours):\n%s", doc, diff)
		}
		if !bytes.Equal(a.body, doc) {
			t.Error("the answer was changed")
		}
	})
}
