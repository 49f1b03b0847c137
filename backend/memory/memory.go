// Package memory is an object store in memory: the reference implementation of [backend.MultipartBackend] and of its optional
// interfaces, and the store to test an application against.
//
// It answers as OSS does (MD5 ETags, a CRC-64 for every part and object, 100 KiB to 5 GiB a part) unless [Options] say
// otherwise. A call that returns an error had no effect; none of its answers is ever lost.
package memory

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// Limits of OSS, which are the defaults here. Source: the service's pages Limits and UploadPart.
const (
	DefaultMinPartSize = 100 << 10
	DefaultMaxPartSize = 5 << 30
	DefaultMaxParts    = 10000
)

const maxKeyLength = 1023 // bytes

// Options of a Backend. Nil and the zero value are the defaults.
type Options struct {
	// Info is what the store is. A zero Location is "memory:", other zero fields are the limits of OSS.
	Info backend.Info

	// NoCRC64 makes a store that computes no CRC-64, as many do.
	NoCRC64 bool

	// Now is the store's clock; nil is time.Now. Times are cut to the second, as HTTP does.
	Now func() time.Time
}

// Backend is an object store in memory. Use [New]. It is safe for concurrent use.
type Backend struct {
	info  backend.Info
	noCRC bool
	now   func() time.Time

	mu      sync.Mutex
	objects map[string]*object
	uploads map[string]*upload
	created int
}

var (
	_ backend.MultipartBackend = (*Backend)(nil)
	_ backend.Putter           = (*Backend)(nil)
	_ backend.UploadLister     = (*Backend)(nil)
	_ backend.ETagger          = (*Backend)(nil)
)

type upload struct {
	backend.Upload
	attrs backend.Attributes
	parts map[int]blob
}

// A blob is never modified, so that an object can be made of the blobs of its parts without a copy.
type blob struct {
	data []byte
	etag string
	crc  uint64
}

type object struct {
	backend.Object
	attrs backend.Attributes
	blobs []blob
}

// New returns an empty store.
func New(opts *Options) *Backend {
	var o Options
	if opts != nil {
		o = *opts
	}
	b := &Backend{info: o.Info, noCRC: o.NoCRC64, now: o.Now, objects: map[string]*object{}, uploads: map[string]*upload{}}
	if b.info.Location == "" {
		b.info.Location = "memory:"
	}
	if b.info.MinPartSize == 0 {
		b.info.MinPartSize = DefaultMinPartSize
	}
	if b.info.MaxPartSize == 0 {
		b.info.MaxPartSize = DefaultMaxPartSize
	}
	if b.info.MaxParts == 0 {
		b.info.MaxParts = DefaultMaxParts
	}
	if b.info.MaxPutSize == 0 {
		b.info.MaxPutSize = DefaultMaxPartSize
	}
	if b.now == nil {
		b.now = time.Now
	}
	return b
}

// Info implements [backend.MultipartBackend].
func (b *Backend) Info() backend.Info { return b.info }

// Create implements [backend.MultipartBackend].
func (b *Backend) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	if err := ctx.Err(); err != nil {
		return backend.Upload{}, err
	}
	if err := checkKey(key); err != nil {
		return backend.Upload{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.created++
	u := &upload{
		Upload: backend.Upload{Key: key, ID: fmt.Sprintf("%032X", b.created), Initiated: b.seconds()},
		attrs:  clone(attrs),
		parts:  map[int]blob{},
	}
	b.uploads[u.ID] = u
	return u.Upload, nil
}

// UploadPart implements [backend.MultipartBackend].
func (b *Backend) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if number < 1 || number > b.info.MaxParts {
		return backend.Part{}, fmt.Errorf("part number %d is not between 1 and %d: %w", number, b.info.MaxParts, backend.ErrInvalid)
	}
	if size < 0 || size > b.info.MaxPartSize {
		return backend.Part{}, fmt.Errorf("part size %d is not between 0 and %d bytes: %w", size, b.info.MaxPartSize, backend.ErrInvalid)
	}
	if err := b.look(u); err != nil {
		return backend.Part{}, err
	}
	data, err := read(ctx, body, size)
	if err != nil {
		return backend.Part{}, err
	}
	p := newBlob(data)

	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return backend.Part{}, err
	}
	up, err := b.find(u)
	if err != nil {
		return backend.Part{}, err
	}
	up.parts[number] = p
	return b.part(number, p), nil
}

