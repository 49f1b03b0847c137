package report

import (
	"fmt"
	"slices"
	"time"
)

// NetworkRun is one upload over a network.
type NetworkRun struct {
	Seed  uint64
	Wall  time.Duration // of the call
	Error string        // why it failed, one line; empty if it did not

	Bytes  int64 // of parts that arrived at the server
	Eaten  int64 // of these, with requests to which a fault happened
	Faults int64 // that happened

	Most int     // parts at once
	Late float64 // parts at once, the mean of the second half

	Each   []time.Duration // since the start until each of the uploads was complete
	Beside float64         // what an upload beside it, over one connection, got of all bytes while both ran
}

func (r NetworkRun) String() string {
	if r.Error != "" {
		return "failed: " + r.Error
	}
	return fmt.Sprintf("wall %7.3f s, %.1f MiB arrived, %d faults ate %.1f MiB, %d parts at once, %.1f in the second half",
		r.Wall.Seconds(), float64(r.Bytes)/mib, r.Faults, float64(r.Eaten)/mib, r.Most, r.Late)
}

// NetworkRow is a client at its own defaults in a case.
type NetworkRow struct {
	Case   string
	Client string        // its name
	Size   int64         // bytes of the file
	Ideal  time.Duration // what the link needs; 0: not told
	Runs   []NetworkRun
}

// Trace is what this library did on a link over time.
type Trace struct {
	Title    string
	Capacity []Capacity // of the link, in order; none: not told
	Run      NetworkRun
	Points   []TracePoint
}

// Capacity is what a link has since some time after the first part.
type Capacity struct {
	From time.Duration
	Rate int64 // bytes per second
}

// TracePoint is a short while.
type TracePoint struct {
	At          time.Duration // its end, since the first part
	Connections int           // that carried a part then
	Bytes       int64         // of parts that arrived in it
}

// Network is the name of the scenario, the others those of its cases.
const (
	Network = "network"

	Distance  = "distance"
	Far       = "far"
	Capped    = "capped"
	Two       = "two"
	Beside    = "beside"
	Faults    = "faults"
	Cutting   = "cutting"
	Silent    = "silent"
	Answering = "answering"
	Traces    = "traces"
)

// NetworkCases are the words of the command line, in the order of the page.
var NetworkCases = []string{Distance, Far, Capped, Two, Beside, Faults, Cutting, Silent, Answering, Traces}

// HasNetwork says whether there is something for the page of networks, HasPerformance whether there is for the other.
func (r *Report) HasNetwork() bool { return len(r.Network) > 0 }

// HasPerformance is told at [Report.HasNetwork].
func (r *Report) HasPerformance() bool { return len(r.Rows)+len(r.Kills) > 0 }

// crossing returns the row of a client in a case, nil if it was not measured.
func (r *Report) crossing(name, client string) *NetworkRow {
	for i := range r.Network {
		if row := &r.Network[i]; row.Case == name && row.Client == client && len(row.Runs) > 0 {
			return row
		}
	}
	return nil
}

// crossings returns the rows of a case that were measured.
func (r *Report) crossings(name string) []NetworkRow {
	return slices.DeleteFunc(slices.Clone(r.Network), func(row NetworkRow) bool { return row.Case != name || len(row.Runs) == 0 })
}

// finished returns the runs that did not fail.
func (r *NetworkRow) finished() []NetworkRun {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(run NetworkRun) bool { return run.Error != "" })
}

// wall is in seconds, of the runs that finished.
func (r *NetworkRow) wall() spread {
	return spreadOf(r.finished(), func(run NetworkRun) float64 { return run.Wall.Seconds() })
}

// toIdeal is wall over what the link needs.
func (r *NetworkRow) toIdeal() spread { return r.wall().scale(1 / r.Ideal.Seconds()) }

// again is how many bytes were sent again for each that faults ate, over all runs that finished; 0 if none were eaten.
func (r *NetworkRow) again() float64 {
	var again, eaten int64
	for _, run := range r.finished() {
		again += run.Bytes - r.Size
		eaten += run.Eaten
	}
	if eaten == 0 {
		return 0
	}
	return float64(again) / float64(eaten)
}

// failure is why the first run that failed did.
func (r *NetworkRow) failure() string {
	for _, run := range r.Runs {
		if run.Error != "" {
			return run.Error
		}
	}
	return ""
}

// networkTitle is how tables call a client.
func (r *Report) networkTitle(name string) string {
	for _, c := range r.NetworkClients {
		if c.Name == name {
			return c.Title
		}
	}
	return name
}
