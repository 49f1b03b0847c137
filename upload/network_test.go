package upload_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/upload"
)

// A line where each connection has little of what there is: 50 ms away, 20 MB/s a connection. 32 connections from the first moment would
// take 0.57 s for 256 MiB.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		size int64
		most time.Duration
	}{
		{256 << 20, 1200 * time.Millisecond},
		{2 << 30, 4300 * time.Millisecond}, // 1.25 times what 32 connections would take
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte})
			s := l.over(t, l.uploader(nil), key, c.size, nil)
			t.Logf("%d MiB: %v, %d connections at most", c.size>>20, s.took, l.peak)
			if s.took > c.most {
				t.Errorf("%d MiB took %v, want %v", c.size>>20, s.took, c.most)
			}
		})
	}
}

// The same line, when all connections share 20 MB/s.
func TestCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte, total: 20 * megabyte})
		s := l.over(t, l.uploader(nil), key, size, nil)
		ideal := time.Duration(float64(size) / 20e6 * float64(time.Second))
		t.Logf("%v, ideal %v, %d connections at most", s.took, ideal, l.peak)
		if s.took > ideal*105/100 || l.peak > 8 {
			t.Errorf("took %v of %v, %d connections", s.took, ideal, l.peak)
		}
	})
}

// Uploads that share an Uploader share its connections.
func TestUploadsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 384 << 20
		l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte, total: 20 * megabyte})
		u := l.uploader(nil)
		var took [3]time.Duration
		var wg sync.WaitGroup
		for i := range took {
			wg.Go(func() { took[i] = l.over(t, u, fmt.Sprint(key, i), size, nil).took })
		}
		wg.Wait()
		t.Logf("%v, %d connections at most", took, l.peak)
		if first, last := slices.Min(took[:]), slices.Max(took[:]); float64(first) < 0.95*float64(last) || l.peak > 8 {
			t.Errorf("%v, %d connections", took, l.peak)
		}
	})
}

// A later upload gets its share of the connections that an earlier one has.
func TestLaterUploadIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte, total: 20 * megabyte})
		u := l.uploader(nil)
		var wg sync.WaitGroup
		wg.Go(func() { l.over(t, u, key, 512<<20, nil) })
		<-time.After(5 * time.Second) // of the bubble's clock
		small := l.over(t, u, key+"small", 32<<20, nil)
		wg.Wait()
		// With half of the line it takes 3.4 s, and may wait for a part of the other before that.
		if small.took > 6*time.Second {
			t.Errorf("32 MiB took %v beside another upload", small.took)
		}
	})
}

// A line that resets every connection after 3 MiB.
func TestLineThatIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		l := newLink(&link{rtt: 20 * time.Millisecond, rate: 20 * megabyte, cutAfter: 3 << 20})
		s := l.over(t, l.uploader(nil), key, size, nil)
		t.Logf("%v, %d connections at most, %d MiB sent, part size %d", s.took, l.peak, s.Sent>>20, s.PartSize)
		if s.PartSize >= 3<<20 || s.Sent > 2*size {
			t.Errorf("part size %d, %d bytes sent", s.PartSize, s.Sent)
		}
	})
}

// One connection in ten is accepted and never answers.
func TestSilentConnections(t *testing.T) {
	took := map[int]time.Duration{}
	for _, silent := range []int{0, 10} {
		synctest.Test(t, func(t *testing.T) {
			const size = 1 << 30
			l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte, silent: silent})
			s := l.over(t, l.uploader(nil), key, size, nil)
			took[silent] = s.took
			t.Logf("%v, %d connections opened, %d retries, %d hedged", s.took, l.opened, s.Retries, s.Hedged)
		})
	}
	if float64(took[10]) > 1.3*float64(took[0]) {
		t.Errorf("%v, without them %v", took[10], took[0])
	}
}

// The store answers 503 for a minute, and asks to come back in 10 s.
func TestBusyStoreIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte})
		l.busy = func(now time.Duration) time.Duration {
			if now > time.Second && now < time.Minute+time.Second {
				return 10 * time.Second
			}
			return 0
		}
		s := l.over(t, l.uploader(nil), key, 1<<30, nil)
		var asked []time.Duration
		for _, at := range l.requests {
			if at > 2*time.Second && at < time.Minute+time.Second {
				asked = append(asked, at)
			}
		}
		t.Logf("%v, %d refused, then asked at %v", s.took, l.refused, asked)
		if len(asked) > 7 {
			t.Errorf("%d requests during the minute: %v", len(asked), asked)
		}
		if s.took > 75*time.Second {
			t.Errorf("took %v", s.took)
		}
	})
}

