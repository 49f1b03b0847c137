package upload_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// deniedLater is a refusal for good that names a time.
type deniedLater struct{ retryLater }

func (*deniedLater) Unwrap() error { return backend.ErrDenied }

// The store asks to wait. However the one request ends that asks again for all, the next one goes.
func TestWhoeverAsksForAllLetsTheNextOneGo(t *testing.T) {
	for name, end := range map[string]func(cancel func()) error{
		"denied":             func(func()) error { return &deniedLater{retryLater{time.Minute}} },
		"cancelled":          func(cancel func()) error { cancel(); return context.Canceled },
		"invalid":            func(func()) error { return backend.ErrInvalid },
		"failed":             func(func()) error { return errCut },
		"out of patience":    func(func()) error { return &retryLater{5 * time.Hour} },
		"asked to wait more": func(func()) error { return &retryLater{time.Minute} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var mu sync.Mutex
				calls := 0
				b := &tap{inner: newStore(), before: func(c call) error {
					if c.op != "UploadPart" {
						return nil
					}
					mu.Lock()
					calls++
					n := calls
					mu.Unlock()
					switch n {
					case 1:
						return &retryLater{time.Second}
					case 2:
						<-time.After(time.Second) // the other one comes meanwhile
						return end(cancel)
					}
					return nil
				}}
				u := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1})
				first := make(chan error)
				go func() {
					_, err := u.Upload(ctx, key, newSource(bytesOf(1, 10)), inParts())
					first <- err
				}()
				<-time.After(1500 * time.Millisecond)
				begun := time.Now()
				data := bytesOf(2, 3*partSize)
				other := newSource(data)
				other.id = "other"
				if _, err := u.Upload(t.Context(), "other", other, inParts()); err != nil {
					t.Errorf("the other upload: %v", err)
				}
				if took := time.Since(begun); took > 3*time.Minute {
					t.Errorf("the other upload took %v", took)
				}
				<-first
			})
		})
	}
}

// While the store cannot be reached, many uploads ask by one request at a time.
func TestOneRequestAsksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asking, most := 0, 0
		away := true
		b := &tap{inner: newStore()}
		begun := time.Now()
		b.before = func(c call) error {
			if c.op != "UploadPart" || time.Since(begun) > 10*time.Minute {
				return nil
			}
			mu.Lock()
			asking++
			if !away {
				most = max(most, asking)
			}
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			if asking--; asking == 0 {
				away = false // those that were under way when the gate closed have ended
			}
			return errAway
		}
		u := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				src := newSource(bytesOf(uint64(i), 5*partSize))
				src.id = fmt.Sprint("source ", i)
				if _, err := u.Upload(t.Context(), fmt.Sprint(key, i), src, inParts()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 || b.count("UploadPart") > 200 {
			t.Errorf("%d at once, %d in all", most, b.count("UploadPart"))
		}
	})
}

// A store that was never reached is given up after Attempts, and one that asks for longer than the outage may last at once.
func TestOutageHasBounds(t *testing.T) {
	for name, c := range map[string]struct {
		op    string
		fails error
		tries int
	}{
		"never reached":           {"Create", errAway, upload.DefaultAttempts},
		"asks for longer than it": {"UploadPart", &retryLater{3 * time.Hour}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &tap{inner: newStore(), before: func(call call) error {
					if call.op == c.op {
						return c.fails
					}
					return nil
				}}
				begun := time.Now()
				_, err := upload.New(b, checkpoint.NewMemory(), &upload.Options{Threshold: -1}).Upload(t.Context(), key, newSource(bytesOf(1, 10)), inParts())
				if !errors.Is(err, c.fails) || b.count(c.op) != c.tries || time.Since(begun) > 5*time.Minute {
					t.Errorf("%v after %d tries and %v", err, b.count(c.op), time.Since(begun))
				}
			})
		})
	}
}

// A connection of old that is reset while the network is away says nothing of the network.
func TestResetDoesNotEndAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		begun := time.Now()
		b := &tap{inner: newStore()}
		b.before = func(c call) error {
			if c.op != "UploadPart" {
				return nil
			}
			mu.Lock()
			at = append(at, time.Since(begun))
			n := len(at)
			mu.Unlock()
			switch n {
			case 1:
				<-time.After(time.Millisecond) // so that the other part is under way as well
				return errAway
			case 2:
				<-time.After(time.Second)
				return errCut
			}
			return nil
		}
		opts := &upload.Options{Threshold: -1, Concurrency: 2, Retry: upload.Retry{BaseDelay: time.Hour, MaxDelay: time.Hour, Outage: 2 * time.Hour}}
		if _, err := upload.New(b, checkpoint.NewMemory(), opts).Upload(t.Context(), key, newSource(bytesOf(1, 2*partSize)), inParts()); err != nil {
			t.Fatal(err)
		}
		if len(at) != 4 || at[2] <= time.Second { // of up to an hour
			t.Errorf("parts were asked to be taken at %v", at)
		}
	})
}

// While other parts are stored, the waits of one that fails do not grow.
func TestWaitsDoNotGrowWhileOthersMakeProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []time.Time
		b := &tap{inner: newStore()}
		b.before = func(c call) error {
			switch {
			case c.op != "UploadPart":
			case c.number == 1 && len(failed) < 12:
				failed = append(failed, time.Now())
				return errCut
			case c.number > 1:
				<-time.After(100 * time.Millisecond)
			}
			return nil
		}
		opts := &upload.Options{Concurrency: 2, Threshold: -1, Retry: upload.Retry{BaseDelay: time.Second, MaxDelay: time.Hour}}
		if _, err := upload.New(b, checkpoint.NewMemory(), opts).Upload(t.Context(), key, newSource(bytesOf(1, 500*partSize)), inParts()); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(failed); i++ {
			if wait := failed[i].Sub(failed[i-1]); wait > 2*time.Second {
				t.Errorf("waited %v before try %d", wait, i+1)
			}
		}
	})
}
