package fakeoss

import (
	"encoding/xml"
	"strconv"
	"strings"
)

type partXML struct {
	PartNumber    int    `xml:"PartNumber"`
	LastModified  string `xml:"LastModified"`
	ETag          string `xml:"ETag"`
	HashCrc64ecma uint64 `xml:"HashCrc64ecma"`
	Size          int64  `xml:"Size"`
}

type partsXML struct {
	XMLName              xml.Name  `xml:"ListPartsResult"`
	EncodingType         string    `xml:"EncodingType,omitempty"`
	Bucket               string    `xml:"Bucket"`
	Key                  string    `xml:"Key"`
	UploadID             string    `xml:"UploadId"`
	StorageClass         string    `xml:"StorageClass"`
	PartNumberMarker     int       `xml:"PartNumberMarker"`
	NextPartNumberMarker int       `xml:"NextPartNumberMarker"`
	MaxParts             int       `xml:"MaxParts"`
	IsTruncated          bool      `xml:"IsTruncated"`
	Parts                []partXML `xml:"Part"`
}

func (c *call) listParts() (*answer, error) {
	enc, encodingType, err := c.encoding()
	if err != nil {
		return nil, err
	}
	limit, err := c.limit("max-parts", 1000, 1000)
	if err != nil {
		return nil, err
	}
	marker := 0
	if v := c.query.get("part-number-marker"); v != "" {
		if marker, err = strconv.Atoi(v); err != nil || marker < 0 || marker > maxPartNumber {
			return nil, errInvalidArgument("part-number-marker", v, "The marker must be an integer between 0 and 10000.")
		}
	}
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), ecNoSuchUpload)
	if err != nil {
		return nil, err
	}
	if err := up.lock(ecNoSuchUpload); err != nil {
		return nil, err
	}
	parts := up.sorted()
	up.mu.Unlock()

	out := &partsXML{EncodingType: encodingType, Bucket: up.bucket, Key: enc.name(up.key), UploadID: up.id,
		StorageClass: up.meta.Object.Header["x-oss-storage-class"], PartNumberMarker: marker, MaxParts: limit}
	for _, p := range parts {
		if p.Number <= marker {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = true
			break
		}
		out.Parts = append(out.Parts, partXML{PartNumber: p.Number, LastModified: xmlTime(p.Modified), ETag: `"` + p.etag() + `"`,
			HashCrc64ecma: p.CRC64, Size: p.Body.Size()})
		// The last part listed, also on the last page: clients must page on IsTruncated.
		out.NextPartNumberMarker = p.Number
	}
	return document(out)
}

type uploadXML struct {
	Key          string `xml:"Key"`
	UploadID     string `xml:"UploadId"`
	StorageClass string `xml:"StorageClass"`
	Initiated    string `xml:"Initiated"`
}

type uploadsXML struct {
	XMLName            xml.Name    `xml:"ListMultipartUploadsResult"`
	EncodingType       string      `xml:"EncodingType,omitempty"`
	Bucket             string      `xml:"Bucket"`
	KeyMarker          string      `xml:"KeyMarker"`
	UploadIDMarker     string      `xml:"UploadIdMarker"`
	NextKeyMarker      string      `xml:"NextKeyMarker"`
	NextUploadIDMarker string      `xml:"NextUploadIdMarker"`
	Delimiter          string      `xml:"Delimiter"`
	Prefix             string      `xml:"Prefix"`
	MaxUploads         int         `xml:"MaxUploads"`
	IsTruncated        bool        `xml:"IsTruncated"`
	Uploads            []uploadXML `xml:"Upload"`
	Prefixes           []prefixXML `xml:"CommonPrefixes"`
}

func (c *call) listMultipartUploads() (*answer, error) {
	enc, encodingType, err := c.encoding()
	if err != nil {
		return nil, err
	}
	limit, err := c.limit("max-uploads", 1000, 1000)
	if err != nil {
		return nil, err
	}
	l := listing{prefix: c.query.get("prefix"), delimiter: c.query.get("delimiter"), after: c.query.get("key-marker")}
	idMarker := c.query.get("upload-id-marker")
	out := &uploadsXML{EncodingType: encodingType, Bucket: c.target.bucket, KeyMarker: enc.name(l.after), UploadIDMarker: idMarker,
		Delimiter: enc.name(l.delimiter), Prefix: enc.name(l.prefix), MaxUploads: limit}
	current := ""
	if g, ok := l.groupOf(l.after); ok && g == l.after {
		current = g
	}
	for _, up := range c.h.uploads.list(c.target.bucket, l.prefix) {
		// With a key marker alone the uploads of that key are skipped; with both, those up to the ID. An ID alone is ignored.
		if l.after != "" {
			if d := strings.Compare(up.key, l.after); d < 0 || d == 0 && (idMarker == "" || up.id <= idMarker) {
				continue
			}
		}
		g, grouped := l.groupOf(up.key)
		if grouped && g == current {
			continue
		}
		if len(out.Uploads)+len(out.Prefixes) == limit {
			out.IsTruncated = true
			break
		}
		if grouped {
			current = g
			out.Prefixes = append(out.Prefixes, prefixXML{enc.name(g)})
			out.NextKeyMarker, out.NextUploadIDMarker = enc.name(g), ""
			continue
		}
		out.Uploads = append(out.Uploads, uploadXML{Key: enc.name(up.key), UploadID: up.id,
			StorageClass: up.meta.Object.Header["x-oss-storage-class"], Initiated: xmlTime(up.initiated)})
		out.NextKeyMarker, out.NextUploadIDMarker = enc.name(up.key), up.id
	}
	return document(out)
}