// The network goes away for an hour.
func TestOutage(t *testing.T) {
	for _, limit := range []time.Duration{0, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(&link{rtt: 50 * time.Millisecond, rate: 20 * megabyte})
			l.away = func(now time.Duration) bool { return now > time.Second && now < time.Hour+time.Second }
			var waited time.Duration
			req := &upload.Request{Progress: func(p upload.Progress) {
				if p.Waiting != "" {
					waited = max(waited, p.WaitingFor)
				}
			}}
			u := l.uploader(&upload.Options{Retry: upload.Retry{Outage: limit}})
			if limit > 0 {
				begun := time.Now()
				_, err := u.Upload(t.Context(), key, upload.NewSource(pattern{}, 1<<30, "pattern", "1"), req)
				if took := time.Since(begun); !errors.Is(err, backend.ErrUnreachable) || took < limit || took > limit+2*time.Minute {
					t.Errorf("%v after %v, the limit is %v", err, took, limit)
				}
				return
			}
			s := l.over(t, u, key, 1<<30, req)
			t.Logf("%v, %d requests, waited %v", s.took, len(l.requests), waited)
			if s.took > time.Hour+time.Minute || waited < 58*time.Minute || len(l.requests) > 800 { // 128 parts, and one request every 10 s
				t.Errorf("took %v, waited %v by its own account, %d requests", s.took, waited, len(l.requests))
			}
		})
	}
}

// The store takes six parts at once and throttles the seventh.
func TestThrottledStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&link{rtt: 50 * time.Millisecond, rate: 5 * megabyte, capacity: 6})
		s := l.over(t, l.uploader(nil), key, 512<<20, nil)
		ideal := 18 * time.Second // 512 MiB at 30 MB/s
		t.Logf("%v of %v, %d connections at most, %d retries", s.took, ideal, l.peak, s.Retries)
		if s.took > ideal*3/2 || s.Retries > 60 {
			t.Errorf("took %v of %v, %d retries", s.took, ideal, s.Retries)
		}
	})
}

// A Limiter of 10 MiB/s that eight uploads share, with a burst as large as a part.
func TestLimitIsEven(t *testing.T) {
	for _, burst := range []int{64 << 10, 8 << 20} {
		synctest.Test(t, func(t *testing.T) {
			const size, limit = 32 << 20, 10 << 20
			l := newLink(&link{rtt: 5 * time.Millisecond})
			var mu sync.Mutex
			windows := map[int64]int{} // bytes in each 10 ms
			l.onRead = func(n int) {
				mu.Lock()
				defer mu.Unlock()
				windows[int64(l.now()/(10*time.Millisecond))] += n
			}
			u := l.uploader(&upload.Options{Limiter: rate.NewLimiter(limit, burst)})
			begun := time.Now()
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() { l.over(t, u, fmt.Sprint(key, i), size, nil) })
			}
			wg.Wait()
			average := 8 * size / time.Since(begun).Seconds()
			most := 0
			for at := range windows {
				sum := 0
				for i := range int64(10) {
					sum += windows[at+i]
				}
				most = max(most, sum)
			}
			t.Logf("burst %d: average %.3f MiB/s, at most %.3f MiB in 100 ms", burst, average/(1<<20), float64(most)/(1<<20))
			if l.peak > 4 {
				t.Errorf("%d connections, though the limit was in the way from the beginning", l.peak)
			}
			if average < 0.97*limit || average > 1.03*limit || most > 2*limit/10 {
				t.Errorf("average %.0f bytes a second, at most %d in 100 ms", average, most)
			}
		})
	}
}

// A limit that is changed while an upload runs holds at once.
func TestLimitChangesWhileAnUploadRuns(t *testing.T) {
	for _, burst := range []int{64 << 10, 8 << 20} {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(&link{rtt: 5 * time.Millisecond})
			limiter := rate.NewLimiter(1<<20, burst)
			var changing sync.WaitGroup
			defer changing.Wait()
			changing.Go(func() {
				<-time.After(10 * time.Second)
				limiter.SetLimit(10 << 20)
				<-time.After(10 * time.Second)
				limiter.SetLimit(20 << 20)
				<-time.After(20 * time.Second)
				limiter.SetLimit(rate.Inf)
			})
			s := l.over(t, l.uploader(&upload.Options{Limiter: limiter}), key, 310<<20, nil)
			// 10 MiB in the first 10 s, 100 in the next, and 200 in the last.
			if s.took < 29*time.Second || s.took > 31*time.Second {
				t.Errorf("burst %d: took %v", burst, s.took)
			}
		})
	}
}
