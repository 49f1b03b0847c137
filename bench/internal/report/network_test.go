package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// networkSample is some figures that are easy to check by hand.
func networkSample() *Report {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	row := func(name, client string, ideal float64, runs ...NetworkRun) NetworkRow {
		for i := range runs {
			runs[i].Seed = uint64(i) + 1
		}
		return NetworkRow{Case: name, Client: client, Size: 100 * mib, Ideal: seconds(ideal), Runs: runs}
	}
	ran := func(wall float64) NetworkRun {
		return NetworkRun{Wall: seconds(wall), Bytes: 100 * mib, Most: 7, Late: 6.5}
	}
	ate := func(wall float64, arrived, eaten int64) NetworkRun {
		return NetworkRun{Wall: seconds(wall), Bytes: arrived * mib, Eaten: eaten * mib, Faults: eaten}
	}
	failed := NetworkRun{Error: "connection reset by peer"}
	two, beside := ran(3), ran(4)
	two.Each = []time.Duration{seconds(2), seconds(3)}
	beside.Beside = 0.25
	trace := func(title string, capacity []Capacity, points int) Trace {
		t := Trace{Title: title, Capacity: capacity, Run: ran(float64(points) / 20)}
		for i := range points {
			t.Points = append(t.Points, TracePoint{At: time.Duration(i+1) * 50 * time.Millisecond, Connections: min(i, 8), Bytes: int64(min(i, 8)) * 1e6})
		}
		return t
	}
	broken := trace("an upload that failed & stopped", nil, 3)
	broken.Run = failed
	r := sample()
	return &Report{
		Machine: r.Machine, Seed: 7, Command: "go run . -scenario network", Clients: r.Clients,
		NetworkClients: []Client{
			{"tidemark", "tidemark", []string{"tidemark this tree"}, "CRC-64", "none"}, {"minio", "minio-go", []string{"minio v7"}, "none", "none"},
		},
		Network: []NetworkRow{
			row(Distance, "tidemark", 0.5, ran(1), ran(1.1), ran(1.5)), row(Distance, "minio", 0.5, ran(4)), row(Distance, "v1", 0.5),
			row(Far, "tidemark", 4, ran(5)),
			row(Capped, "tidemark", 5, ran(5.1)), row(Capped, "minio", 5, ran(5.2), failed),
			row(Two, "tidemark-two", 2.5, two), row(Beside, "tidemark", 2.5, beside),
			row(Faults, "tidemark", 0, ate(1, 110, 10), ate(2, 122, 20)), row(Faults, "minio", 0, ate(2, 115, 10), failed),
			row(Cutting, "tidemark", 0, ate(30, 150, 0)), row(Cutting, "minio", 0, failed),
			row(Silent, "tidemark", 0, ran(2.8)), row(Silent, "minio", 0, failed),
			row(Answering, "tidemark", 0, ran(2)), row(Answering, "minio", 0, ran(3)),
		},
		Traces: []Trace{
			trace("a cap & a change", []Capacity{{0, 160_000_000}, {seconds(0.5), 40_000_000}, {seconds(9), 160_000_000}}, 40),
			trace("no cap", nil, 20), broken, {Title: "no part at all", Run: failed},
		},
	}
}

func TestNetworkPage(t *testing.T) { golden(t, "network.md", networkSample().NetworkPage()) }

func TestNetworkCharts(t *testing.T) {
	charts := networkSample().NetworkCharts()
	if len(charts) != 1 {
		t.Fatalf("%d charts", len(charts))
	}
	svg := charts[0].SVG
	golden(t, charts[0].Name, svg)
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Error("the chart has a number that is none")
	}
}

// A target is told from what finished, and missed by what did not.
func TestNetworkTargets(t *testing.T) {
	r := networkSample()
	for i := range r.Network {
		if row := &r.Network[i]; row.Case == Cutting && row.Client == Ours {
			row.Runs = append(row.Runs, NetworkRun{Error: "cut"})
		}
	}
	var got []string
	for _, g := range r.networkTargets() {
		got = append(got, fmt.Sprintf("%s %.3f %t", g.what, g.value, g.met()))
	}
	want := []string{
		"distance: finished, of 3 3.000 true",
		"distance, 256 MiB: seconds 1.100 true",
		"far: finished, of 1 1.000 true",
		"distance, 2 GiB: to 32 connections from the first moment 1.250 true",
		"capped: finished, of 1 1.000 true",
		"capped: to bytes over the cap 1.020 true",
		"capped: connections held, mean of the second half, the most of the runs 6.500 true",
		"two: finished, of 1 1.000 true",
		"two at once: the later to the earlier, the most of the runs 1.500 false",
		"beside: finished, of 1 1.000 true",
		"beside one other connection: its share, the least of the runs 0.250 true",
		"faults: finished, of 2 2.000 true",
		"faults: bytes sent again per byte that faults ate 1.067 false",
		"faults: wall to minio-go's 0.750 true",
		"cutting: finished, of 2 1.000 false",
		"silent: finished, of 1 1.000 true",
		"one connection in ten silent: wall to that without 1.400 false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What was not measured is left out, and hinders nothing.
func TestPartOfNetworks(t *testing.T) {
	r := &Report{Network: []NetworkRow{{Case: Silent, Client: "v1", Size: 1, Runs: []NetworkRun{{Wall: time.Second}}}}}
	if tables := r.NetworkTables(); len(tables) != 1 || tables[0].Title != "Connections that never answer" {
		t.Errorf("%+v", tables)
	}
	if got := (&Report{}).NetworkTables(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	if got := (&Report{}).NetworkCharts(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}