// ListParts implements [backend.MultipartBackend]. A page has at most 1000 parts.
func (b *Backend) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	const page = 1000
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	up, err := b.find(u)
	if err != nil {
		return nil, false, err
	}
	var parts []backend.Part
	for _, n := range slices.Sorted(maps.Keys(up.parts)) {
		if n <= after {
			continue
		}
		if len(parts) == page {
			return parts, true, nil
		}
		parts = append(parts, b.part(n, up.parts[n]))
	}
	return parts, false, nil
}

// Complete implements [backend.MultipartBackend]. Without parts it is ErrInvalid, as in backend/oss: nobody means that.
func (b *Backend) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	if len(parts) == 0 || len(parts) > b.info.MaxParts {
		return backend.Object{}, fmt.Errorf("%d parts, not 1 to %d: %w", len(parts), b.info.MaxParts, backend.ErrInvalid)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	up, err := b.find(u)
	if err != nil {
		return backend.Object{}, err
	}
	blobs := make([]blob, len(parts))
	for i, p := range parts {
		if i > 0 && p.Number <= parts[i-1].Number {
			return backend.Object{}, fmt.Errorf("part %d follows part %d: %w", p.Number, parts[i-1].Number, backend.ErrInvalidPart)
		}
		stored, ok := up.parts[p.Number]
		if !ok || stored.etag != p.ETag {
			return backend.Object{}, fmt.Errorf("part %d with ETag %s is not there: %w", p.Number, p.ETag, backend.ErrInvalidPart)
		}
		blobs[i] = stored
	}
	for i, p := range blobs[:len(blobs)-1] {
		if int64(len(p.data)) < b.info.MinPartSize {
			return backend.Object{}, fmt.Errorf("part %d is smaller than %d bytes: %w", parts[i].Number, b.info.MinPartSize, backend.ErrInvalid)
		}
	}
	etag, _ := b.ETag(parts)
	obj, err := b.publish(u.Key, etag, blobs, up.attrs, opts)
	if err != nil {
		return backend.Object{}, err
	}
	delete(b.uploads, u.ID)
	return obj, nil
}

// Abort implements [backend.MultipartBackend].
func (b *Backend) Abort(ctx context.Context, u backend.Upload) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.find(u); err != nil {
		return err
	}
	delete(b.uploads, u.ID)
	return nil
}

// Stat implements [backend.MultipartBackend].
func (b *Backend) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	if err := checkKey(key); err != nil {
		return backend.Object{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return backend.Object{}, fmt.Errorf("%q: %w", key, backend.ErrNotFound)
	}
	return o.Object, nil
}

// Put implements [backend.Putter].
func (b *Backend) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	if err := checkKey(key); err != nil {
		return backend.Object{}, err
	}
	if size < 0 || size > b.info.MaxPutSize {
		return backend.Object{}, fmt.Errorf("size %d is not between 0 and %d bytes: %w", size, b.info.MaxPutSize, backend.ErrInvalid)
	}
	data, err := read(ctx, body, size)
	if err != nil {
		return backend.Object{}, err
	}
	p := newBlob(data)

	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	return b.publish(key, p.etag, []blob{p}, attrs, opts)
}

