package store

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Memory is a Store that forgets everything with the process. Names and metadata are in memory, and so are small bodies;
// what is larger, or more in sum, is in files of a temporary directory (see [spoolBody]). An object is made of the very
// bodies that were received, so that Complete copies nothing.
//
// gofakes3's own s3mem is not used: it takes an object as a stream and copies it into one slice, with an MD5 of its own on
// the way; it cannot take over a body that lies in a file; it carries metadata of an object over to the one that replaces
// it; and its lists repeat common prefixes from page to page.
type Memory struct {
	now    gofakes3.TimeSource
	limits limits
	pieces sync.Pool // of *[maxPiece]byte

	mu      sync.Mutex // guards what follows, and the references of the bodies
	buckets map[string]*memoryBucket
	held    int64  // bytes of bodies that are in memory
	dir     string // of the files; empty until there is one
}

type memoryBucket struct {
	created time.Time
	meta    string
	objects map[string]*memoryObject
	keys    []string // those of objects, sorted
}

// memoryObject is never changed once it is in a bucket.
type memoryObject struct {
	meta     map[string]string
	modified time.Time
	size     int64
	bodies   []*spoolBody
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty Memory whose bucket dates come from now.
func NewMemory(now gofakes3.TimeSource) *Memory {
	return &Memory{now: now, limits: limits{body: 1 << 20, total: 64 << 20}, buckets: map[string]*memoryBucket{}}
}

// bucket returns a bucket. m.mu is held.
func (m *Memory) bucket(name string) (*memoryBucket, error) {
	b := m.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	return b, nil
}

func (m *Memory) find(bucket, key string) (*memoryObject, error) {
	b, err := m.bucket(bucket)
	if err != nil {
		return nil, err
	}
	o := b.objects[key]
	if o == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	return o, nil
}

// Link implements [Store].
func (m *Memory) Link(bucket, key string, meta map[string]string, _ string, bodies []Body) error {
	o := &memoryObject{meta: meta, modified: m.now.Now().UTC()}
	for i, body := range bodies {
		b, ok := body.(*spoolBody)
		if !ok || b.m != m {
			return fmt.Errorf("link %s/%s: body %d is of another store (%T)", bucket, key, i, body)
		}
		if err := b.seal(); err != nil {
			return err
		}
		o.bodies = append(o.bodies, b)
		o.size += b.size
	}
	old, err := m.publish(bucket, key, o)
	if err != nil || old == nil {
		return err
	}
	// The old object's files are beyond anybody's reach now. That one of them could not be removed is not a reason to say
	// that the new object was not made: Close removes it.
	_ = m.release(old.bodies...)
	return nil
}

func (m *Memory) publish(bucket, key string, o *memoryObject) (old *memoryObject, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(bucket)
	if err != nil {
		return nil, err
	}
	if old = b.objects[key]; old == nil {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.objects[key] = o
	return old, nil
}

// SetMeta implements [Store].
func (m *Memory) SetMeta(bucket, key string, meta map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.find(bucket, key)
	if err != nil {
		return err
	}
	changed := *o
	changed.meta = meta
	m.buckets[bucket].objects[key] = &changed
	return nil
}

// HeadObject implements [gofakes3.Backend].
func (m *Memory) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.find(bucket, key)
	if err != nil {
		return nil, err
	}
	return &gofakes3.Object{Name: key, Metadata: maps.Clone(o.meta), Size: o.size, Contents: io.NopCloser(strings.NewReader(""))}, nil
}

// GetObject implements [gofakes3.Backend]. The content stays readable when the object is replaced or removed.
func (m *Memory) GetObject(bucket, key string, r *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.find(bucket, key)
	if err != nil {
		return nil, err
	}
	rng, err := r.Range(o.size)
	if err != nil {
		return nil, err
	}
	content := &spoolReader{m: m, bodies: o.bodies, all: o.bodies, left: o.size}
	if rng != nil {
		content.skip, content.left = rng.Start, rng.Length
	}
	for _, b := range o.bodies {
		b.refs++
	}
	return &gofakes3.Object{Name: key, Metadata: maps.Clone(o.meta), Size: o.size, Range: rng, Contents: content}, nil
}

// PutObject implements [gofakes3.Backend]; see putObject for what it refuses.
func (m *Memory) PutObject(bucket, key string, meta map[string]string, input io.Reader, size int64,
	conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	return gofakes3.PutObjectResult{}, putObject(m, bucket, key, meta, input, size, conditions)
}

// DeleteObject implements [gofakes3.Backend].
func (m *Memory) DeleteObject(bucket, key string) (result gofakes3.ObjectDeleteResult, err error) {
	m.mu.Lock()
	o, err := m.find(bucket, key)
	if err == nil {
		b := m.buckets[bucket]
		delete(b.objects, key)
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	m.mu.Unlock()
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return result, nil
	}
	if err != nil {
		return result, err
	}
	return result, m.release(o.bodies...)
}

// DeleteMulti implements [gofakes3.Backend].
func (m *Memory) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	return deleteMulti(m, bucket, keys)
}

