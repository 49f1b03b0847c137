package conformance

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

var partMutants = []mutant[Backend]{
	bends("B06", "backwards", "the first part must not come last", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			there, _, _ := b.list(ctx, u, 0)
			if number == 1 && len(there) == 2 && there[0].Number == 2 {
				return backend.Part{}, fmt.Errorf("part 1 after part 3: %w", backend.ErrInvalid)
			}
			return part(ctx, u, number, body, size)
		}
	}),
	bends("B06", "concurrently", "parts of some size share a buffer", func(b *bent) {
		var buffer atomic.Pointer[[]byte]
		var reading atomic.Int64
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			if size < 64 || !b.takes(number, size) {
				return part(ctx, u, number, body, size)
			}
			reading.Add(1)
			data, err := collect(ctx, body, size)
			if err == nil {
				buffer.Store(&data)
			}
			reading.Add(-1)
			if err != nil {
				return backend.Part{}, err
			}
			for end := time.Now().Add(30 * time.Millisecond); reading.Load() > 0 && time.Now().Before(end); {
				<-time.After(time.Millisecond)
			}
			return part(ctx, u, number, bytes.NewReader(*buffer.Load()), size)
		}
	}),
	bends("B07", "again", "the first part of a number is kept", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			there, _, err := b.list(ctx, u, number-1)
			if err != nil || !b.takes(number, size) || len(there) == 0 || there[0].Number != number || there[0].Size != size {
				return part(ctx, u, number, body, size)
			}
			if _, err := collect(ctx, body, size); err != nil {
				return backend.Part{}, err
			}
			return there[0], nil
		}
	}),
	bends("B07", "again", "the ETag is made of number and size", func(b *bent) {
		b.mapParts(func(p backend.Part) backend.Part {
			p.ETag = fmt.Sprintf("%d-%d", p.Number, p.Size)
			return p
		})
	}),
	bends("B07", "concurrently", "of two at once the answer is another's", func(b *bent) {
		flying := map[string]int{}
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			id := fmt.Sprint(u.ID, number)
			met := false
			b.locked(func() { flying[id]++ })
			p, err := part(ctx, u, number, body, size)
			b.locked(func() { met = flying[id] > 1 })
			<-time.After(time.Millisecond)
			b.locked(func() { met = met || flying[id] > 1; flying[id]-- })
			if met {
				p.ETag += "X"
			}
			return p, err
		}
	}),
	bends("B08", "answer", "ListParts has the ETags of later parts in lower case", func(b *bent) {
		list, complete := b.list, b.complete
		b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
			page, more, err := list(ctx, u, after)
			for i, p := range page {
				if p.Number > 1 {
					page[i].ETag = strings.ToLower(p.ETag)
				}
			}
			return page, more, err
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			upper := append([]backend.Part{}, parts...)
			for i := range upper {
				upper[i].ETag = strings.ToUpper(upper[i].ETag)
			}
			return complete(ctx, u, upper, opts)
		}
	}),
	bends("B09", "CRC64", "CRC-64 of another polynomial", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			var seen bytes.Buffer
			p, err := part(ctx, u, number, &body2{body, io.TeeReader(body, &seen)}, size)
			crc := crc64.Checksum(seen.Bytes(), crc64.MakeTable(crc64.ISO))
			p.CRC64 = &crc
			return p, err
		}
	}),
	bends("B09", "CRC64", "an object has the CRC-64 of its last part", func(b *bent) {
		complete := b.complete
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			o, err := complete(ctx, u, parts, opts)
			if err == nil {
				o.CRC64 = parts[len(parts)-1].CRC64
			}
			return o, err
		}
	}),
	bends("B10", "smallest", "the last part must not be smaller either", func(b *bent) {
		complete := b.complete
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
			if n := len(parts); n > 1 && parts[n-1].Size < b.info.MinPartSize && parts[0].Size >= b.info.MinPartSize {
				return backend.Object{}, fmt.Errorf("last part: %w", backend.ErrInvalid)
			}
			return complete(ctx, u, parts, opts)
		}
	}),
	bends("B10", "empty", "no part of 0 bytes", func(b *bent) { b.refuseParts(func(_ int, size int64) bool { return size == 0 }) }),
	bends("B10", "largest", "MaxPartSize itself is refused", func(b *bent) {
		b.refuseParts(func(_ int, size int64) bool { return size == b.info.MaxPartSize })
	}),
	bends("B11", "number", "part 0 is part 1", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			if number == 0 {
				number = 1
			}
			return part(ctx, u, number, body, size)
		}
	}),
	bends("B11", "number", "a wrong number is an unknown error", func(b *bent) {
		part := b.part
		b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
			if number > b.info.MaxParts {
				return backend.Part{}, errBent
			}
			return part(ctx, u, number, body, size)
		}
	}),
	bends("B11", "size", "larger parts are taken", func(b *bent) { b.info.MaxPartSize /= 2 }),
}

// mapParts shows parts otherwise than the store has them, and finds them again for Complete.
func (b *bent) mapParts(shown func(backend.Part) backend.Part) {
	part, list, complete := b.part, b.list, b.complete
	b.etag = func([]backend.Part) (string, bool) { return "", false }
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		p, err := part(ctx, u, number, body, size)
		if err != nil {
			return p, err
		}
		return shown(p), nil
	}
	b.list = func(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
		page, more, err := list(ctx, u, after)
		for i := range page {
			page[i] = shown(page[i])
		}
		return page, more, err
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
		there, err := all(ctx, list, u)
		if err != nil {
			return backend.Object{}, err
		}
		inner := append([]backend.Part{}, parts...)
		for i := range inner {
			for _, p := range there {
				if p.Number == inner[i].Number && shown(p).ETag == inner[i].ETag {
					inner[i].ETag = p.ETag
				}
			}
		}
		return complete(ctx, u, inner, opts)
	}
}

// refuseParts refuses some parts that it should take.
func (b *bent) refuseParts(which func(number int, size int64) bool) {
	part := b.part
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		if which(number, size) {
			return backend.Part{}, fmt.Errorf("part of %d bytes: %w", size, backend.ErrInvalid)
		}
		return part(ctx, u, number, body, size)
	}
}

// body2 seeks as one reader and reads as another.
type body2 struct {
	io.Seeker
	io.Reader
}
