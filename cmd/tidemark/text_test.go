package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestByteSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64 // -1: refused
	}{
		{"0", 0}, {"4096", 4096}, {"1B", 1}, {"8MiB", 8 << 20}, {"8mib", 8 << 20}, {"10MB", 10e6}, {"1GiB", 1 << 30}, {"1.5G", 3 << 29},
		{"100 KiB", 100 << 10}, {"9223372036854775807", 1<<63 - 1},
		{"", -1}, {"MiB", -1}, {"-1", -1}, {"1e3", -1}, {"0x10", -1}, {"1.0001KiB", -1}, {"8Mb2", -1}, {"8EiB", -1}, {"9000000TiB", -1},
		{"9223372036854775808", -1}, {"NaN", -1}, {"Inf", -1}, {"1..5M", -1}, {"1_000", -1},
	} {
		t.Run(test.text, func(t *testing.T) {
			var got byteSize
			if err := got.UnmarshalText([]byte(test.text)); err != nil {
				got = -1
			}
			if int64(got) != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
	for size, want := range map[byteSize]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 20: "10.0 MiB", 3 << 39: "1.5 TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(size), got, want)
		}
	}
}

func TestByteSizeFlag(t *testing.T) {
	for size, want := range map[byteSize]string{
		0: "0", 1: "1", 4097: "4097", 100 << 10: "100KiB", 6 << 30: "6GiB", 1536 << 20: "1536MiB", 6e9: "6GB", 1 << 40: "1TiB",
	} {
		if got := size.flag(); got != want {
			t.Errorf("%d is written %q, want %q", int64(size), got, want)
		}
		var back byteSize
		if err := back.UnmarshalText([]byte(want)); err != nil || back != size {
			t.Errorf("%q is read as %d (%v), want %d", want, int64(back), err, int64(size))
		}
	}
}

func TestSpan(t *testing.T) {
	const bad = time.Duration(1)
	for text, want := range map[string]time.Duration{
		"7d": 168 * time.Hour, "36h": 36 * time.Hour, "1d12h": 36 * time.Hour, "200ms": 200 * time.Millisecond, "0s": 0, "-7d": -168 * time.Hour,
		"": bad, "5": bad, "d": bad, "1.5d": bad, "7x": bad, "1d-1h": bad, "7d5": bad, "36501d": bad, "99999999999999999999d": bad,
	} {
		var got span
		if err := got.UnmarshalText([]byte(text)); err != nil {
			got = span(bad)
		}
		if time.Duration(got) != want {
			t.Errorf("%q is read as %v, want %v (1ns: refused)", text, time.Duration(got), want)
		}
	}
}