// CopyObject implements [gofakes3.Backend].
func (m *Memory) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(m, srcBucket, srcKey, dstBucket, dstKey, meta)
}

// ListBucket implements [gofakes3.Backend]; see listKeys for what it refuses.
func (m *Memory) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(name)
	if err != nil {
		return nil, err
	}
	return listKeys(b.keys, prefix, page, func(key string) *gofakes3.Content {
		o := b.objects[key]
		return &gofakes3.Content{Key: key, Size: o.size, LastModified: gofakes3.NewContentTime(o.modified)}
	})
}

// ListBuckets implements [gofakes3.Backend].
func (m *Memory) ListBuckets() ([]gofakes3.BucketInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []gofakes3.BucketInfo
	for _, name := range slices.Sorted(maps.Keys(m.buckets)) {
		list = append(list, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(m.buckets[name].created)})
	}
	return list, nil
}

// BucketExists implements [gofakes3.Backend].
func (m *Memory) BucketExists(name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.buckets[name] != nil, nil
}

// CreateBucket implements [gofakes3.Backend].
func (m *Memory) CreateBucket(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	m.buckets[name] = &memoryBucket{created: m.now.Now().UTC(), objects: map[string]*memoryObject{}}
	return nil
}

// DeleteBucket implements [gofakes3.Backend].
func (m *Memory) DeleteBucket(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(name)
	if err != nil {
		return err
	}
	if len(b.keys) > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	delete(m.buckets, name)
	return nil
}

// ForceDeleteBucket implements [gofakes3.Backend].
func (m *Memory) ForceDeleteBucket(name string) error {
	m.mu.Lock()
	b, err := m.bucket(name)
	delete(m.buckets, name)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range b.objects {
		errs = append(errs, m.release(o.bodies...))
	}
	return errors.Join(errs...)
}

// BucketMeta implements [Store].
func (m *Memory) BucketMeta(bucket string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(bucket)
	if err != nil {
		return "", err
	}
	return b.meta, nil
}

// SetBucketMeta implements [Store].
func (m *Memory) SetBucketMeta(bucket, meta string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(bucket)
	if err != nil {
		return err
	}
	b.meta = meta
	return nil
}

// Uploads implements [Store].
func (m *Memory) Uploads() []Upload { return nil }

// SaveUpload implements [Store].
func (m *Memory) SaveUpload(Upload) error { return nil }

// SavePart implements [Store].
func (m *Memory) SavePart(_ string, p Part) error {
	b, ok := p.Body.(*spoolBody)
	if !ok {
		return fmt.Errorf("part %d: its body is of another store (%T)", p.Number, p.Body)
	}
	return b.seal()
}

// DropUpload implements [Store].
func (m *Memory) DropUpload(string) error { return nil }

// Close implements [Store]. It removes the temporary directory; nothing can be read any more.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buckets = map[string]*memoryBucket{}
	if m.dir == "" {
		return nil
	}
	return os.RemoveAll(m.dir)
}
