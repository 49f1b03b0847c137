package oss

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

var errTakenBack = errors.New("oss: body is not available any more")

// lentBody lends the caller's body to the SDK until it is taken back.
//
// net/http may go on reading a request's body after the call has returned: after an early answer or a cancelled context the
// goroutine that writes the request ends when it next notices. The SDK hides Close from it, so that nobody can wait for that. So
// each Read holds a lock, and after takeBack, which waits for the Read in progress, none reaches the caller's body. Nor is the
// body closed, by anyone.
type lentBody struct {
	mu   sync.Mutex
	r    io.Reader // nil once taken back
	size int64     // bytes to read; what lies behind them is not touched
	left int64     // of them, not read yet
	err  error     // why reading r failed
}

// lend lends size bytes of r, more than none.
func lend(r io.Reader, size int64) *lentBody { return &lentBody{r: r, size: size, left: size} }

func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.r == nil:
		return 0, errTakenBack
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = fmt.Errorf("%d bytes are missing at its end: %w", b.left, io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// takeBack returns how many bytes were not read, and why reading failed if it did. It may be called again.
func (b *lentBody) takeBack() (left int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
	return b.left, b.err
}

// taken returns how many bytes were read, and why reading failed if it did. No body is an empty one.
func (b *lentBody) taken() (int64, error) {
	if b == nil {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size - b.left, b.err
}
