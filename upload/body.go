package upload

import (
	"context"
	"errors"
	"io"
	"time"

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
	pace         *pace
	meter        *meter
	flight       *flight // nil for a Put

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

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.pos >= b.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.size-b.pos)]
	if l := b.limiter; l != nil && l.Limit() != rate.Inf {
		n, err := b.wait(len(p))
		if err != nil {
			return 0, err
		}
		p = p[:n]
	}
	n, err := b.read(p)
	if err != nil {
		b.err = err
		return 0, err
	}
	again := b.pos == 0
	if again {
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
	if b.flight != nil {
		b.flight.move(n, again)
	}
	return n, nil
}

// read reads what comes next. A source that does not answer is no fault of the connection.
func (b *body) read(p []byte) (int, error) {
	if b.flight != nil {
		b.flight.hold(true)
		defer b.flight.hold(false)
	}
	return readAt(b.src, p, b.offset+b.pos)
}

// wait waits until the limit lets bytes pass, and returns how many of n.
func (b *body) wait(n int) (int, error) {
	if b.flight != nil {
		b.flight.hold(true)
		defer b.flight.hold(false)
	}
	defer func(begun time.Time) {
		if b.flight != nil && time.Since(begun) > time.Millisecond {
			b.flight.watch.window.tell(func(c *control, _ time.Time) { c.bound = true })
		}
	}(time.Now())
	for {
		n := min(n, piece(b.limiter))
		err := b.limiter.WaitN(b.ctx, n)
		if err == nil {
			err = b.pace.wait(b.ctx, b.limiter, n)
		}
		if err == nil {
			return n, nil
		}
		// ctx is done, or would be before the wait is over, or the limit was changed meanwhile to one that lets nothing pass, or less at
		// once. It may be changed again.
		if err := pause(b.ctx, maxWait); err != nil {
			return 0, err
		}
	}
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
