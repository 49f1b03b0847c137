package upload_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// both is an error that says two things: what it wraps, and how long to wait.
type both struct {
	error
	after  time.Duration
	mended bool
}

func (b both) Unwrap() error             { return b.error }
func (b both) RetryAfter() time.Duration { return b.after }
func (b both) Mended() bool              { return b.mended }

// A probe whose error is final or mended, and asks to wait as well, lets others go on.
func TestFoundProbeThatSaysTwoThings(t *testing.T) {
	for name, second := range map[string]error{
		"denied, and asked to wait":  both{backend.ErrDenied, time.Second, false},
		"mended, and asked to wait":  both{errCut, time.Second, true},
		"mended, and cannot be had":  both{backend.ErrUnreachable, 0, true},
		"denied, and cannot be had":  errors.Join(backend.ErrDenied, backend.ErrUnreachable),
		"denied, mended, and waited": both{backend.ErrDenied, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				n := 0
				b := &tap{inner: newStore(), before: func(c call) error {
					if c.op != "Create" {
						return nil
					}
					switch n++; n {
					case 1:
						return both{errCut, time.Second, false} // the gate closes
					case 2:
						return second // of the probe
					}
					return nil
				}}
				u := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1})
				for range 2 { // the first may fail, the second must not hang
					_, err := u.Upload(ctx, key, newSource(bytesOf(1, 10)), inParts())
					if err != nil && (n > 2 || !errors.Is(err, backend.ErrDenied)) {
						t.Fatalf("%v after %d Creates", err, n)
					}
				}
			})
		})
	}
}

// The network fails for a moment after the source has been read for longer than an outage may last. That is no outage of hours.
func TestFoundOutageAfterLongReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(bytesOf(1, 10*partSize))
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 10)}, logs, src, inParts(), errCut)
		src.rewrite(bytesOf(1, 10*partSize))
		src.onRead = func(off int64) {
			if off == 0 {
				<-time.After(3 * time.Hour)
			}
		}
		n := 0
		b := &tap{inner: objects, before: func(c call) error {
			if c.op == "UploadPart" {
				if n++; n == 1 {
					return backend.ErrUnreachable
				}
			}
			return nil
		}}
		if _, err := upload.New(b, logs, &upload.Options{Threshold: -1}).Upload(t.Context(), key, src, inParts()); err != nil {
			t.Error(err)
		}
	})
}

// A store that asks to wait for ever is given up at once.
func TestFoundEndlessRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tap{inner: newStore(), before: func(c call) error {
			if c.op == "UploadPart" {
				<-time.After(time.Second)
				return both{errCut, math.MaxInt64, false}
			}
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(ctx, key, newSource(bytesOf(1, 10)), inParts())
		if !errors.Is(err, errCut) {
			t.Error(err)
		}
	})
}

// A Limiter that lets nothing pass for a while, by its limit or by its burst, holds an upload up for that while.
func TestFoundLimiterThatWasShut(t *testing.T) {
	for name, set := range map[string]func(l *rate.Limiter, open bool){
		"limit": func(l *rate.Limiter, open bool) {
			if l.SetLimit(0); open {
				l.SetLimit(1 << 20)
			}
		},
		"burst": func(l *rate.Limiter, open bool) {
			if l.SetBurst(0); open {
				l.SetBurst(64 << 10)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limiter := rate.NewLimiter(1<<20, 64<<10)
				l := newLink(&link{rtt: 5 * time.Millisecond})
				time.AfterFunc(time.Second, func() { set(limiter, false) })
				time.AfterFunc(time.Minute, func() { set(limiter, true) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				begun := time.Now()
				_, err := l.uploader(&upload.Options{Limiter: limiter}).Upload(ctx, key, upload.NewSource(pattern{}, 16<<20, "pattern", "1"), nil)
				if took := time.Since(begun); err != nil || took < 74*time.Second || took > 77*time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

// A source that does not answer for a while, such as a file server that is started again, is waited for: another connection would wait
// as well.
func TestFoundSlowSourceIsNoStall(t *testing.T) {
	for _, at := range []int64{0, 64 << 10} {
		synctest.Test(t, func(t *testing.T) {
			data := bytesOf(1, 256<<10)
			src := newSource(data)
			src.onRead = func(off int64) {
				if off == at {
					<-time.After(10 * time.Minute)
				}
			}
			l := newLink(&link{rtt: 5 * time.Millisecond, rate: megabyte})
			res, err := l.uploader(&upload.Options{Threshold: -1}).Upload(t.Context(), key, src, nil)
			if err != nil || res.Retries > 0 || res.Hedged > 0 {
				t.Errorf("%v, %+v", err, res)
			}
		})
	}
}
