package report

import (
	"fmt"
)

// target is a bound that this library sets itself.
type target struct {
	what    string
	value   float64
	bound   float64
	atLeast bool // else at most
}

func (t target) met() bool {
	if t.atLeast {
		return t.value >= t.bound
	}
	return t.value <= t.bound
}

// targets returns those that can be told from what was measured. All are medians of the same run.
func (r *Report) targets() []target {
	var list []target
	// compare adds the ratio of a value of two clients, if both were measured.
	compare := func(what string, value func(*Row) spread, scenario, client, otherScenario, other string, bound float64, atLeast bool) {
		a, b := r.row(scenario, client), r.row(otherScenario, other)
		if a == nil || b == nil || value(b).median == 0 {
			return
		}
		list = append(list, target{what, value(a).median / value(b).median, bound, atLeast})
	}
	many, few := partsScenario(10000), partsScenario(1000)
	compare("CPU, plain HTTP: ours, checkpoint on, to Go SDK v1 without", (*Row).cpu, Plain, Ours, Plain, "v1", 0.42, false)
	compare("CPU, plain HTTP: ours to net/http without a checksum", (*Row).cpu, Plain, Ours, Plain, "raw", 1.15, false)
	compare("CPU, TLS: ours to Go SDK v1", (*Row).cpu, TLS, Ours, TLS, "v1", 0.53, false)
	compare("wall, 10,000 parts: File store to Memory store", (*Row).wall, many, Ours, many, "tidemark-memory", 1.05, false)
	compare("wall, 10,000 parts: Go SDK v2 to ours", (*Row).wall, many, "v2", many, Ours, 2, true)
	compare("wall, 10,000 parts: Go SDK v2 with checkpoint to ours", (*Row).wall, many, "v2-checkpoint", many, Ours, 2, true)
	compare("wall, 10,000 parts: Go SDK v1 with checkpoint to ours", (*Row).wall, many, "v1-checkpoint", many, Ours, 80, true)
	compare("CPU, 10,000 parts: ours to Go SDK v1 with its CRC off", (*Row).cpu, many, Ours, many, "v1-nocrc", 1.1, false)
	compare("wall per part: ours at 10,000 parts to ours at 1,000", (*Row).wallPerPart, many, Ours, few, Ours, 1.1, false)
	if kills := r.killsOf(Ours); len(kills) > 0 {
		resent := spreadOf(kills, func(k Kill) float64 { return float64(k.Resent) })
		list = append(list,
			target{fmt.Sprintf("acknowledged parts sent again, the most of %d kills", len(kills)), resent.max, 0, false},
			target{"first new byte after a kill, ms beyond ListParts alone", beyond(kills).median, 50, false})
	}
	if row := r.row(Memory, Ours); row != nil {
		list = append(list, target{"peak MiB, parts of 64 MiB, 8 workers", row.peak().median, 32, false})
	}
	return list
}

func targetTable(title string, targets []target) Table {
	t := Table{Title: title, Header: []string{"", "measured", "bound", ""}}
	for _, g := range targets {
		bound, verdict := "at most", "met"
		if g.atLeast {
			bound = "at least"
		}
		if !g.met() {
			verdict = "missed"
		}
		t.Rows = append(t.Rows, []string{g.what, fmt.Sprintf("%.2f", g.value), fmt.Sprintf("%s %.4g", bound, g.bound), verdict})
	}
	return t
}
