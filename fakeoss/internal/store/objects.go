package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// Link implements [Store].
func (d *Dir) Link(bucket, key string, meta map[string]string, upload string, bodies []Body) error {
	o := &objectRecord{Bucket: bucket, Key: key, Modified: d.now.Now().UTC(), Meta: meta, Upload: upload}
	written := false
	for i, body := range bodies {
		b, ok := body.(*fileBody)
		if !ok {
			return fmt.Errorf("link %s/%s: body %d is of another store (%T)", bucket, key, i, body)
		}
		written = written || b.file != nil
		if err := b.seal(); err != nil {
			return err
		}
		o.Segments = append(o.Segments, segment{b.name, b.size})
		o.Size += b.size
	}
	if written {
		// The record must not be on the disk before the names of its data files are.
		if err := syncDir(d.path(dataDir)); err != nil {
			return err
		}
	}
	err := d.publish(o)
	if err == nil && upload != "" {
		// Before anybody can replace the object: its record is what tells Open that the upload has ended.
		err = d.DropUpload(upload)
	}
	if err != nil && d.published(o) {
		// It cannot be undone. The bodies are the object's and, since this fails, the caller's as well.
		for _, s := range o.Segments {
			d.retain(s.Name)
		}
	}
	return err
}

// publish writes the record of an object and replaces the one that is there. The record takes over a reference to each of its
// files.
func (d *Dir) publish(o *objectRecord) error {
	if ok, err := d.BucketExists(o.Bucket); err != nil {
		return err
	} else if !ok {
		return gofakes3.BucketNotFound(o.Bucket)
	}
	err := writeRecord(d.path(objectsDir, objectFile(o.Bucket, o.Key)), o)
	if err != nil && !d.onDisk(o) {
		return err
	}
	d.mu.Lock()
	b := d.buckets[o.Bucket]
	old := b.objects[o.Key]
	b.objects[o.Key] = o
	if old == nil {
		i, _ := slices.BinarySearch(b.keys, o.Key)
		b.keys = slices.Insert(b.keys, i, o.Key)
	}
	d.mu.Unlock()
	if err != nil || old == nil {
		// If syncing failed, a power cut may bring the old record back: its data stays until the next Open.
		return err
	}
	return d.release(old.files()...)
}

// files are the files of data/ that an object is made of. It holds one reference to each.
func (o *objectRecord) files() []string {
	names := make([]string, len(o.Segments))
	for i, s := range o.Segments {
		names[i] = s.Name
	}
	return names
}

// onDisk tells whether the record of o was written, though writing it gave an error.
func (d *Dir) onDisk(o *objectRecord) bool {
	var is objectRecord
	err := readRecord(d.path(objectsDir, objectFile(o.Bucket, o.Key)), &is)
	return err == nil && is.Upload == o.Upload && slices.Equal(is.Segments, o.Segments) && maps.Equal(is.Meta, o.Meta)
}

func (d *Dir) published(o *objectRecord) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.buckets[o.Bucket]
	return b != nil && b.objects[o.Key] == o
}

// SetMeta implements [Store].
func (d *Dir) SetMeta(bucket, key string, meta map[string]string) error {
	o, err := d.find(bucket, key)
	if err != nil {
		return err
	}
	changed := *o
	changed.Meta = meta
	d.retain(changed.files()...)
	err = d.publish(&changed)
	if err != nil && !d.published(&changed) {
		err = errors.Join(err, d.release(changed.files()...))
	}
	return err
}

func (d *Dir) find(bucket, key string) (*objectRecord, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.object(bucket, key)
}

// object is find with d.mu held.
func (d *Dir) object(bucket, key string) (*objectRecord, error) {
	b, err := d.bucket(bucket)
	if err != nil {
		return nil, err
	}
	o := b.objects[key]
	if o == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	return o, nil
}

// HeadObject implements [gofakes3.Backend].
func (d *Dir) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	o, err := d.find(bucket, key)
	if err != nil {
		return nil, err
	}
	return &gofakes3.Object{Name: key, Metadata: maps.Clone(o.Meta), Size: o.Size, Contents: io.NopCloser(strings.NewReader(""))}, nil
}

// GetObject implements [gofakes3.Backend]. The content stays readable when the object is replaced or removed.
func (d *Dir) GetObject(bucket, key string, r *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, err := d.object(bucket, key)
	if err != nil {
		return nil, err
	}
	rng, err := r.Range(o.Size)
	if err != nil {
		return nil, err
	}
	content := &segmentReader{d: d, segments: o.Segments, left: o.Size}
	if rng != nil {
		content.skip, content.left = rng.Start, rng.Length
	}
	for _, s := range o.Segments {
		d.refs[s.Name]++
		content.names = append(content.names, s.Name)
	}
	return &gofakes3.Object{Name: key, Metadata: maps.Clone(o.Meta), Size: o.Size, Range: rng, Contents: content}, nil
}

// PutObject implements [gofakes3.Backend]; see putObject for what it refuses.
func (d *Dir) PutObject(bucket, key string, meta map[string]string, input io.Reader, size int64,
	conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	return gofakes3.PutObjectResult{}, putObject(d, bucket, key, meta, input, size, conditions)
}

// DeleteObject implements [gofakes3.Backend].
func (d *Dir) DeleteObject(bucket, key string) (result gofakes3.ObjectDeleteResult, err error) {
	o, err := d.find(bucket, key)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return result, nil
	}
	if err != nil {
		return result, err
	}
	err = removeFile(d.path(objectsDir, objectFile(bucket, key)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result, err
	}
	d.mu.Lock()
	b := d.buckets[bucket]
	delete(b.objects, key)
	if i, ok := slices.BinarySearch(b.keys, key); ok {
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	d.mu.Unlock()
	return result, d.release(o.files()...)
}

// DeleteMulti implements [gofakes3.Backend].
func (d *Dir) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	return deleteMulti(d, bucket, keys)
}

// CopyObject implements [gofakes3.Backend].
func (d *Dir) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(d, srcBucket, srcKey, dstBucket, dstKey, meta)
}

// ListBucket implements [gofakes3.Backend]; see listKeys for what it refuses.
func (d *Dir) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.bucket(name)
	if err != nil {
		return nil, err
	}
	return listKeys(b.keys, prefix, page, func(key string) *gofakes3.Content {
		o := b.objects[key]
		return &gofakes3.Content{Key: o.Key, Size: o.Size, LastModified: gofakes3.NewContentTime(o.Modified)}
	})
}
