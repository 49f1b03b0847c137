package store

import (
	"errors"
	"io"
	"os"

	"github.com/johannesboyne/gofakes3"
)

// Share implements [Store]. The files of data/ get another holder; no byte is copied.
func (d *Dir) Share(bucket, key string) ([]Body, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.bucket(bucket)
	if err != nil {
		return nil, err
	}
	o := b.objects[key]
	if o == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	bodies := make([]Body, len(o.Segments))
	for i, s := range o.Segments {
		d.refs[s.Name]++
		bodies[i] = &fileBody{d: d, name: s.Name, size: s.Size}
	}
	return bodies, nil
}

// Open implements [Body].
func (b *fileBody) Open() (io.ReadCloser, error) { return os.Open(b.d.path(dataDir, b.name)) }

// Share implements [Store]. It copies the bytes, since s3mem keeps its own to itself.
func (m *Memory) Share(bucket, key string) ([]Body, error) {
	o, err := m.GetObject(bucket, key, nil)
	if err != nil {
		return nil, err
	}
	b := &memoryBody{}
	_, err = io.Copy(b, o.Contents)
	if err = errors.Join(err, o.Contents.Close()); err != nil {
		return nil, err
	}
	return []Body{b}, nil
}

// Open implements [Body].
func (b *memoryBody) Open() (io.ReadCloser, error) { return io.NopCloser(b.reader()), nil }
