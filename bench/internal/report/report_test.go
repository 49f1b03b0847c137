package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds got against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s, -want +got:\n%s", name, diff)
	}
}

// sample is some figures that are easy to check by hand.
func sample() *Report {
	row := func(scenario, client string, parts int, size int64, seconds ...float64) Row {
		r := Row{Scenario: scenario, Client: client, Parts: parts, Size: size}
		for _, s := range seconds {
			wall := time.Duration(s * float64(time.Second))
			r.Samples = append(r.Samples, Sample{Wall: wall, CPU: 2 * wall, Peak: int64(100 * s * mib), Written: int64(s * mib)})
		}
		return r
	}
	const kib100 = 100 << 10
	return &Report{
		Machine: Machine{CPU: "CPU & co", Cores: 2, Memory: "8 GB", Kernel: "Linux 6", Go: "go1", Revision: "abc", Date: "today", Load: "0, 0, 0", Files: "tmpfs", Checkpoints: "ext4"},
		Seed:    7, Command: "go run . -all", Workers: 8,
		Clients: []Client{
			{"tidemark", "tidemark, File store", []string{"tidemark this tree"}, "CRC-64", "none"},
			{"tidemark-memory", "tidemark, Memory store", []string{"tidemark this tree"}, "CRC-64", "none"},
			{"raw", "net/http", nil, "none", "none"},
			{"v1", "Go SDK v1", []string{"v1 v3"}, "CRC-64", "none"},
			{"v1-checkpoint", "Go SDK v1, checkpoint", []string{"v1 v3"}, "CRC-64", "checkpoint"},
		},
		Rows: []Row{
			row(Plain, "tidemark", 128, gib, 0.2, 0.1, 0.3), row(Plain, "raw", 128, gib, 0.1, 0.15, 0.2), row(Plain, "v1", 128, gib, 0.5, 0.6),
			row(TLS, "tidemark", 128, gib, 0.4), row(TLS, "v1", 128, gib, 0.6), row(TLS, "raw", 128, gib),
			row("parts-1000", "tidemark", 1000, 1000*kib100, 0.1), row("parts-1000", "v1-checkpoint", 1000, 1000*kib100, 1),
			row("parts-10000", "tidemark", 10000, 10000*kib100, 1), row("parts-10000", "tidemark-memory", 10000, 10000*kib100, 1),
			row("parts-10000", "v1-checkpoint", 10000, 10000*kib100, 90),
			row(Memory, "tidemark", 32, 2*gib, 0.33), row(Memory, "v1", 32, 2*gib, 0.12),
		},
		Kills: []Kill{
			{Client: "tidemark", Acknowledged: 5000, InFlight: 8, InFlightStored: 2, FirstPart: 30 * time.Millisecond, FirstNew: 30 * time.Millisecond, ListParts: 10 * time.Millisecond},
			{Client: "tidemark", Acknowledged: 5002, InFlight: 6, FirstPart: 34 * time.Millisecond, FirstNew: 34 * time.Millisecond, ListParts: 12 * time.Millisecond},
			{Client: "v1-checkpoint", Acknowledged: 5000, Resent: 4800, ResentBytes: 4800 * kib100, InFlight: 8, FirstPart: time.Second, FirstNew: 2 * time.Second, ListParts: 10 * time.Millisecond},
		},
	}
}

func TestPage(t *testing.T) { golden(t, "performance.md", sample().Page()) }

func TestText(t *testing.T) {
	var b bytes.Buffer
	for _, table := range sample().Tables() {
		if err := table.WriteText(&b); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "tables.txt", b.Bytes())
}

func TestCharts(t *testing.T) {
	charts := sample().Charts()
	if len(charts) != 3 {
		t.Errorf("%d charts", len(charts))
	}
	for _, c := range charts {
		golden(t, c.Name, c.SVG)
		// A browser shows nothing of a picture that is not well-formed.
		for d := xml.NewDecoder(bytes.NewReader(c.SVG)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}
		if bytes.Contains(c.SVG, []byte("NaN")) || bytes.Contains(c.SVG, []byte("Inf")) {
			t.Errorf("%s has a number that is none", c.Name)
		}
	}
}

// What was not measured is left out, and hinders nothing.
func TestPartOfIt(t *testing.T) {
	r := &Report{Rows: []Row{{Scenario: Plain, Client: "v1", Parts: 1, Size: gib, Samples: []Sample{{Wall: time.Second, Written: -1}}}}}
	tables := r.Tables()
	if len(tables) != 1 || tables[0].Title != "Plain HTTP" {
		t.Errorf("%+v", tables)
	}
	if page := string(r.Page()); strings.Contains(page, chartParts) || strings.Contains(page, "Killed") {
		t.Errorf("the page shows what is not there:\n%s", page)
	}
	if got := (&Report{}).Tables(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{5, 1, 2}, spread{2, 1, 5}},
	} {
		if got := spreadOf(test.values, func(v float64) float64 { return v }); got != test.want {
			t.Errorf("%v: %v, not %v", test.values, got, test.want)
		}
	}
}

func TestStep(t *testing.T) {
	var got []string
	for _, top := range []float64{0, 0.9, 1.4, 2.77, 273, 662} {
		got = append(got, fmt.Sprintf("%g", step(top)))
	}
	if diff := cmp.Diff([]string{"1", "0.2", "0.5", "1", "100", "200"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
