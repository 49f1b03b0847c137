package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// tidemark is this library, one part at a time as the SDK's default is.
func (a *arena) tidemark() uploader {
	return uploader{
		name: "tidemark",
		upload: func(ctx context.Context, hc *http.Client, dir, path, key string) error {
			bucket, err := oss.Open("tide", oss.Config{Endpoint: a.srv.URL, HTTPClient: hc, AccessKeyID: a.srv.AccessKeyID, AccessKeySecret: a.srv.AccessKeySecret})
			if err != nil {
				return err
			}
			logs, err := checkpoint.NewFile(dir)
			if err != nil {
				return err
			}
			u := upload.New(oss.New(bucket, nil), logs, &upload.Options{Concurrency: 1, Threshold: -1, Retry: quick})
			_, err = u.UploadFile(ctx, key, path, &upload.Request{PartSize: partSize})
			return err
		},
		left: func(dir string) (ids []string, err error) {
			logs, err := checkpoint.NewFile(dir)
			if err != nil {
				return nil, err
			}
			for id, err := range logs.IDs(context.Background()) {
				if err != nil {
					return nil, err
				}
				ids = append(ids, id)
			}
			return ids, nil
		},
	}
}

// uploadFile is the SDK's Bucket.UploadFile with a checkpoint and one goroutine, which is its default. (With more, those that are left
// when one part fails wait for ever, and they would be more of the same.)
func (a *arena) uploadFile() uploader {
	return uploader{
		name: "UploadFile",
		upload: func(_ context.Context, hc *http.Client, dir, path, key string) error {
			return a.bucket(hc).UploadFile(key, path, partSize, sdk.Checkpoint(true, filepath.Join(dir, "cp")), sdk.Routines(1))
		},
		caughtUp: func(dir string, u backend.Upload, parts int) {
			// Another of its goroutines notes a part while the next is being sent. To its favour, it has always done so in time.
			deadline, tick := time.NewTimer(2*time.Second), time.NewTicker(100*time.Microsecond)
			defer deadline.Stop()
			defer tick.Stop()
			for noted(filepath.Join(dir, "cp"), u.ID) < parts {
				select {
				case <-deadline.C:
					return
				case <-tick.C:
				}
			}
		},
		left: func(dir string) ([]string, error) { return filepath.Glob(filepath.Join(dir, "*")) },
	}
}

// noted counts the parts that the SDK's checkpoint has of an upload.
func noted(path, id string) (n int) {
	var cp struct {
		UploadID string
		Parts    []struct{ IsCompleted bool }
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &cp) != nil || cp.UploadID != id {
		return 0
	}
	for _, p := range cp.Parts {
		if p.IsCompleted {
			n++
		}
	}
	return n
}

