package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

// file is what is uploaded.
type file struct {
	path string
	crc  uint64
}

// settle is how old a file must be before it is uploaded. This library reads a younger one twice, since its time stamps prove
// nothing yet; nobody wants to know what that costs.
const settle = 3 * time.Second

// makeFiles makes the files of all scenarios, and waits until they are old enough.
func (b *bench) makeFiles(ctx context.Context, contents []content) error {
	for _, c := range contents {
		if _, ok := b.files[c]; ok {
			continue
		}
		f := file{path: filepath.Join(b.own, fmt.Sprintf("%d-%t", c.size, c.sparse))}
		if err := c.write(f.path); err != nil {
			return err
		}
		var err error
		if f.crc, err = f.read(); err != nil {
			return err
		}
		b.files[c] = f
	}
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write makes a file of random bytes, or of a hole.
func (c content) write(path string) error {
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	if c.sparse {
		err = w.Truncate(c.size)
	} else {
		_, err = io.CopyN(w, rand.NewChaCha8([32]byte{1}), c.size)
	}
	if err == nil {
		err = w.Sync() // what the system writes later would be in the way of the measurements
	}
	if e := w.Close(); err == nil {
		err = e
	}
	return err
}

// warm reads the file, so that it is in the page cache if there is room.
func (f file) warm() error {
	_, err := f.read()
	return err
}

func (f file) read() (crc uint64, err error) {
	r, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer r.Close() // it was only read
	buffer := make([]byte, mib)
	for {
		n, err := r.Read(buffer)
		crc = crc64.Update(crc, buffer[:n])
		if err == io.EOF {
			return crc, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
