package store

import (
	"io"
	"os"
)

// Share implements [Store]. The files of data/ get another holder; no byte is copied.
func (d *Dir) Share(bucket, key string) ([]Body, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, err := d.object(bucket, key)
	if err != nil {
		return nil, err
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
