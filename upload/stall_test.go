package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// odd is a store that does something odd with some calls.
type odd struct {
	*tap
	part     func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error)
	complete func(ctx context.Context) error
}

func (o *odd) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	send := func(body io.ReadSeeker) (backend.Part, error) { return o.tap.UploadPart(ctx, u, n, body, size) }
	return o.part(ctx, n, body, send)
}

func (o *odd) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	if o.complete != nil {
		if err := o.complete(ctx); err != nil {
			return backend.Object{}, err
		}
	}
	return o.tap.Complete(ctx, u, parts, opts)
}

// A connection that moves nothing is given up, also when there is no other to compare it with, and the part is sent again at once.
func TestStalledPartIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		read bool // the body goes, and no answer comes
		most time.Duration
	}{
		"no byte of the body": {false, 31 * time.Second},
		"no answer":           {true, 121 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := bytesOf(1, partSize)
				hung := false
				b := &odd{tap: &tap{inner: newStore()}}
				b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
					if hung {
						return send(body)
					}
					hung = true
					if c.read {
						io.Copy(io.Discard, body)
					}
					<-ctx.Done()
					return backend.Part{}, ctx.Err()
				}
				begun := time.Now()
				res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(t.Context(), key, newSource(data), inParts())
				if took := time.Since(begun); err != nil || res.Retries != 1 || took > c.most || took < c.most-2*time.Second {
					t.Errorf("%v after %v, %+v", err, took, res)
				}
				checkObject(t, b.inner, data)
			})
		})
	}
}

// A stall that never ends is an error of its own: it does not look as if the caller's context had ended.
func TestStallIsNoContextError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &odd{tap: &tap{inner: newStore()}}
		b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
			<-ctx.Done()
			return backend.Part{}, ctx.Err()
		}
		_, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(t.Context(), key, newSource(bytesOf(1, 10)), inParts())
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// The last part goes at a hundredth of what its fellows do. It is sent a second time beside the first, whose end is not waited for. What
// the first try still does on the store then makes no wrong object.
func TestLaggingPartIsHedged(t *testing.T) {
	const size = 256 << 10
	for _, late := range []string{"never lands", "lands before Complete", "lands with other bytes"} {
		t.Run(late, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := bytesOf(1, 8*size)
				src := newSource(data)
				b := &odd{tap: &tap{inner: newStore()}}
				var mu sync.Mutex
				lagged := false
				var land func() // what the cancelled try does in the end
				b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
					mu.Lock()
					slow := n == 8 && !lagged
					lagged = lagged || slow
					mu.Unlock()
					gap := 20 * time.Millisecond // for 32 KiB
					if slow {
						gap *= 100
					}
					var got bytes.Buffer
					for {
						_, err := io.CopyN(&got, body, 32<<10)
						if err == io.EOF {
							break
						}
						if err != nil {
							return backend.Part{}, err
						}
						if err := wait(ctx, gap); err != nil {
							land = func() {
								whole := data[7*size:]
								if late == "lands with other bytes" {
									whole = edited(whole, 5)
								}
								u := backend.Upload{Key: key, ID: unfinished(t, b.inner)[0]}
								if _, err := b.inner.UploadPart(context.Background(), u, 8, bytes.NewReader(whole), size); err != nil {
									t.Errorf("land: %v", err)
								}
							}
							return backend.Part{}, err
						}
					}
					return send(bytes.NewReader(got.Bytes()))
				}
				completes := 0
				b.complete = func(context.Context) error {
					if completes++; completes == 1 && late != "never lands" {
						land()
					}
					return nil
				}
				begun := time.Now()
				res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).
					Upload(t.Context(), key, src, &upload.Request{PartSize: size})
				if err != nil || res.Hedged != 1 || land == nil || res.Stored != 8*size {
					t.Fatalf("%v, %+v", err, res)
				}
				if took := time.Since(begun); took > 3*time.Second { // the slow one alone takes 16 s
					t.Errorf("took %v", took)
				}
				checkObject(t, b.inner, data)
				if late == "lands with other bytes" && completes != 2 {
					t.Errorf("%d Completes: what landed late was not noticed", completes)
				}
			})
		})
	}
}

