package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// TestMain lets the test's own program be the server and the clients, as bench itself is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		known, err := play(context.Background(), os.Args[1], os.Args[2], os.Stdin, os.Stdout)
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		if known {
			return
		}
	}
	os.Exit(m.Run())
}

// needUsage skips where the system does not tell what a process used; on Linux it must.
func needUsage(t *testing.T) {
	t.Helper()
	_, err := countUsage()
	if err != nil && runtime.GOOS != "linux" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAll does all that bench does, with little files.
func TestAll(t *testing.T) {
	needUsage(t)
	t.Parallel()
	dir := t.TempDir()
	docs, files, checkpoints := filepath.Join(dir, "docs"), filepath.Join(dir, "files"), filepath.Join(dir, "checkpoints")
	for _, d := range []string{docs, files, checkpoints} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	saved := filepath.Join(dir, "report.json")
	var out, progress bytes.Buffer
	// S3 clients take no parts below 5 MiB, and one of them no parts at all below 16 MiB. The seed is fixed, for it only orders.
	err := command(t.Context(), []string{
		"-all", "-cases=distance", "-shrink=1000", "-network-rounds=1", "-peer-rounds=1", "-rounds=1", "-size=20971521", "-part-size=5242880", "-parts=20,60", "-kill-parts=600", "-kills=1", "-seed=1",
		"-dir=" + files, "-checkpoints=" + checkpoints, "-o=" + docs, "-json=" + saved,
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
	measured := map[string]bool{}
	for _, row := range r.Rows {
		measured[row.Scenario+" "+row.Client] = true
		for _, s := range row.Samples {
			// A process that has not 1 MiB, or an upload in no time, was not measured.
			if s.Peak < 1<<20 || s.Wall <= 0 {
				t.Errorf("%s %s: %+v", row.Scenario, row.Client, s)
			}
			if row.Client == "tidemark" && row.Scenario == "parts-60" && (s.Written < 60*50 || s.Written > 1<<20) {
				t.Errorf("the checkpoint of 60 parts took %d bytes", s.Written)
			}
		}
		if len(row.Samples) != 1 {
			t.Errorf("%s %s: %d samples in one round", row.Scenario, row.Client, len(row.Samples))
		}
	}
	for _, c := range client.All() {
		for _, scenario := range []string{report.Plain, report.TLS} {
			if !measured[scenario+" "+c.Name] && c.Name != "nothing" {
				t.Errorf("%s: %s is missing", scenario, c.Name)
			}
		}
	}
	for _, k := range r.Kills {
		if k.Acknowledged < 300 || k.ListParts <= 0 || k.FirstNew < k.FirstPart || k.FirstNew == 0 {
			t.Errorf("%+v", k)
		}
		if k.Client == "tidemark" && k.Resent > 0 {
			t.Errorf("%d acknowledged parts were sent again", k.Resent)
		}
	}
	for _, c := range client.Defaults() {
		if !slices.ContainsFunc(r.Network, func(row report.NetworkRow) bool {
			return row.Client == c.Name && len(row.Runs) == 1 && row.Runs[0].Error == ""
		}) {
			t.Errorf("at its defaults, %s did not upload: %+v", c.Name, r.Network)
		}
	}
	if len(r.Kills) != 3 {
		t.Errorf("%d kills, not one of each client that resumes", len(r.Kills))
	}

	page, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Killed at half", "github.com/minio/minio-go/v7 v7.", "performance-cpu.svg", r.Machine.CPU} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, d := range []string{files, checkpoints} {
		if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", d, left, err)
		}
	}

	// What was saved makes the same page again.
	again := filepath.Join(dir, "again")
	if err := os.Mkdir(again, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), []string{"-from=" + saved, "-o=" + again}, &out, &progress); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(filepath.Join(again, "performance.md")); err != nil || !bytes.Equal(second, page) {
		t.Errorf("made from what was saved, the page is another: %v", err)
	}
}

// cancelAfter cancels when something was written so many times.
type cancelAfter struct {
	writes int
	cancel context.CancelFunc
}

func (c *cancelAfter) Write(p []byte) (int, error) {
	if c.writes--; c.writes == 0 {
		c.cancel()
	}
	return len(p), nil
}

// What was measured before an interruption is shown, but not published.
func TestInterrupted(t *testing.T) {
	needUsage(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	docs := t.TempDir()
	var out bytes.Buffer
	// The seed is the first thing that is written, the first upload the second.
	err := command(ctx, []string{"-scenario=gib", "-clients=raw,v1", "-size=1048576", "-part-size=102400", "-dir=" + t.TempDir(),
		"-checkpoints=" + t.TempDir(), "-o=" + docs}, &out, &cancelAfter{writes: 2, cancel: cancel})
	if err == nil {
		t.Error("it was interrupted, and says nothing of it")
	}
	if !strings.Contains(out.String(), "Plain HTTP") {
		t.Errorf("one upload was measured, and this is shown:\n%s", out.String())
	}
	if written, err := os.ReadDir(docs); err != nil || len(written) > 0 {
		t.Errorf("published: %v, %v", written, err)
	}
}

func TestCommandRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing to do":   {nil, "give -all"},
		"no scenario":     {[]string{"-scenario=gibs"}, `no scenario "gibs"`},
		"no client":       {[]string{"-all", "-clients=v1,v3"}, `no client "v3"`},
		"too many parts":  {[]string{"-all", "-parts=10001"}, "10001"},
		"no rounds":       {[]string{"-all", "-rounds=0"}, "-rounds"},
		"a word too many": {[]string{"-all", "gib"}, `"gib" is not a flag`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := command(t.Context(), test.args, &out, &out)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, not one with %q", err, test.want)
			}
		})
	}
}
