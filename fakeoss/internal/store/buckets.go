package store

import (
	"maps"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// ListBuckets implements [gofakes3.Backend].
func (d *Dir) ListBuckets() ([]gofakes3.BucketInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []gofakes3.BucketInfo
	for _, name := range slices.Sorted(maps.Keys(d.buckets)) {
		list = append(list, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(d.buckets[name].record.Created)})
	}
	return list, nil
}

// BucketExists implements [gofakes3.Backend].
func (d *Dir) BucketExists(name string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buckets[name] != nil, nil
}

// bucketFile is the file of a bucket. The prefix keeps "con" and "nul", which Windows takes for devices, apart.
func bucketFile(name string) string { return "b-" + name }

// CreateBucket implements [gofakes3.Backend]. The name must be one that OSS allows.
func (d *Dir) CreateBucket(name string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return gofakes3.ResourceError(gofakes3.ErrInvalidBucketName, name)
	}
	if ok, err := d.BucketExists(name); err != nil {
		return err
	} else if ok {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	b := &dirBucket{record: bucketRecord{Name: name, Created: d.now.Now().UTC()}, objects: map[string]*objectRecord{}}
	if err := writeRecord(d.path(bucketsDir, bucketFile(name)), &b.record); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buckets[name] = b
	return nil
}

// DeleteBucket implements [gofakes3.Backend].
func (d *Dir) DeleteBucket(name string) error {
	d.mu.Lock()
	b, err := d.bucket(name)
	if err == nil && len(b.keys) > 0 {
		err = gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if err := removeFile(d.path(bucketsDir, bucketFile(name))); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.buckets, name)
	return nil
}

// ForceDeleteBucket implements [gofakes3.Backend].
func (d *Dir) ForceDeleteBucket(name string) error {
	d.mu.Lock()
	b, err := d.bucket(name)
	var keys []string
	if err == nil {
		keys = slices.Clone(b.keys)
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := d.DeleteMulti(name, keys...); err != nil {
		return err
	}
	return d.DeleteBucket(name)
}

// BucketMeta implements [Store].
func (d *Dir) BucketMeta(bucket string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.bucket(bucket)
	if err != nil {
		return "", err
	}
	return b.record.Meta, nil
}

// SetBucketMeta implements [Store].
func (d *Dir) SetBucketMeta(bucket, meta string) error {
	d.mu.Lock()
	b, err := d.bucket(bucket)
	var changed bucketRecord
	if err == nil {
		changed = b.record
		changed.Meta = meta
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if err := writeRecord(d.path(bucketsDir, bucketFile(bucket)), &changed); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b.record = changed
	return nil
}
