package store

import (
	"errors"
	"io"
	"os"
)

// fileBody is a Body in a file of data/. Whoever holds it holds one reference to the file.
type fileBody struct {
	d    *Dir
	name string
	size int64
	file *os.File // while it is being written
}

// Spool implements [Store].
func (d *Dir) Spool() (Body, error) {
	name := "body." + randomName()
	f, err := os.OpenFile(d.path(dataDir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	d.retain(name)
	return &fileBody{d: d, name: name, file: f}, nil
}

func (b *fileBody) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	b.size += int64(n)
	return n, err
}

func (b *fileBody) Size() int64 { return b.size }

func (b *fileBody) Discard() error {
	var err error
	if b.file != nil {
		err = b.file.Close()
		b.file = nil
	}
	return errors.Join(err, b.d.release(b.name))
}

// seal ends the writing; the bytes are on the disk then, if not yet their name.
func (b *fileBody) seal() error {
	if b.file == nil {
		return nil
	}
	err := errors.Join(b.file.Sync(), b.file.Close())
	b.file = nil
	return err
}

func (d *Dir) retain(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.refs[name]++
	}
}

// release gives a reference back, and removes the file with the last one. A file that a crash keeps from being removed is
// found by Open, so there is no need to wait for the disk.
func (d *Dir) release(names ...string) error {
	d.mu.Lock()
	var unused []string
	for _, name := range names {
		if d.refs[name]--; d.refs[name] <= 0 {
			delete(d.refs, name)
			unused = append(unused, name)
		}
	}
	d.mu.Unlock()
	var errs []error
	for _, name := range unused {
		errs = append(errs, os.Remove(d.path(dataDir, name)))
	}
	return errors.Join(errs...)
}

// segmentReader reads a range of an object. It opens one file at a time, and holds references to all of them.
type segmentReader struct {
	d        *Dir
	segments []segment // the current one first
	names    []string  // to be released
	skip     int64     // to the start of the range, from the start of the current segment
	left     int64
	file     *os.File
}

func (r *segmentReader) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.file == nil {
			if len(r.segments) == 0 {
				return 0, io.ErrUnexpectedEOF
			}
			if r.skip >= r.segments[0].Size {
				r.skip -= r.segments[0].Size
				r.segments = r.segments[1:]
				continue
			}
			f, err := os.Open(r.d.path(dataDir, r.segments[0].Name))
			if err != nil {
				return 0, err
			}
			r.file = f
		}
		room := min(int64(len(p)), r.left, r.segments[0].Size-r.skip)
		n, err := r.file.ReadAt(p[:room], r.skip)
		r.skip += int64(n)
		r.left -= int64(n)
		if r.skip == r.segments[0].Size {
			err = r.next()
		}
		if n > 0 || err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // a file that is shorter than its record says
			}
			return n, err
		}
	}
}

// next closes the current file and goes on to the one after it.
func (r *segmentReader) next() error {
	err := r.file.Close()
	r.file, r.skip, r.segments = nil, 0, r.segments[1:]
	return err
}

func (r *segmentReader) Close() error {
	var err error
	if r.file != nil {
		err = r.file.Close()
		r.file = nil
	}
	names := r.names
	r.names, r.left = nil, 0
	return errors.Join(err, r.d.release(names...))
}
