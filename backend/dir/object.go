package dir

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// Stat implements [backend.MultipartBackend].
func (b *Backend) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	var info fs.FileInfo
	err := checkKey(key)
	if err == nil {
		info, err = b.look(key)
	}
	if errors.Is(err, backend.ErrInvalid) || err == nil && info == nil {
		return backend.Object{}, fmt.Errorf("%q: %w", key, backend.ErrNotFound)
	}
	if err != nil {
		return backend.Object{}, err
	}
	text, err := b.root.ReadFile(sumName(key, info))
	if errors.Is(err, fs.ErrNotExist) {
		if now, lerr := b.root.Lstat(key); lerr == nil && sumName(key, now) != sumName(key, info) {
			return b.Stat(ctx, key) // it was replaced meanwhile, and its CRC-64 removed
		}
	} else if err != nil {
		return backend.Object{}, sorted(err)
	}
	crc, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return describe(key, info, nil), nil
	}
	return describe(key, info, &crc), nil
}

// Put implements [backend.Putter].
func (b *Backend) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	old, err := b.accept(key, attrs, size)
	if err == nil && old != nil && opts.IfAbsent {
		err = fmt.Errorf("%q: %w", key, backend.ErrExists)
	}
	if err != nil {
		return backend.Object{}, err
	}
	folder := path.Join(uploads, rand.Text()) // without a token: no upload
	if err := b.root.Mkdir(folder, 0o700); err != nil {
		return backend.Object{}, sorted(err)
	}
	defer b.root.RemoveAll(folder) // else New does, one day
	var crc uint64
	draft := path.Join(folder, "object")
	err = b.create(draft, func(f *os.File) error {
		crc, err = receive(ctx, f, body, size)
		return err
	})
	if err != nil {
		return backend.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	info, sum, err := b.remember(key, draft, crc)
	if err != nil {
		return backend.Object{}, err
	}
	if err := b.publish(draft, key, opts.IfAbsent); err != nil {
		if noEffect(err) {
			b.forget(sum)
		}
		return backend.Object{}, err
	}
	if err := b.sync(above(key)...); err != nil {
		return backend.Object{}, fmt.Errorf("%q is there, but may not be durable: %w", key, err)
	}
	b.forgetOld(key, old, info)
	return describe(key, info, &crc), nil
}

// describe makes an object of a file. Where the CRC-64 is not known, the ETag is of what the file system knows.
func describe(key string, info fs.FileInfo, crc *uint64) backend.Object {
	o := backend.Object{Key: key, Size: info.Size(), CRC64: crc, Modified: info.ModTime()}
	if crc != nil {
		o.ETag = etag(*crc, o.Size)
	} else {
		o.ETag = fmt.Sprintf("weak-%x-%x", o.Modified.UnixNano(), o.Size)
	}
	return o
}

func etag(crc uint64, size int64) string { return fmt.Sprintf("%016x-%x", crc, size) }

// sumName is where the CRC-64 of an object is kept. The name holds for one key, size and modification time, so that it can be
// written before the object is published, does not touch what is known of the object that is replaced, and does not speak for a file
// that somebody edited.
func sumName(key string, info fs.FileInfo) string {
	id := fmt.Sprintf("%d %d %s", info.Size(), info.ModTime().UnixNano(), key)
	return path.Join(sums, fmt.Sprintf("%x", sha256.Sum256([]byte(id))))
}

// remember keeps the CRC-64 of a file that is about to be published under key.
func (b *Backend) remember(key, file string, crc uint64) (info fs.FileInfo, sum string, err error) {
	for step := time.Microsecond; ; step *= 2 {
		if info, err = b.root.Lstat(file); err != nil {
			return nil, "", sorted(err)
		}
		sum = sumName(key, info)
		f, err := b.root.OpenFile(sum, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(f, "%016x", crc)
			err = errors.Join(err, f.Close()) // not synced: after a power cut it may be unknown
		}
		if !errors.Is(err, fs.ErrExist) || step > time.Minute {
			return info, sum, sorted(err)
		}
		// Another object of this key and size has the same time, since a file system's clock ticks slowly. Make them differ.
		next := info.ModTime().Add(step)
		err = b.root.Chtimes(file, next, next)
		if err == nil {
			err = b.sync(file) // else a power cut may give it the time of the other object back, and so the other's CRC-64
		}
		if err != nil {
			return nil, "", sorted(err)
		}
	}
}

// forget removes a CRC-64. One that stays says nothing wrong, and takes 16 bytes.
func (b *Backend) forget(sum string) { b.root.Remove(sum) }

// forgetOld removes the CRC-64 of an object that was replaced.
func (b *Backend) forgetOld(key string, old, now fs.FileInfo) {
	if old != nil && sumName(key, old) != sumName(key, now) {
		b.forget(sumName(key, old))
	}
}

// same reports whether two names are of one file.
func (b *Backend) same(name, other string) bool {
	x, err := b.root.Lstat(name)
	if err != nil {
		return false
	}
	y, err := b.root.Lstat(other)
	return err == nil && os.SameFile(x, y)
}

// noEffect reports whether err is among the sentinels that this package returns for something that it did not publish.
func noEffect(err error) bool {
	return errors.Is(err, backend.ErrExists) || errors.Is(err, backend.ErrInvalid) || errors.Is(err, backend.ErrDenied)
}

// unlinkable reports whether err says that the file system has no hard links.
func unlinkable(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported)
}
