package upload_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/internal/crc64"
	"github.com/tidemark-go/tidemark/upload"
)

// link is a store behind a simulated line, for tests in a bubble of testing/synctest: all that takes time takes it of the bubble's clock,
// so that the same happens each time, at once. The store keeps sizes and CRC-64s of parts, not bytes.
type link struct {
	rtt         time.Duration
	rate, total int64 // bytes a second: of a connection, of all together; 0: no bound
	cutAfter    int64 // bytes that a connection carries before it is reset; 0: any number
	silent      int   // of so many connections one never answers; 0: none
	capacity    int   // parts at once; more are throttled; 0: any number
	away        func(now time.Duration) bool
	busy        func(now time.Duration) time.Duration // how long the store asks to wait; 0: it does not
	onRead      func(n int)                           // of a part's body
	onPart      func(size int64)                      // a part is sent
	equal       bool                                  // parts must be equal
	maxParts    int                                   // 0: 10000

	mu       sync.Mutex
	begun    time.Time
	free     time.Time // when the line has carried what it was given
	idle     []*wire
	opened   int
	open     int // connections that carry a part
	peak     int
	requests []time.Duration // when parts were asked to be taken
	received int64           // bytes of parts
	uploads  map[string]map[int]backend.Part
	refused  int
}

// wire is a connection.
type wire struct {
	carried int64
	free    time.Time
	silent  bool
}

var (
	errReset = errors.New("connection reset by peer")
	errAway  = fmt.Errorf("dial: network is down: %w", backend.ErrUnreachable)
)

// busyError is a 503 with Retry-After.
type busyError struct{ after time.Duration }

func (e *busyError) Error() string             { return "service unavailable" }
func (e *busyError) RetryAfter() time.Duration { return e.after }

const megabyte = 1_000_000

func newLink(l *link) *link {
	l.begun, l.uploads = time.Now(), map[string]map[int]backend.Part{}
	return l
}

func (l *link) now() time.Duration { return time.Since(l.begun) }

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) Info() backend.Info {
	return backend.Info{Location: "link", MinPartSize: 100 << 10, MaxParts: cmp.Or(l.maxParts, 10000), MaxPartSize: 5 << 30, EqualParts: l.equal}
}

// request is what all requests need: a network, and an answer that takes a round trip.
func (l *link) request(ctx context.Context) error {
	if l.away != nil && l.away(l.now()) {
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		return errAway
	}
	if l.busy != nil {
		if after := l.busy(l.now()); after > 0 {
			l.mu.Lock()
			l.refused++
			l.mu.Unlock()
			if err := wait(ctx, l.rtt); err != nil {
				return err
			}
			return &busyError{after}
		}
	}
	return wait(ctx, l.rtt)
}

