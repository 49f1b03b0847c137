package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// recover reads the directory, and finishes or undoes what a crash has interrupted.
func (d *Dir) recover() error {
	if err := d.readBuckets(); err != nil {
		return err
	}
	ended, err := d.readObjects()
	if err != nil {
		return err
	}
	uploads, err := d.readUploads(ended)
	if err != nil {
		return err
	}
	if err := d.readData(uploads); err != nil {
		return err
	}
	for _, u := range uploads {
		d.uploads = append(d.uploads, *u)
	}
	return nil
}

// names returns the files of a directory, and removes temporary ones.
func (d *Dir) names(dir string) ([]string, error) {
	entries, err := os.ReadDir(d.path(dir))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.Remove(d.path(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

func (d *Dir) readBuckets() error {
	names, err := d.names(bucketsDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		b := &dirBucket{objects: map[string]*objectRecord{}}
		if err := readRecord(d.path(bucketsDir, name), &b.record); err != nil {
			return err
		}
		d.buckets[b.record.Name] = b
	}
	return nil
}

// readObjects returns the uploads that the objects have ended.
func (d *Dir) readObjects() (ended map[string]bool, err error) {
	names, err := d.names(objectsDir)
	if err != nil {
		return nil, err
	}
	ended = map[string]bool{}
	for _, name := range names {
		o := &objectRecord{}
		if err := readRecord(d.path(objectsDir, name), o); err != nil {
			return nil, err
		}
		b := d.buckets[o.Bucket]
		if b == nil || name != objectFile(o.Bucket, o.Key) {
			return nil, fmt.Errorf("%s: %w: names bucket %q and key %q", d.path(objectsDir, name), errDamaged, o.Bucket, o.Key)
		}
		for _, s := range o.Segments {
			if err := d.checkSize(s); err != nil {
				return nil, fmt.Errorf("object %s/%s: %w", o.Bucket, o.Key, err)
			}
			d.refs[s.Name]++
		}
		b.objects[o.Key] = o
		b.keys = append(b.keys, o.Key)
		if o.Upload != "" {
			ended[o.Upload] = true
		}
	}
	for _, b := range d.buckets {
		slices.Sort(b.keys)
	}
	return ended, nil
}

func (d *Dir) checkSize(s segment) error {
	info, err := os.Stat(d.path(dataDir, s.Name))
	if err == nil && info.Size() != s.Size {
		err = fmt.Errorf("%s: %d bytes, want %d", s.Name, info.Size(), s.Size)
	}
	return err
}

func (d *Dir) readUploads(ended map[string]bool) (map[string]*Upload, error) {
	names, err := d.names(uploadsDir)
	if err != nil {
		return nil, err
	}
	uploads := map[string]*Upload{}
	for _, name := range names {
		var r uploadRecord
		if err := readRecord(d.path(uploadsDir, name), &r); err != nil {
			return nil, err
		}
		if ended[r.ID] || d.buckets[r.Bucket] == nil {
			if err := d.DropUpload(name); err != nil {
				return nil, err
			}
			continue
		}
		uploads[r.ID] = &Upload{ID: r.ID, Bucket: r.Bucket, Key: r.Key, Meta: r.Meta, Initiated: r.Initiated}
	}
	return uploads, nil
}

// readData gives the parts to their uploads, and removes what nothing needs.
func (d *Dir) readData(uploads map[string]*Upload) error {
	names, err := d.names(dataDir)
	if err != nil {
		return err
	}
	latest := map[string]map[int]Part{}
	var unused []string
	for _, name := range names {
		if d.refs[name] > 0 {
			continue // of an object
		}
		id, p, ok := parsePartName(name)
		if !ok || uploads[id] == nil || d.checkSize(segment{name, p.Body.Size()}) != nil {
			unused = append(unused, name)
			continue
		}
		p.Body.(*fileBody).d = d
		if latest[id] == nil {
			latest[id] = map[int]Part{}
		}
		old, twice := latest[id][p.Number]
		switch {
		case !twice:
			latest[id][p.Number] = p
		case old.Sequence < p.Sequence:
			latest[id][p.Number] = p
			unused = append(unused, old.Body.(*fileBody).name)
		default:
			unused = append(unused, name)
		}
	}
	for id, parts := range latest {
		for _, p := range parts {
			d.refs[p.Body.(*fileBody).name] = 1
			uploads[id].Parts = append(uploads[id].Parts, p)
		}
		slices.SortFunc(uploads[id].Parts, func(x, y Part) int { return x.Number - y.Number })
	}
	for _, name := range unused {
		if err := os.Remove(d.path(dataDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
