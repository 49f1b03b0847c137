package conformance

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

type undated struct{ through }

func (b undated) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	u, err := b.MultipartBackend.Create(ctx, key, attrs)
	u.Initiated = time.Time{}
	return u, err
}

func (b undated) Stat(ctx context.Context, key string) (backend.Object, error) {
	obj, err := b.MultipartBackend.Stat(ctx, key)
	obj.Modified = time.Time{}
	return obj, err
}

type onePart struct{ through }

func (b onePart) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	parts, more, err := b.MultipartBackend.ListParts(ctx, u, after)
	if len(parts) > 1 {
		return parts[:1], true, err
	}
	return parts, more, err
}

// freshETags gives each part another ETag whenever it is stored, as a store may that does not make it from the content.
type freshETags struct {
	backend.MultipartBackend // without Unwrap: what it has cannot compute these

	mu    *sync.Mutex
	n     *int
	etags map[string]map[int][2]string // upload -> number -> what it says, what there is
}

func newETags(b backend.MultipartBackend) backend.MultipartBackend {
	return freshETags{b, new(sync.Mutex), new(int), map[string]map[int][2]string{}}
}

func (b freshETags) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	p, err := b.MultipartBackend.UploadPart(ctx, u, number, body, size)
	if err != nil {
		return p, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	*b.n++
	if b.etags[u.ID] == nil {
		b.etags[u.ID] = map[int][2]string{}
	}
	fresh := p.ETag + strings.Repeat("x", *b.n%50+1)
	b.etags[u.ID][number] = [2]string{fresh, p.ETag}
	p.ETag = fresh
	return p, nil
}

func (b freshETags) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	parts, more, err := b.MultipartBackend.ListParts(ctx, u, after)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range parts {
		parts[i].ETag = b.etags[u.ID][p.Number][0]
	}
	return parts, more, err
}

func (b freshETags) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	parts = slices.Clone(parts)
	b.mu.Lock()
	for i, p := range parts {
		if known := b.etags[u.ID][p.Number]; known[0] == p.ETag {
			parts[i].ETag = known[1]
		} else {
			parts[i].ETag = "of another try"
		}
	}
	b.mu.Unlock()
	return b.MultipartBackend.Complete(ctx, u, parts, opts)
}

// partsOnly has CRC-64s of parts, none of objects, and no optional interface.
type partsOnly struct{ backend.MultipartBackend }

func (b partsOnly) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	obj, err := b.MultipartBackend.Complete(ctx, u, parts, opts)
	obj.CRC64 = nil
	return obj, err
}

func (b partsOnly) Stat(ctx context.Context, key string) (backend.Object, error) {
	obj, err := b.MultipartBackend.Stat(ctx, key)
	obj.CRC64 = nil
	return obj, err
}

// noETag has the function, which cannot tell.
type noETag struct{ backend.MultipartBackend }

func (noETag) ETag([]backend.Part) (string, bool) { return "", false }
