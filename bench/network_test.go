package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// TestNetwork runs each case and each trace with the least file. What lies between client and server is as large as ever, so most of the
// time is waited.
func TestNetwork(t *testing.T) {
	needUsage(t)
	t.Parallel()
	dir := t.TempDir()
	saved := filepath.Join(dir, "report.json")
	var out, progress bytes.Buffer
	err := command(t.Context(), []string{
		"-scenario=network", "-shrink=1000", "-network-rounds=1", "-peer-rounds=1", "-fault-seeds=1", "-limit=20s",
		"-clients=tidemark,tidemark-two,raw-32", "-dir=" + t.TempDir(), "-checkpoints=" + t.TempDir(), "-o=" + dir, "-json=" + saved,
	}, &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.Bytes())
	}
	text, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Network) != 12 {
		t.Errorf("%d rows:\n%s", len(r.Network), progress.Bytes())
	}
	for _, row := range r.Network {
		if len(row.Runs) != 1 {
			t.Errorf("%s, %s: %d runs", row.Case, row.Client, len(row.Runs))
			continue
		}
		run := row.Runs[0]
		// Whether it comes through a line that cuts, or is silent, is measured and not demanded.
		if run.Error != "" && row.Case != report.Cutting && row.Case != report.Silent {
			t.Errorf("%s, %s: %s", row.Case, row.Client, run.Error)
		}
		ideal := carries(row.Size, capped.TotalRate)
		switch row.Case {
		case report.Distance, report.Far:
			if run.Wall < 4*distant.RTT || run.Most < 1 || run.Late == 0 {
				t.Errorf("%s, %s: %v, %d connections, %g in the second half", row.Case, row.Client, run.Wall, run.Most, run.Late)
			}
		case report.Capped:
			if run.Wall < ideal {
				t.Errorf("%s, %s: %v", row.Case, row.Client, run.Wall)
			}
		case report.Two:
			if len(run.Each) != 2 || run.Each[0] < ideal || max(run.Each[0], run.Each[1]) < 2*ideal {
				t.Errorf("%s: %v", row.Case, run.Each)
			}
		case report.Beside:
			if run.Beside < 0.02 || run.Beside > 0.6 || len(run.Each) != 2 {
				t.Errorf("%s: share %g", row.Case, run.Beside)
			}
		case report.Cutting:
			if run.Bytes == 0 {
				t.Errorf("%s: nothing arrived", row.Case)
			}
		}
	}
	if len(r.Traces) != 6 {
		t.Errorf("%d traces", len(r.Traces))
	}
	for _, trace := range r.Traces {
		var bytes int64
		for _, p := range trace.Points {
			bytes += p.Bytes
		}
		if trace.Run.Error != "" || bytes < leastSize {
			t.Errorf("%s: %s, %d bytes drawn", trace.Title, trace.Run.Error, bytes)
		}
	}
	for name, want := range map[string]bool{"network.md": true, "network-traces.svg": true, "performance.md": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhole(t *testing.T) {
	f := file{crc: 7}
	object := discard.Object{Key: "key", Size: 10, CRC64: 7, Completed: 30}
	for name, test := range map[string]struct {
		change func(*discard.Object)
		want   string // empty: no error
	}{
		"whole":         {func(*discard.Object) {}, ""},
		"signed chunks": {func(o *discard.Object) { o.CRC64 = 0 }, ""},
		"a byte less":   {func(o *discard.Object) { o.Size-- }, "9 bytes"},
		"other content": {func(o *discard.Object) { o.CRC64 = 8 }, "CRC-64"},
		"another's":     {func(o *discard.Object) { o.Key = "other" }, "no object"},
	} {
		t.Run(name, func(t *testing.T) {
			o := object
			test.change(&o)
			each, err := whole([]discard.Object{o}, []string{"key"}, f, 10, 10)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, not one with %q", err, test.want)
			}
			if err == nil && (len(each) != 1 || each[0] != 20) {
				t.Errorf("took %v", each)
			}
		})
	}
}

// What is told of samples: those after the last bytes do not count, and only those in which both had bytes do for the share.
func TestSamples(t *testing.T) {
	own, both, other, none := map[string]int64{"a": 8}, map[string]int64{"a": 6, "b": 2}, map[string]int64{"b": 8}, map[string]int64(nil)
	samples := []discard.Sample{{Active: 1, Bytes: own}, {Active: 2, Bytes: both}, {Active: 4, Bytes: other}, {Active: 6, Bytes: both}, {Active: 0, Bytes: none}}
	if got := late(samples); got != 5 {
		t.Errorf("%g in the second half", got)
	}
	if got := share(samples, "b"); got != 12.0/24 {
		t.Errorf("share %g", got)
	}
	if late(nil) != 0 || share(nil, "a") != 0 || share(samples[:1], "a") != 0 {
		t.Error("something of nothing")
	}
}

func TestFirstLine(t *testing.T) {
	job := client.Job{Endpoint: "http://127.0.0.1:80", Key: "key-1", File: "/dir/file", CheckpointDir: "/cp"}
	for text, want := range map[string]string{
		"bench: v1: put http://127.0.0.1:80/key-1: cut | 127.0.0.1:99->127.0.0.1:80\nmore": "put http://server/KEY: cut / client->server",
		"warning\nbench: v1: /dir/file in /cp":                                             "FILE in DIR",
		"bench: v1: " + strings.Repeat("a", 100) + strings.Repeat("b", 100):                strings.Repeat("a", 80) + "…" + strings.Repeat("b", 80),
	} {
		if got := firstLine(&processError{roleUpload, text, errors.New("exit status 1")}, "v1", job); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// Small networks are for tests, and large enough to go in parts.
func TestShrink(t *testing.T) {
	s := settings{shrink: 8, limit: time.Hour}
	for _, group := range s.networkCases() {
		for _, c := range group {
			if c.size < leastSize || c.size > 256*mib {
				t.Errorf("%s: %d bytes", c.name, c.size)
			}
			if c.limit > patience && c.name == report.Silent {
				t.Errorf("%s: %v", c.name, c.limit)
			}
		}
	}
}
