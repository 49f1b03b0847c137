// Package report holds what was measured, and writes it as tables and charts.
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
	InFlight       int   // parts that had begun before the kill, and were not acknowledged
	InFlightStored int   // of these, stored all the same
	InFlightResent int   // of the stored ones, sent again

	FirstPart time.Duration // from the start of the second call to the first part's arrival
	FirstNew  time.Duration // to the first part that the server does not have
	ListParts time.Duration // what all pages take a client that does nothing else
}

// Report is all that one command measured.
type Report struct {
	Machine Machine
	Seed    uint64
	Command string
	Rows    []Row
	Kills   []Kill
}

// Machine is where it was measured.
type Machine struct {
	CPU         string
	Cores       int
	Kernel      string
	Go          string
	Date        string
	Load        string // at the start: 1, 5 and 15 minutes
	Files       string // the file system of the files
	Checkpoints string // that of the checkpoints
	Modules     []string
}

// Row returns the row of a client in a scenario, nil if it was not measured.
func (r *Report) Row(scenario, client string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Scenario == scenario && r.Rows[i].Client == client {
			return &r.Rows[i]
		}
	}
	return nil
}
