package oss

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"

	"github.com/tidemark-go/tidemark/backend"
)

// settleSequential answers for a part that OSS refused because it is there already and the upload is sequential: most likely an
// earlier answer was lost. The body is read a second time only here. The stored part is asked for, for its CRC-64; where
// that fails, the ETag in the refusal must do.
func (b *Backend) settleSequential(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64, a *answer, refusal error) (backend.Part, error) {
	stored := backend.Part{Number: number, Size: size, ETag: a.fault.PartETag}
	parts, _, err := b.ListParts(ctx, u, number-1)
	switch {
	case err == nil && len(parts) > 0 && parts[0].Number == number:
		stored = parts[0]
	case stored.ETag == "":
		// Only the texts are kept: a sentinel of the inner call is none of the outer.
		return backend.Part{}, lost(ctx, opUploadPart, fmt.Errorf("cannot compare with the part that is stored: %v; %v", refusal, err))
	}
	sum, err := md5Of(ctx, body, size)
	if err != nil {
		return backend.Part{}, lost(ctx, opUploadPart, fmt.Errorf("read the body: %w", err))
	}
	if stored.Size != size || stored.ETag != sum {
		return backend.Part{}, invalid(opUploadPart, "part %d is stored with other bytes, and the upload is sequential, so that it cannot be replaced (request %s)",
			number, a.fault.RequestID)
	}
	return stored, nil
}

// md5Of returns the MD5 of size bytes of body, from its start, in the form of an ETag.
func md5Of(ctx context.Context, body io.ReadSeeker, size int64) (string, error) {
	sum := md5.New()
	if size > 0 {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return "", err
		}
	}
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := io.CopyN(sum, body, min(left, 1<<20))
		left -= n
		if err == io.EOF && left > 0 {
			return "", io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return "", err
		}
	}
	return fmt.Sprintf("%X", sum.Sum(nil)), nil
}
