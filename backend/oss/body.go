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
	left int64     // bytes not read yet; what lies behind them is not touched
	err  error     // why reading r failed
}

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