// Uploads implements [backend.UploadLister], by key and then by ID. It lists what there was when the iteration began.
func (b *Backend) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return func(yield func(backend.Upload, error) bool) {
		b.mu.Lock()
		var list []backend.Upload
		for _, u := range b.uploads {
			if strings.HasPrefix(u.Key, prefix) {
				list = append(list, u.Upload)
			}
		}
		b.mu.Unlock()
		slices.SortFunc(list, func(x, y backend.Upload) int {
			return strings.Compare(x.Key+"\x00"+x.ID, y.Key+"\x00"+y.ID)
		})
		for _, u := range list {
			if err := ctx.Err(); err != nil {
				yield(backend.Upload{}, err)
				return
			}
			if !yield(u, nil) {
				return
			}
		}
	}
}

// ETag implements [backend.ETagger]. As in OSS, it is the MD5 of the parts' ETags as text, and the number of parts.
func (b *Backend) ETag(parts []backend.Part) (string, bool) {
	h := md5.New()
	for _, p := range parts {
		io.WriteString(h, p.ETag)
	}
	return fmt.Sprintf("%X-%d", h.Sum(nil), len(parts)), true
}

// Open returns the content of an object and its attributes, or ErrNotFound. The content stays what it is when the object is
// replaced.
func (b *Backend) Open(key string) (io.Reader, backend.Attributes, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return nil, backend.Attributes{}, fmt.Errorf("%q: %w", key, backend.ErrNotFound)
	}
	readers := make([]io.Reader, len(o.blobs))
	for i := range o.blobs {
		readers[i] = bytes.NewReader(o.blobs[i].data)
	}
	return io.MultiReader(readers...), clone(o.attrs), nil
}

// publish is called with the lock held.
func (b *Backend) publish(key, etag string, blobs []blob, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	if _, exists := b.objects[key]; exists && opts.IfAbsent {
		return backend.Object{}, fmt.Errorf("%q: %w", key, backend.ErrExists)
	}
	o := &object{
		Object: backend.Object{Key: key, ETag: etag, Modified: b.seconds()},
		attrs:  clone(attrs),
		blobs:  blobs,
	}
	var crc uint64
	for _, p := range blobs {
		o.Size += int64(len(p.data))
		crc = crc64.Combine(crc, p.crc, int64(len(p.data)))
	}
	if !b.noCRC {
		o.CRC64 = &crc
	}
	b.objects[key] = o
	return o.Object, nil
}

func (b *Backend) look(u backend.Upload) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.find(u)
	return err
}

// find is called with the lock held.
func (b *Backend) find(u backend.Upload) (*upload, error) {
	up, ok := b.uploads[u.ID]
	if !ok || up.Key != u.Key {
		return nil, fmt.Errorf("upload %s of %q: %w", u.ID, u.Key, backend.ErrNoSuchUpload)
	}
	return up, nil
}

func (b *Backend) part(number int, p blob) backend.Part {
	part := backend.Part{Number: number, Size: int64(len(p.data)), ETag: p.etag}
	if !b.noCRC {
		part.CRC64 = &p.crc
	}
	return part
}

func (b *Backend) seconds() time.Time { return b.now().Truncate(time.Second) }

func newBlob(data []byte) blob {
	return blob{data: data, etag: fmt.Sprintf("%X", md5.Sum(data)), crc: crc64.Update(0, data)}
}

// read is the one copy that is made of a part.
func read(ctx context.Context, body io.Reader, size int64) ([]byte, error) {
	data := make([]byte, size)
	if n, err := io.ReadFull(untilDone{ctx, body}, data); err != nil {
		return nil, fmt.Errorf("body ended after %d of %d bytes: %w", n, size, err)
	}
	return data, nil
}

// untilDone looks at the context before each Read, since a body may be slow.
type untilDone struct {
	ctx  context.Context
	body io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.body.Read(p)
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKeyLength || !utf8.ValidString(key) || key[0] == '/' || key[0] == '\\' {
		return fmt.Errorf("key %.40q is not 1 to %d bytes of UTF-8 without a leading slash: %w", key, maxKeyLength, backend.ErrInvalid)
	}
	return nil
}

func clone(a backend.Attributes) backend.Attributes {
	a.Metadata = maps.Clone(a.Metadata)
	a.Tags = maps.Clone(a.Tags)
	return a
}
