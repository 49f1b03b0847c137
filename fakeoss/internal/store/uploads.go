package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Uploads implements [Store].
func (d *Dir) Uploads() []Upload {
	found := d.uploads
	d.uploads = nil
	return found
}

// SaveUpload implements [Store].
func (d *Dir) SaveUpload(u Upload) error {
	return writeRecord(d.path(uploadsDir, u.ID), &uploadRecord{u.ID, u.Bucket, u.Key, u.Initiated, u.Meta})
}

// DropUpload implements [Store].
func (d *Dir) DropUpload(id string) error {
	err := removeFile(d.path(uploadsDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SavePart implements [Store]. All that is to be known of the part is in the name that its file gets, so that one renaming
// makes it whole.
func (d *Dir) SavePart(upload string, p Part) error {
	b, ok := p.Body.(*fileBody)
	if !ok {
		return fmt.Errorf("part %d: its body is of another store (%T)", p.Number, p.Body)
	}
	if err := b.seal(); err != nil {
		return err
	}
	name := partName(upload, p)
	if err := os.Rename(d.path(dataDir, b.name), d.path(dataDir, name)); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.refs, b.name)
	d.refs[name] = 1
	d.mu.Unlock()
	b.name = name
	return syncDir(d.path(dataDir))
}

// partName is the name of a part's file: upload ID, part number, sequence, size, MD5, CRC-64 and time (Unix seconds).
func partName(upload string, p Part) string {
	return fmt.Sprintf("%s.%d.%d.%d.%x.%016x.%d", upload, p.Number, p.Sequence, p.Body.Size(), p.MD5, p.CRC64, p.Modified.Unix())
}

// parsePartName is the inverse of partName; the Body of the part has no store yet.
func parsePartName(name string) (upload string, p Part, ok bool) {
	f := strings.Split(name, ".")
	if len(f) != 7 || f[0] == "" {
		return "", p, false
	}
	number, err1 := strconv.Atoi(f[1])
	sequence, err2 := strconv.ParseUint(f[2], 10, 64)
	size, err3 := strconv.ParseInt(f[3], 10, 64)
	sum, err4 := hex.DecodeString(f[4])
	crc, err5 := strconv.ParseUint(f[5], 16, 64)
	seconds, err6 := strconv.ParseInt(f[6], 10, 64)
	if errors.Join(err1, err2, err3, err4, err5, err6) != nil || len(sum) != len(p.MD5) || number < 1 || size < 0 {
		return "", p, false
	}
	p = Part{Number: number, Sequence: sequence, CRC64: crc, Modified: time.Unix(seconds, 0).UTC(),
		Body: &fileBody{name: name, size: size}}
	copy(p.MD5[:], sum)
	return f[0], p, true
}