func (l *link) Create(ctx context.Context, key string, _ backend.Attributes) (backend.Upload, error) {
	if err := wait(ctx, l.rtt); err != nil { // a connection
		return backend.Upload{}, err
	}
	if err := l.request(ctx); err != nil {
		return backend.Upload{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := backend.Upload{Key: key, ID: fmt.Sprint("u", len(l.uploads)+1), Initiated: time.Now()}
	l.uploads[u.ID] = map[int]backend.Part{}
	return u, nil
}

func (l *link) take() (w *wire, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	l.peak = max(l.peak, l.open)
	if n := len(l.idle); n > 0 {
		w = l.idle[n-1]
		l.idle = l.idle[:n-1]
		return w, false
	}
	l.opened++
	return &wire{silent: l.silent > 0 && l.opened%l.silent == l.silent/2}, true
}

func (l *link) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (p backend.Part, err error) {
	l.mu.Lock()
	l.requests = append(l.requests, l.now())
	if l.onPart != nil {
		l.onPart(size)
	}
	l.mu.Unlock()
	w, fresh := l.take()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		if err == nil {
			l.idle = append(l.idle, w)
		}
	}()
	if l.away != nil && l.away(l.now()) || l.busy != nil && l.busy(l.now()) > 0 {
		return p, l.request(ctx)
	}
	if fresh {
		if err := wait(ctx, l.rtt); err != nil {
			return p, err
		}
	}
	if l.capacity > 0 && l.carrying() > l.capacity {
		if err := wait(ctx, l.rtt); err != nil {
			return p, err
		}
		return p, fmt.Errorf("slow down: %w", backend.ErrThrottled)
	}
	buf := make([]byte, 32<<10)
	var crc uint64
	for carried := int64(0); carried < size; {
		n, err := io.ReadFull(body, buf[:min(int64(len(buf)), size-carried)])
		if err != nil {
			return p, err
		}
		if l.onRead != nil {
			l.onRead(n)
		}
		if w.silent || l.away != nil && l.away(l.now()) {
			<-ctx.Done()
			return p, ctx.Err()
		}
		if err := wait(ctx, time.Until(l.carry(w, n))); err != nil {
			return p, err
		}
		if w.carried += int64(n); l.cutAfter > 0 && w.carried > l.cutAfter {
			return p, errReset
		}
		crc = crc64.Update(crc, buf[:n])
		carried += int64(n)
	}
	if err := wait(ctx, l.rtt); err != nil {
		return p, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p = backend.Part{Number: number, Size: size, ETag: fmt.Sprintf("%016x", crc), CRC64: &crc}
	l.uploads[u.ID][number] = p
	return p, nil
}

func (l *link) carrying() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// carry returns when the line will have carried n more bytes of w.
func (l *link) carry(w *wire, n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received += int64(n)
	now := time.Now()
	at := func(free *time.Time, rate int64) time.Time {
		if rate == 0 {
			return now
		}
		if free.Before(now) {
			*free = now
		}
		*free = free.Add(time.Duration(int64(n) * int64(time.Second) / rate))
		return *free
	}
	own, all := at(&w.free, l.rate), at(&l.free, l.total)
	if own.Before(all) {
		return all
	}
	return own
}

func (l *link) ListParts(ctx context.Context, u backend.Upload, after int) (list []backend.Part, more bool, err error) {
	if err := l.request(ctx); err != nil {
		return nil, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := after + 1; n <= 10000; n++ {
		if p, ok := l.uploads[u.ID][n]; ok {
			list = append(list, p)
		}
	}
	return list, false, nil
}

func (l *link) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, _ backend.CompleteOptions) (backend.Object, error) {
	if err := l.request(ctx); err != nil {
		return backend.Object{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o := backend.Object{Key: u.Key, CRC64: new(uint64), Modified: time.Now()}
	for _, p := range parts {
		have, ok := l.uploads[u.ID][p.Number]
		if !ok || have.ETag != p.ETag {
			return o, backend.ErrInvalidPart
		}
		o.Size += have.Size
		*o.CRC64 = crc64.Combine(*o.CRC64, *have.CRC64, have.Size)
	}
	return o, nil
}

func (l *link) Abort(context.Context, backend.Upload) error { return backend.ErrNoSuchUpload }

func (l *link) Stat(context.Context, string) (backend.Object, error) {
	return backend.Object{}, backend.ErrNotFound
}

// pattern is a source of any length: the same bytes again and again, of a length that no part size is a multiple of.
type pattern struct{}

var patternBytes = bytesOf(7, 1<<20-3)

func (pattern) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], patternBytes[(off+int64(n))%int64(len(patternBytes)):])
	}
	return len(p), nil
}

var patternSums sync.Map // of whole sources, by size

func patternSum(size int64) uint64 {
	if sum, ok := patternSums.Load(size); ok {
		return sum.(uint64)
	}
	var crc uint64
	buf := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(buf)) {
		n := min(int64(len(buf)), size-at)
		pattern{}.ReadAt(buf[:n], at)
		crc = crc64.Update(crc, buf[:n])
	}
	patternSums.Store(size, crc)
	return crc
}

// sent is how an upload over a link went.
type sent struct {
	*upload.Result
	took time.Duration
}

// over uploads size bytes at defaults, or by opts.
func (l *link) over(t *testing.T, u *upload.Uploader, key string, size int64, req *upload.Request) sent {
	t.Helper()
	begun := time.Now()
	res, err := u.Upload(t.Context(), key, upload.NewSource(pattern{}, size, "pattern", "1"), req)
	if err != nil {
		t.Errorf("upload: %v", err)
	}
	if res.CRC64 != patternSum(size) {
		t.Errorf("the object's CRC-64 is %016x, the source's %016x", res.CRC64, patternSum(size))
	}
	return sent{res, time.Since(begun)}
}

func (l *link) uploader(opts *upload.Options) *upload.Uploader {
	return upload.New(l, checkpoint.NewMemory(), opts)
}