// The first part lags from the beginning. It is sent a second time when nothing else is left to begin, and not before.
func TestFirstPartIsHedgedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, parts = 256 << 10, 40
		data := bytesOf(1, parts*size)
		var mu sync.Mutex
		begun, lagged, seconds := 0, false, 0
		b := &odd{tap: &tap{inner: newStore()}}
		b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
			mu.Lock()
			gap := 20 * time.Millisecond
			switch {
			case n == 1 && !lagged:
				lagged, gap = true, 25*gap // moves often enough not to be cut for being behind
			case n == 1:
				if seconds++; begun < parts-1 {
					t.Errorf("sent a second time when %d of %d other parts had been begun", begun, parts-1)
				}
			default:
				begun++
			}
			mu.Unlock()
			var got bytes.Buffer
			for range size / (32 << 10) {
				if _, err := io.CopyN(&got, body, 32<<10); err != nil {
					return backend.Part{}, err
				}
				if err := wait(ctx, gap); err != nil {
					return backend.Part{}, err
				}
			}
			return send(bytes.NewReader(got.Bytes()))
		}
		res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1, Concurrency: 4}).
			Upload(t.Context(), key, newSource(data), &upload.Request{PartSize: size})
		if err != nil || res.Hedged != 1 || seconds != 1 {
			t.Errorf("%v, %d seconds, %+v", err, seconds, res)
		}
		checkObject(t, b.inner, data)
	})
}

// Both tries of a part lag. A third one is not begun, and no place is lost: the next upload of the Uploader has all of them.
func TestSecondTryIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, parts = 256 << 10, 8
		var mu sync.Mutex
		busy, most, lagging := 0, 0, true
		b := &odd{tap: &tap{inner: newStore()}}
		b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			gap := 20 * time.Millisecond
			if n == parts && lagging {
				gap *= 100
			}
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				busy--
			}()
			var got bytes.Buffer
			for range size / (32 << 10) {
				if _, err := io.CopyN(&got, body, 32<<10); err != nil {
					return backend.Part{}, err
				}
				if err := wait(ctx, gap); err != nil {
					return backend.Part{}, err
				}
			}
			return send(bytes.NewReader(got.Bytes()))
		}
		u := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1, MaxConcurrency: 4})
		for _, name := range []string{"first", "second"} {
			data := bytesOf(1, parts*size)
			src := newSource(data)
			src.id = name
			res, err := u.Upload(t.Context(), name, src, &upload.Request{PartSize: size})
			if err != nil || lagging && res.Hedged != 1 || most != 4 {
				t.Errorf("%s: %v, %d at once, %+v", name, err, most, res)
			}
			most, lagging = 0, false
		}
	})
}

// With one part at a time nothing is sent beside another.
func TestOneAtATimeIsNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 128 << 10
		b := &odd{tap: &tap{inner: newStore()}}
		busy := 0
		b.part = func(ctx context.Context, n int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
			if busy++; busy > 1 {
				t.Error("two parts at once")
			}
			defer func() { busy-- }()
			gap := 10 * time.Millisecond
			if n == 6 {
				gap = 10 * time.Second
			}
			if err := wait(ctx, gap); err != nil {
				return backend.Part{}, err
			}
			return send(body)
		}
		res, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1, Concurrency: 1}).
			Upload(t.Context(), key, newSource(bytesOf(1, 6*size)), &upload.Request{PartSize: size})
		if err != nil || res.Hedged != 0 || res.Retries != 0 {
			t.Errorf("%v, %+v", err, res)
		}
	})
}

// The answer to Complete may take minutes; when it takes too long, it is asked again, and what became of it is found out.
func TestCompleteIsGivenTime(t *testing.T) {
	for _, takes := range []time.Duration{10 * time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			data := bytesOf(1, 3*partSize)
			objects := newStore()
			b := &odd{tap: &tap{inner: objects}}
			b.part = func(_ context.Context, _ int, body io.ReadSeeker, send func(io.ReadSeeker) (backend.Part, error)) (backend.Part, error) {
				return send(body)
			}
			calls := 0
			b.complete = func(ctx context.Context) error {
				if calls++; calls > 1 {
					return nil
				}
				return wait(ctx, takes)
			}
			begun := time.Now()
			_, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(t.Context(), key, newSource(data), inParts())
			if took := time.Since(begun); err != nil || took > 16*time.Minute || calls != 1 && takes < 15*time.Minute {
				t.Errorf("%v after %v, %d calls", err, took, calls)
			}
			checkObject(t, objects, data)
		})
	}
}

