package upload

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxPiece = 32 << 10               // bytes asked of a Limiter at once; more is a burst
	pacing   = 50 * time.Millisecond  // worth of bytes that may go at once, whatever the Limiter's own burst is
	maxWait  = 100 * time.Millisecond // for a piece, so that a new limit soon has an effect
)

// piece is how many bytes are asked of a Limiter at once.
func piece(l *rate.Limiter) int {
	return max(1, min(maxPiece, l.Burst(), int(min(float64(l.Limit())*maxWait.Seconds(), maxPiece))))
}

// pace evens out what a Limiter with a large burst lets through.
type pace struct {
	mu    sync.Mutex
	even  *rate.Limiter
	limit rate.Limit
}

func (p *pace) wait(ctx context.Context, l *rate.Limiter, n int) error {
	limit := l.Limit()
	burst := max(int(float64(limit)*pacing.Seconds()), maxPiece)
	if limit == rate.Inf || l.Burst() <= burst {
		return nil
	}
	p.mu.Lock()
	switch {
	case p.even == nil:
		p.even, p.limit = rate.NewLimiter(limit, burst), limit
	case p.limit != limit:
		p.even.SetLimit(limit)
		p.even.SetBurst(burst)
		p.limit = limit
	}
	even := p.even
	p.mu.Unlock()
	return even.WaitN(ctx, n)
}