func TestJoinNegatives(t *testing.T) {
	got := joinNegatives([]string{"put", "--limit", "-5", "--older-than", "-.5h", "--json", "-q", "-5", "--part-size=1", "-2", "--", "--limit", "-5"})
	want := []string{"put", "--limit=-5", "--older-than=-.5h", "--json", "-q", "-5", "--part-size=1", "-2", "--", "--limit", "-5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTarget(t *testing.T) {
	for _, test := range []struct {
		url, file string
		want      string // of the key; "!" if refused
	}{
		{"oss://abc/k", "f", "k"},
		{"oss://abc", "d/f", "f"},
		{"oss://abc/", "d/f", "f"},
		{"oss://abc/x/", "d/f", "x/f"},
		{"oss://abc//", "f", "/f"},
		{"oss://abc/%2e%2e/..", "f", "%2e%2e/.."},
		{"oss://abc/x/", "..", "!"},
		{"oss://abc/", "/", "!"},
		{"OSS://abc/k", "f", "!"},
		{"oss://-bc/k", "f", "!"},
	} {
		t.Run(test.url+" "+test.file, func(t *testing.T) {
			var to target
			err := to.UnmarshalText([]byte(test.url))
			if err == nil {
				to, err = to.forFile(test.file)
			}
			got := to.key
			if err != nil {
				got = "!"
			}
			if got != test.want {
				t.Errorf("key %q (%v), want %q", got, err, test.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	file := func(err error) error { return fmt.Errorf("write the checkpoint: %w", mark(err)) }
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, exitDone},
		{"anything", errors.New("x"), exitUnexpected},
		{"invalid", &upload.Error{Err: backend.ErrInvalid}, exitUsage},
		{"denied", &upload.Error{Err: backend.ErrDenied}, exitDenied},
		{"in use", file(&checkpoint.InUseError{}), exitInUse},
		{"superseded", upload.ErrSuperseded, exitInUse},
		{"cancelled", context.Canceled, exitInterrupted},
		{"interrupted while writing", errors.Join(file(errors.New("x")), errInterrupted), exitInterrupted},
		{"no answer", &upload.Error{Err: &oss.Error{Op: "Put"}}, exitTrouble},
		{"throttled", fmt.Errorf("x: %w", backend.ErrThrottled), exitTrouble},
		{"unreachable", &upload.Error{Err: backend.ErrUnreachable}, exitTrouble},
		{"cut by the engine", &upload.Error{Err: fmt.Errorf("%w: no answer for 1m0s", upload.ErrStalled)}, exitTrouble},
		{"source", &upload.Error{Err: upload.ErrSourceChanged}, exitSource},
		{"disk", file(errors.New("x")), exitCheckpoint},
		{"disk, and the abort after it", errors.Join(file(errors.New("x")), backend.ErrDenied), exitCheckpoint},
		{"exists", &upload.Error{Err: backend.ErrExists}, exitExists},
		{"exists, and the abort after it", errors.Join(backend.ErrExists, backend.ErrDenied), exitExists},
		{"undecided", fmt.Errorf("%w: %w", upload.ErrUndecided, backend.ErrExists), exitUnexpected},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("exit code %d, want %d", got, test.want)
			}
		})
	}
}

func TestTransferOptions(t *testing.T) {
	size := func(n byteSize) *byteSize { return &n }
	concurrency := 3
	for _, test := range []struct {
		name             string
		flags            transferFlags
		threshold, burst int64 // burst 0: no limiter
	}{
		{"defaults", transferFlags{}, 0, 0},
		{"all in parts", transferFlags{Threshold: size(0)}, -1, 0},
		{"threshold", transferFlags{Threshold: size(5)}, 5, 0},
		{"slow", transferFlags{Limit: size(1000)}, 0, 64 << 10},
		{"fast", transferFlags{Limit: size(100 << 20)}, 0, 10 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.flags.Concurrency, test.flags.Attempts, test.flags.RetryDelay, test.flags.MaxRetryDelay = &concurrency, 2, 1, 5
			if err := test.flags.Validate(); err != nil {
				t.Fatal(err)
			}
			got := test.flags.options()
			if want := (upload.Retry{Attempts: 2, BaseDelay: 1, MaxDelay: 5, Outage: -1}); got.Concurrency != 3 || got.Retry != want || got.Threshold != test.threshold {
				t.Errorf("options %+v", got)
			}
			switch {
			case (got.Limiter == nil) != (test.burst == 0):
				t.Errorf("limiter %v", got.Limiter)
			case got.Limiter != nil && (int64(got.Limiter.Limit()) != int64(*test.flags.Limit) || int64(got.Limiter.Burst()) != test.burst):
				t.Errorf("limit %v, burst %d; want %d and %d", got.Limiter.Limit(), got.Limiter.Burst(), *test.flags.Limit, test.burst)
			}
		})
	}
}

// The bounds arrive, and so does a time to wait.
func TestTransferBounds(t *testing.T) {
	least, most := 2, 16
	flags := transferFlags{MinConcurrency: &least, MaxConcurrency: &most, Attempts: 1, RetryDelay: 1, MaxRetryDelay: 1, Outage: span(time.Hour)}
	if err := flags.Validate(); err != nil {
		t.Fatal(err)
	}
	want := &upload.Options{
		MinConcurrency: 2, MaxConcurrency: 16,
		Retry: upload.Retry{Attempts: 1, BaseDelay: 1, MaxDelay: 1, Outage: time.Hour},
	}
	if diff := cmp.Diff(want, flags.options()); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestText(t *testing.T) {
	got := []string{
		oneLine(errors.Join(errors.New("a"), errors.New("b\x1b[2J")).Error()),
		plain(fmt.Errorf("key k: %w", backend.ErrInvalid)),
		shellLine([]string{"tidemark", "put", "a b", "it's", "", "x=y", "$(rm)"}),
		goOn([]string{"/usr/bin/tidemark", "put"}),
		goOn([]string{"/tmp/go-build737049476/b001/exe/tidemark", "put"}),
		goOn([]string{"/home/u/.cache/go-build/57/57af-d/tidemark", "put"}),
		(&failure{err: errors.New("a"), remedy: "do b"}).Error(),
	}
	want := []string{"a; b?[2J", "key k", `tidemark put 'a b' 'it'\''s' '' x=y '$(rm)'`,
		"go on with: /usr/bin/tidemark put", "run the same command to go on", "run the same command to go on", "a; do b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