// renewed is a refusal whose cause has been put right.
type renewed struct{ error }

func (renewed) Mended() bool { return true }

func (r renewed) Unwrap() error { return r.error }

// What was mended is asked again at once, and once.
func TestMendedIsAskedAgainOnce(t *testing.T) {
	for refusals := range 3 {
		t.Run(fmt.Sprint(refusals, " refusals"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				b := &tap{inner: newStore(), before: func(c call) error {
					if c.op == "UploadPart" && n < refusals {
						n++
						return renewed{backend.ErrDenied}
					}
					return nil
				}}
				begun := time.Now()
				_, err := upload.New(b, checkpoint.NewMemory(), options()).Upload(t.Context(), key, newSource(bytesOf(1, 10)), inParts())
				if refusals < 2 && err != nil || refusals == 2 && !errors.Is(err, backend.ErrDenied) || time.Since(begun) > 0 {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
			})
		})
	}
}

// putting is odd about Put.
type putting struct {
	*tap
	put func(ctx context.Context, body io.ReadSeeker) error
}

func (p *putting) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, a backend.Attributes, opts backend.CompleteOptions) (backend.Object, error) {
	if err := p.put(ctx, body); err != nil {
		return backend.Object{}, err
	}
	return p.tap.Put(ctx, key, body, size, a, opts)
}

// A Put that gets no answer is sent again, like a part.
func TestStalledPutIsSentAgain(t *testing.T) {
	for _, read := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			data := bytesOf(1, partSize)
			hung := false
			b := &putting{tap: &tap{inner: newStore()}}
			b.put = func(ctx context.Context, body io.ReadSeeker) error {
				if hung {
					return nil
				}
				hung = true
				if read {
					io.Copy(io.Discard, body)
				}
				<-ctx.Done()
				return ctx.Err()
			}
			begun := time.Now()
			res, err := upload.New(b, checkpoint.NewMemory(), nil).Upload(t.Context(), key, newSource(data), nil)
			if took := time.Since(begun); err != nil || res.Retries != 1 || took > 121*time.Second {
				t.Errorf("%v after %v, %+v", err, took, res)
			}
			checkObject(t, b.inner, data)
		})
	}
}

// A part that meets a dead connection, and later credentials that expired while the network was away, is asked again for both.
func TestMendedOfBothKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := &tap{inner: newStore(), before: func(c call) error {
			if c.op != "UploadPart" {
				return nil
			}
			switch calls++; calls {
			case 1:
				return renewed{errCut}
			case 2, 3:
				return errAway
			case 4:
				return renewed{backend.ErrDenied}
			}
			return nil
		}}
		u := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1, Concurrency: 1})
		if _, err := u.Upload(t.Context(), key, newSource(bytesOf(1, 3*partSize)), inParts()); err != nil {
			t.Error(err)
		}
	})
}

// A long part may meet a renewal more than once: what is stored meanwhile says that the last one helped.
func TestMendedAgainAfterProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again, stored := make(chan struct{}), make(chan struct{})
		tries := 0
		b := &tap{inner: newStore()}
		b.before = func(c call) error {
			switch {
			case c.op != "UploadPart":
				return nil
			case c.number != 1:
				<-again
				return nil
			}
			switch tries++; tries {
			case 1:
				return renewed{backend.ErrDenied}
			case 2:
				close(again)
				<-stored
				return renewed{backend.ErrDenied}
			}
			return nil
		}
		logs := &logTap{inner: checkpoint.NewMemory(), after: func(c call, err error) error {
			if c.op == "Append" && c.number == 3 { // claim, intent and ID come before the parts
				close(stored)
			}
			return err
		}}
		opts := &upload.Options{Concurrency: 2, Threshold: -1}
		if _, err := upload.New(b, logs, opts).Upload(t.Context(), key, newSource(bytesOf(1, 3*partSize)), inParts()); err != nil {
			t.Error(err)
		}
	})
}
