package fakeoss

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// maxDelete is the number of keys that one DeleteMultipleObjects takes (its page).
const maxDelete = 1000

type deleteXML struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   string   `xml:"Quiet"`
	Objects []struct {
		Key       *string `xml:"Key"`
		VersionID string  `xml:"VersionId"`
	} `xml:"Object"`
}

type deletedXML struct {
	XMLName      xml.Name     `xml:"DeleteResult"`
	EncodingType string       `xml:"EncodingType,omitempty"`
	Deleted      []deletedKey `xml:"Deleted"`
}

type deletedKey struct {
	Key string `xml:"Key"`
}

func (c *call) deleteMultiple() (*answer, error) {
	enc, encodingType, err := c.encoding()
	if err != nil {
		return nil, err
	}
	if c.r.ContentLength < 0 {
		return nil, errMissingContentLength()
	}
	if c.r.Header.Get("Content-Md5") == "" {
		return nil, errMissingArgument("Content-MD5").withEC("0016-00000606")
	}
	keys, quiet, err := c.keysToDelete()
	if err != nil {
		return nil, err
	}
	// One key that must not be deleted keeps all of them: no answer has room for some.
	for _, key := range keys {
		if err := c.ask(PolicyRequest{AccessKeyID: c.accessKeyID, Action: actionDeleteObject, Bucket: c.target.bucket, Key: key}); err != nil {
			return nil, err
		}
	}
	err = c.effect(func() error {
		for _, key := range keys {
			if err := c.h.deleteKey(c.target.bucket, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if quiet {
		return empty(http.StatusOK), nil
	}
	out := &deletedXML{EncodingType: encodingType}
	for _, key := range keys {
		out.Deleted = append(out.Deleted, deletedKey{enc.name(key)})
	}
	return document(out)
}

// keysToDelete reads the body.
func (c *call) keysToDelete() (keys []string, quiet bool, err error) {
	var in deleteXML
	if ok, err := c.readDocument(&in); err != nil {
		return nil, false, err
	} else if !ok {
		return nil, false, errMalformedXML()
	}
	switch strings.TrimSpace(in.Quiet) {
	case "true":
		quiet = true
	case "", "false":
	default:
		return nil, false, errMalformedXML()
	}
	if len(in.Objects) == 0 {
		return nil, false, errMalformedXML().withEC("0016-00000615")
	}
	if len(in.Objects) > maxDelete {
		return nil, false, errMalformedXML()
	}
	for _, o := range in.Objects {
		switch {
		case o.Key == nil || *o.Key == "":
			return nil, false, errMalformedXML().withEC("0016-00000613")
		case o.VersionID != "" && !c.h.loose:
			return nil, false, errNotImplemented("element", "VersionId")
		case !validKey(*o.Key):
			return nil, false, errInvalidObjectName(*o.Key)
		}
		keys = append(keys, *o.Key)
	}
	return keys, quiet, nil
}

// deleteKey removes an object, if it is there.
func (h *Handler) deleteKey(bucket, key string) error {
	defer h.lockKey(bucket, key)()
	_, err := h.store.DeleteObject(bucket, key)
	return storeError(err, bucket, key)
}
