package upload

import (
	"context"
	"errors"
	"io"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

// body is a stretch of the source on its way to the store. It holds no bytes: what the transport asks for is read into the
// transport's own buffer, and its CRC-64 is taken there.
type body struct {
	ctx          context.Context
	src          io.ReaderAt
	offset, size int64
	limiter      *rate.Limiter
	meter        *meter

	// seal, if not nil, is asked before the end is given out, with the CRC-64 of the whole. If it fails, the end is kept back,
	// so that a store which takes a body whole or not at all does not take it.
	seal func(crc uint64) error

	pos    int64  // where the next Read reads
	hashed int64  // crc is that of the first hashed bytes, as given out
	crc    uint64 //
	flying int64  // bytes given out since the last start, which the meter counts as in flight
	err    error  // why the source could not be read
}

var _ io.ReadSeeker = (*body)(nil)

// limitedRead is how much is asked of the limiter at once. Less than this is many waits, more is a burst.
const limitedRead = 32 << 10

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.pos >= b.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.size-b.pos)]
	if l := b.limiter; l != nil && l.Limit() != rate.Inf {
		p = p[:min(len(p), l.Burst(), limitedRead)]
		if l.WaitN(b.ctx, len(p)) != nil { // ctx is done, or would be before the wait is over
			<-b.ctx.Done()
			return 0, ended(b.ctx)
		}
	}
	n, err := readAt(b.src, p, b.offset+b.pos)
	if err != nil {
		b.err = err
		return 0, err
	}
	if b.pos == 0 {
		b.hashed, b.crc = 0, 0
		b.meter.dropped(b.flying)
		b.flying = 0
	}
	if b.pos == b.hashed {
		b.crc = crc64.Update(b.crc, p[:n])
		b.hashed += int64(n)
	} else {
		b.hashed = -1 // read out of order: the CRC is not known until it is read again from the start
	}
	b.pos += int64(n)
	if b.seal != nil && b.pos == b.size {
		if b.hashed != b.size {
			b.err = errors.New("the backend read the body out of order")
		} else {
			b.err = b.seal(b.crc)
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	b.meter.moved(int64(n))
	b.flying += int64(n)
	return n, nil
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of the body")
	}
	b.pos = offset
	return offset, nil
}

// sum returns the CRC-64 of what was given out, and whether that was everything, in order.
func (b *body) sum() (uint64, bool) { return b.crc, b.hashed == b.size }
