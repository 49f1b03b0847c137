package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidemark-go/tidemark/backend"
)

// readBy makes UploadPart read its body in another way.
func (b *bent) readBy(read func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error)) {
	part := b.part
	b.part = func(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
		if _, _, err := b.list(ctx, u, 0); err != nil || !b.takes(number, size) {
			return part(ctx, u, number, body, size)
		}
		data, err := read(ctx, body, size)
		if err != nil {
			return backend.Part{}, err
		}
		return part(ctx, u, number, bytes.NewReader(data), int64(len(data)))
	}
}

var bodyMutants = []mutant[Backend]{
	bends("B12", "reads", "one Read is the body", func(b *bent) {
		b.readBy(func(_ context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			data := make([]byte, size)
			n, err := body.Read(data)
			if size > 0 && (err != nil || int64(n) < size) {
				return nil, fmt.Errorf("short read of %d bytes: %w", n, errors.Join(errBent, err))
			}
			return data, nil
		})
	}),
	bends("B12", "reads", "bytes that come with EOF are lost", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			return collect(ctx, readFunction(func(p []byte) (int, error) {
				n, err := body.Read(p)
				if err != nil {
					n = 0
				}
				return n, err
			}), size)
		})
	}),
	bends("B13", "after", "a cancelled call leaves its reader behind", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			type result struct {
				data []byte
				err  error
			}
			read := make(chan result, 1)
			go func() {
				data, err := collect(context.WithoutCancel(ctx), body, size)
				read <- result{data, err}
			}()
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case r := <-read:
				return r.data, r.err
			}
		})
	}),
	bends("B14", "short", "a short body is a short part", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			data, err := collect(ctx, body, size)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return data, err
		})
	}),
	bends("B14", "short", "Put fills a short body up", func(b *bent) {
		put := b.put
		b.put = func(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
			if size < 0 || size > b.info.MaxPutSize {
				return put(ctx, key, body, size, attrs, opts)
			}
			data, err := collect(ctx, body, size)
			if errors.Is(err, io.EOF) {
				data, err = append(data, make([]byte, size)...)[:size], nil
			}
			if err != nil {
				return backend.Object{}, err
			}
			return put(ctx, key, bytes.NewReader(data), size, attrs, opts)
		}
	}),
	bends("B14", "fails", "a body that fails is called invalid", func(b *bent) {
		b.readBy(func(ctx context.Context, body io.ReadSeeker, size int64) ([]byte, error) {
			data, err := collect(ctx, body, size)
			if errors.Is(err, errBody) {
				err = fmt.Errorf("%w: %w", backend.ErrInvalid, err)
			}
			return data, err
		})
	}),
}

type readFunction func(p []byte) (int, error)

func (f readFunction) Read(p []byte) (int, error) { return f(p) }