// TestSweepSees holds the sweep against uploaders that are as bad as can be.
func TestSweepSees(t *testing.T) {
	a := newArena(t)
	left := func(dir string) ([]string, error) { return filepath.Glob(filepath.Join(dir, "*")) }
	whole := func(hc *http.Client, path, key string) error { return a.bucket(hc).UploadFile(key, path, partSize) }
	for _, c := range []struct {
		name     string
		schedule string
		want     []string
		upload   func(ctx context.Context, hc *http.Client, dir, path, key string) error
	}{
		{"says yes", "", []string{untrue}, func(context.Context, *http.Client, string, string, string) error { return nil }},
		{"says no", "", []string{stuck, resent, twice}, func(_ context.Context, hc *http.Client, _, path, key string) error {
			return errors.Join(whole(hc, path, key), errors.New("no"))
		}},
		{"another object", "", []string{mixed, untrue}, func(_ context.Context, _ *http.Client, _, path, key string) error {
			return a.admin.PutObject(key, strings.NewReader(path))
		}},
		{"tidies up when it is dead", "UploadPart#2 crash-before", []string{resent, leaked, forgotten}, func(_ context.Context, hc *http.Client, dir, path, key string) error {
			note := filepath.Join(dir, "note")
			if _, err := os.Stat(note); err == nil { // so its death did not count
				return whole(hc, path, key)
			}
			return cmp.Or(os.WriteFile(note, nil, 0o600), errors.Join(whole(hc, path, key), os.Remove(note)))
		}},
		{"publishes twice", "", []string{resent, twice}, func(_ context.Context, hc *http.Client, _, path, key string) error {
			return cmp.Or(whole(hc, path, key), whole(hc, path, key))
		}},
		{"leaves an upload", "", []string{leaked}, func(_ context.Context, hc *http.Client, _, path, key string) error {
			up, err := a.admin.InitiateMultipartUpload(key)
			if err == nil {
				_, err = a.admin.UploadPart(up, strings.NewReader("x"), 1, 1)
			}
			return cmp.Or(err, whole(hc, path, key))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := fault.Parse(c.schedule)
			if err != nil {
				t.Fatal(err)
			}
			end, err := a.play(uploader{name: c.name, upload: c.upload, left: left}, s)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, way := range badEnds {
				if end.bad[way] {
					got = append(got, way)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// faultsOf are all that can go wrong with the calls, which are those of a process or two, one at a time.
func faultsOf(calls []fault.Call) (list []fault.Fault) {
	count := map[string]int{}
	for _, c := range calls {
		count[c.Op]++
	}
	for _, op := range slices.Sorted(maps.Keys(count)) {
		for n := 1; n <= count[op]; n++ {
			for _, kind := range append(fault.Failures(op), fault.Events()...) {
				f := fault.Fault{Op: op, N: n, Kind: kind}
				switch kind {
				case fault.Occupied: // another's object is no mix, but here it would count as one
				case fault.Stale: // the service lists what it has
				case fault.Late, fault.CrashLate:
					next := f
					next.In = 1
					list = append(list, f, next)
				default:
					list = append(list, f)
				}
			}
		}
	}
	return list
}

// tally is what became of many schedules.
type tally struct {
	mu        sync.Mutex
	schedules int
	bad       int            // in at least one way
	ways      map[string]int // of ending badly; one schedule may end in several
	first     map[string]string
	resent    int // parts
	unfired   int
}

func (y *tally) add(s fault.Schedule, end ending) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if end.unfired != nil {
		y.unfired++
		return
	}
	y.schedules++
	y.resent += end.resent
	bad := false
	for way, is := range end.bad {
		if !is {
			continue
		}
		bad = true
		y.ways[way]++
		if at := y.first[way]; at == "" || cmp.Or(cmp.Compare(len(s.String()), len(at)), strings.Compare(s.String(), at)) < 0 {
			y.first[way] = s.String()
		}
	}
	if bad {
		y.bad++
	}
}

// sweep plays each schedule.
func (a *arena) sweep(who uploader, y *tally, schedules []fault.Schedule, each func(fault.Schedule, ending)) {
	var wg sync.WaitGroup
	jobs := make(chan fault.Schedule)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := range jobs {
				end, err := a.play(who, s)
				if err != nil {
					a.t.Errorf("%s: %v", who.name, err)
					continue
				}
				y.add(s, end)
				each(s, end)
			}
		})
	}
	for _, s := range schedules {
		jobs <- s
	}
	close(jobs)
	wg.Wait()
}

// TestSweepBesideSDK interrupts this library and the SDK's UploadFile, below both, at every request of an upload of three parts, in every
// way. Ours must end well each time; what becomes of the other is logged. TIDEMARK_SDK_PAIRS=1 takes every two interruptions as well,
// which takes minutes; TIDEMARK_SCHEDULE="UploadPart#2 lost" that schedule alone.
func TestSweepBesideSDK(t *testing.T) {
	a := newArena(t)
	for _, who := range []uploader{a.tidemark(), a.uploadFile()} {
		t.Run(who.name, func(t *testing.T) {
			if text := os.Getenv("TIDEMARK_SCHEDULE"); text != "" {
				s, err := fault.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				end, err := a.play(who, s)
				t.Logf("%v: %v, %v, %v", s, end.bad, end.unfired, err)
				for _, c := range end.calls {
					t.Logf("%v (took effect: %t)", c, c.Effect)
				}
				return
			}
			clean, err := a.play(who, nil)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var singles, pairs []fault.Schedule
			for _, f := range faultsOf(clean.calls) {
				singles = append(singles, fault.Schedule{f})
			}
			one := &tally{ways: map[string]int{}, first: map[string]string{}}
			began := time.Now()
			a.sweep(who, one, singles, func(s fault.Schedule, end ending) {
				// What can go wrong next is what was called after this had.
				fired := slices.IndexFunc(end.calls, func(c fault.Call) bool { return c.Kind != "" })
				mu.Lock()
				defer mu.Unlock()
				for _, f := range faultsOf(end.calls[fired+1:]) {
					pairs = append(pairs, fault.Schedule{s[0], f})
				}
			})
			report(t, who, "one interruption", one, time.Since(began))
			if os.Getenv("TIDEMARK_SDK_PAIRS") == "" {
				return
			}
			two := &tally{ways: map[string]int{}, first: map[string]string{}}
			began = time.Now()
			a.sweep(who, two, pairs, func(fault.Schedule, ending) {})
			report(t, who, "two interruptions", two, time.Since(began))
		})
	}
}

func report(t *testing.T, who uploader, what string, y *tally, took time.Duration) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s: %d schedules in %v (%d more did not come about), %d end badly:", who.name, what, y.schedules, took.Round(time.Second/10), y.unfired, y.bad)
	for _, way := range badEnds {
		if y.ways[way] > 0 {
			fmt.Fprintf(&text, "\n%6d %s, such as %q", y.ways[way], way, y.first[way])
		}
	}
	fmt.Fprintf(&text, "\n%6d parts sent again after they had been acknowledged", y.resent)
	t.Log(text.String())
	if who.name == "tidemark" && y.bad > 0 {
		t.Errorf("%d schedules ended badly; TIDEMARK_SCHEDULE shows the requests of one", y.bad)
	}
	if y.schedules < 90 || y.unfired > 0 {
		t.Errorf("%d schedules were played, %d did not come about", y.schedules, y.unfired)
	}
}
