package fakeoss

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// maxPartNumber is the highest part number (the page "Limits").
const maxPartNumber = 10000

func (c *call) initiate() (*answer, error) {
	m, err := c.newMeta()
	if err != nil {
		return nil, err
	}
	if _, _, err := c.encoding(); err != nil {
		return nil, err
	}
	if err := c.forbidOverwrite(); err != nil {
		return nil, err
	}
	up := &upload{id: randomHex(16), bucket: c.target.bucket, key: c.target.key, parts: map[int]*part{},
		initiated: c.h.now().UTC().Truncate(time.Second), meta: uploadMeta{Object: m, Sequential: c.query.has("sequential")}}
	meta, err := json.Marshal(&up.meta)
	if err != nil {
		return nil, err
	}
	err = c.effect(func() error {
		c.h.buckets.RLock()
		defer c.h.buckets.RUnlock()
		if ok, err := c.h.store.BucketExists(up.bucket); err != nil {
			return err
		} else if !ok {
			return errNoSuchBucket(up.bucket)
		}
		err := c.h.store.SaveUpload(store.Upload{ID: up.id, Bucket: up.bucket, Key: up.key, Meta: string(meta), Initiated: up.initiated})
		if err == nil {
			c.h.uploads.add(up)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.entry.upload(up.id)
	enc, encodingType, _ := c.encoding()
	a, err := document(&struct {
		XMLName      xml.Name `xml:"InitiateMultipartUploadResult"`
		EncodingType string   `xml:"EncodingType,omitempty"`
		Bucket       string   `xml:"Bucket"`
		Key          string   `xml:"Key"`
		UploadID     string   `xml:"UploadId"`
	}{EncodingType: encodingType, Bucket: up.bucket, Key: enc.name(up.key), UploadID: up.id})
	if v := m.Header["x-oss-server-side-encryption"]; v != "" && err == nil {
		a.set("x-oss-server-side-encryption", v)
	}
	return a, err
}

func (c *call) uploadPart() (*answer, error) {
	number, err := c.partNumber()
	if err != nil {
		return nil, err
	}
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), ecNoSuchUploadPart)
	if err != nil {
		return nil, err
	}
	in, err := c.receive(maxPart)
	if err != nil {
		return nil, err
	}
	p := &part{store.Part{Number: number, MD5: in.md5, CRC64: in.crc, Body: in.Body}}
	err = c.effect(func() error { return c.h.addPart(up, p, ecNoSuchUploadPart) })
	if err != nil {
		c.h.discard(in.Body)
		return nil, err
	}
	a := empty(http.StatusOK)
	up.writeEncryption(a)
	return a.
		set("ETag", `"`+p.etag()+`"`).
		set("Content-MD5", base64.StdEncoding.EncodeToString(p.MD5[:])).
		set("x-oss-hash-crc64ecma", strconv.FormatUint(p.CRC64, 10)), nil
}

// partNumber reads the number of a part, and refuses what both operations that make one refuse.
func (c *call) partNumber() (int, error) {
	v := c.query.get("partNumber")
	number, err := strconv.Atoi(v)
	if err != nil || number < 1 || number > maxPartNumber {
		return 0, errInvalidArgument("PartNumber", v, "Part number must be an integer between 1 and 10000, inclusive.").withEC("0017-00000220")
	}
	if v := c.r.Header.Get("X-Oss-Server-Side-Encryption"); v != "" {
		return 0, errInvalidArgument("x-oss-server-side-encryption", v, "The encryption is set by InitiateMultipartUpload.")
	}
	return number, nil
}

// addPart makes p a part of the upload; ec is the detail code of its being over. The store has it before the upload is locked, so that parts wait for the disk side
// by side; a part that finds the upload over, or a newer one of its number, is discarded by the caller or here.
func (h *Handler) addPart(up *upload, p *part, ec string) error {
	if up.meta.Sequential {
		return h.addSequential(up, p, ec)
	}
	p.Sequence = h.uploads.nextSequence()
	p.Modified = h.now().UTC().Truncate(time.Second)
	if err := up.lock(ec); err != nil {
		return err
	}
	up.mu.Unlock()
	if err := h.store.SavePart(up.id, p.Part); err != nil {
		return err
	}
	if err := up.lock(ec); err != nil {
		return err
	}
	defer up.mu.Unlock()
	old := up.parts[p.Number]
	switch {
	case old == nil:
		up.parts[p.Number] = p
	case old.Sequence > p.Sequence:
		h.discard(p.Body) // both were acknowledged, or will be; the newer one replaced this one at once
	default:
		up.parts[p.Number] = p
		h.discard(old.Body)
	}
	return nil
}

// addSequential takes only the next part: the upload stays locked while it is stored.
func (h *Handler) addSequential(up *upload, p *part, ec string) error {
	if err := up.lock(ec); err != nil {
		return err
	}
	defer up.mu.Unlock()
	if old := up.parts[p.Number]; old != nil {
		e := &serviceError{status: http.StatusConflict, code: "PartAlreadyExist", ec: "0042-00000108",
			message: "The part you uploaded already exists."}
		return e.with("PartNumber", strconv.Itoa(p.Number)).with("PartEtag", old.etag())
	}
	if p.Number != len(up.parts)+1 {
		return errBadRequest("PartNotSequential", "The part you uploaded is not sequential.").
			with("PartNumber", strconv.Itoa(p.Number))
	}
	p.Sequence = h.uploads.nextSequence()
	p.Modified = h.now().UTC().Truncate(time.Second)
	if err := h.store.SavePart(up.id, p.Part); err != nil {
		return err
	}
	up.parts[p.Number] = p
	return nil
}

func (c *call) abort() (*answer, error) {
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), ecNoSuchUpload)
	if err != nil {
		return nil, err
	}
	err = c.effect(func() error {
		if err := up.lock(ecNoSuchUpload); err != nil {
			return err
		}
		defer up.mu.Unlock()
		if err := c.h.store.DropUpload(up.id); err != nil {
			return err
		}
		c.h.endUpload(up, nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return empty(http.StatusNoContent), nil
}
