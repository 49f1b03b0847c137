// Package report holds what was measured, and writes it as tables, charts and a page.
package report

import "time"

// Sample is one upload by one client.
type Sample struct {
	Wall    time.Duration
	CPU     time.Duration // user and system, of the client's process, around the call
	Peak    int64         // bytes resident at most
	Written int64         // bytes written to files; -1 if not known
}

// Row is a client in a scenario.
type Row struct {
	Scenario string
	Client   string // its name
	Parts    int
	Size     int64 // bytes of the file
	Samples  []Sample
}

// Kill is one upload that was killed at half and resumed.
type Kill struct {
	Client string

	Acknowledged   int   // parts whose answer the server had written before the kill
	Resent         int   // of these, sent again
	ResentBytes    int64 // of these
	InFlight       int   // parts that were begun by the killed process and not acknowledged before the kill
	InFlightStored int   // of these, stored all the same
	InFlightResent int   // of the stored ones, sent again

	FirstPart time.Duration // from the start of the second call to the first part's arrival
	FirstNew  time.Duration // to the first part that the server does not have
	ListParts time.Duration // what all pages take a client that does nothing else
}

// Client says what was compared, and how it was set.
type Client struct {
	Name, Title        string
	Versions           []string // module@version
	Checksum, Settings string
}

// Machine is where it was measured.
type Machine struct {
	CPU         string
	Cores       int
	Memory      string
	Kernel      string
	Go          string
	Revision    string // of this repository
	Date        string
	Load        string // at the start: over 1, 5 and 15 minutes
	Files       string // the file system of the files
	Checkpoints string // that of the checkpoints
}

// Report is all that one command measured.
type Report struct {
	Machine Machine
	Seed    uint64
	Command string
	Workers int
	Clients []Client
	Rows    []Row
	Kills   []Kill

	NetworkClients []Client     `json:",omitempty"` // at their own defaults
	Network        []NetworkRow `json:",omitempty"`
	Traces         []Trace      `json:",omitempty"`
}

// The names of scenarios, which are also the words of the command line. Those of many parts are followed by their number.
const (
	Plain  = "gib"
	TLS    = "tls"
	Parts  = "parts"
	Memory = "memory"
	Killed = "killed"
)

// Ours is the client that the others are compared with.
const Ours = "tidemark"

// row returns the row of a client in a scenario, nil if it was not measured.
func (r *Report) row(scenario, client string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Scenario == scenario && r.Rows[i].Client == client && len(r.Rows[i].Samples) > 0 {
			return &r.Rows[i]
		}
	}
	return nil
}

// scenario returns the rows of a scenario that were measured.
func (r *Report) scenario(name string) []Row {
	var rows []Row
	for _, row := range r.Rows {
		if row.Scenario == name && len(row.Samples) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// title is how tables call a client.
func (r *Report) title(name string) string {
	for _, c := range r.Clients {
		if c.Name == name {
			return c.Title
		}
	}
	return name
}
