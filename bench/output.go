package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// output is where a report goes.
type output struct {
	docs string // directory for the page and its charts; empty for none
	json string // file for the report itself; empty for none
}

func (o output) write(r *report.Report, stdout io.Writer) error {
	for _, t := range append(r.Tables(), r.NetworkTables()...) {
		if err := t.WriteText(stdout); err != nil {
			return err
		}
	}
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.docs == "" {
		return nil
	}
	for _, c := range append(r.Charts(), r.NetworkCharts()...) {
		if err := os.WriteFile(filepath.Join(o.docs, c.Name), c.SVG, 0o644); err != nil {
			return err
		}
	}
	// A page of which nothing was measured stays as it is.
	if r.HasNetwork() {
		if err := os.WriteFile(filepath.Join(o.docs, "network.md"), r.NetworkPage(), 0o644); err != nil {
			return err
		}
	}
	if !r.HasPerformance() {
		return nil
	}
	return os.WriteFile(filepath.Join(o.docs, "performance.md"), r.Page(), 0o644)
}

// load reads what -json wrote.
func load(file string) (*report.Report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(report.Report)
	return r, json.Unmarshal(text, r)
}
