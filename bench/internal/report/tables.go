package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Tables returns a table for each thing that was measured.
func (r *Report) Tables() []Table {
	tables := []Table{targetTable("What this library promises itself", r.targets()), r.largeTable(Plain), r.largeTable(TLS)}
	tables = append(tables, r.partsTables()...)
	tables = append(tables, r.growthTable(), r.killTable(), r.memoryTable())
	return slices.DeleteFunc(tables, func(t Table) bool { return len(t.Rows) == 0 })
}

func (r *Report) largeTable(scenario string) Table {
	t := Table{Title: "Plain HTTP", Header: []string{"", "CPU s/GiB", "to ours", "wall s", "to ours", "peak MiB", "runs"}}
	if scenario == TLS {
		t.Title = "TLS"
	}
	var cpu, wall float64
	if ours := r.row(scenario, Ours); ours != nil {
		cpu, wall = ours.cpu().median, ours.wall().median
	}
	for _, row := range r.scenario(scenario) {
		t.Rows = append(t.Rows, []string{
			r.title(row.Client), row.cpuPerGiB().text(2), ratio(row.cpu().median, cpu), row.wall().text(2), ratio(row.wall().median, wall),
			fmt.Sprintf("%.0f", row.peak().median), strconv.Itoa(len(row.Samples)),
		})
	}
	return t
}

// counts returns the numbers of parts that were measured, least first.
func (r *Report) counts() []int {
	var counts []int
	for _, row := range r.Rows {
		if strings.HasPrefix(row.Scenario, Parts+"-") && len(row.Samples) > 0 {
			counts = append(counts, row.Parts)
		}
	}
	slices.Sort(counts)
	return slices.Compact(counts)
}

func partsScenario(count int) string { return fmt.Sprintf("%s-%d", Parts, count) }

func (r *Report) partsTables() []Table {
	var tables []Table
	for _, count := range slices.Backward(r.counts()) {
		t := Table{
			Title:  fmt.Sprintf("%d parts of 100 KiB", count),
			Header: []string{"", "CPU us/part", "to ours", "wall s", "to ours", "written MiB", "peak MiB", "runs"},
		}
		var cpu, wall float64
		if ours := r.row(partsScenario(count), Ours); ours != nil {
			cpu, wall = ours.cpu().median, ours.wall().median
		}
		for _, row := range r.scenario(partsScenario(count)) {
			t.Rows = append(t.Rows, []string{
				r.title(row.Client), row.cpuPerPart().text(0), ratio(row.cpu().median, cpu), row.wall().text(2), ratio(row.wall().median, wall),
				fmt.Sprintf("%.1f", row.written().median), fmt.Sprintf("%.0f", row.peak().median), strconv.Itoa(len(row.Samples)),
			})
		}
		tables = append(tables, t)
	}
	return tables
}

// growthTable shows what a part costs when there are more of them: the same everywhere, where growth is linear.
func (r *Report) growthTable() Table {
	counts := r.counts()
	t := Table{Title: "Growth: wall us per part", Header: []string{""}}
	if len(counts) < 2 {
		return t
	}
	for _, count := range counts {
		t.Header = append(t.Header, fmt.Sprintf("%d parts", count))
	}
	for _, c := range r.Clients {
		cells, any := []string{c.Title}, false
		for _, count := range counts {
			cell := ""
			if row := r.row(partsScenario(count), c.Name); row != nil {
				cell, any = row.wallPerPart().text(0), true
			}
			cells = append(cells, cell)
		}
		if any {
			t.Rows = append(t.Rows, cells)
		}
	}
	return t
}

// killsOf returns the kills of a client.
func (r *Report) killsOf(client string) []Kill {
	return slices.DeleteFunc(slices.Clone(r.Kills), func(k Kill) bool { return k.Client != client })
}

func (r *Report) killTable() Table {
	t := Table{Title: "Killed at half and resumed", Header: []string{
		"", "kills", "acknowledged", "of these sent again", "in flight", "stored, sent again", "first new byte ms", "ListParts alone ms", "beyond it ms",
	}}
	count := func(kills []Kill, value func(Kill) int) string {
		s := spreadOf(kills, func(k Kill) float64 { return float64(value(k)) })
		return s.text(0)
	}
	for _, c := range r.Clients {
		kills := r.killsOf(c.Name)
		if len(kills) == 0 {
			continue
		}
		t.Rows = append(t.Rows, []string{
			c.Title, strconv.Itoa(len(kills)),
			count(kills, func(k Kill) int { return k.Acknowledged }), count(kills, func(k Kill) int { return k.Resent }),
			count(kills, func(k Kill) int { return k.InFlight }), count(kills, func(k Kill) int { return k.InFlightResent }),
			spreadOf(kills, func(k Kill) float64 { return milliseconds(k.FirstNew) }).text(1),
			spreadOf(kills, func(k Kill) float64 { return milliseconds(k.ListParts) }).text(1),
			beyond(kills).text(1),
		})
	}
	return t
}

// beyond is what a client takes to the first new byte beyond ListParts alone, in milliseconds, kill by kill.
func beyond(kills []Kill) spread {
	return spreadOf(kills, func(k Kill) float64 { return milliseconds(k.FirstNew - k.ListParts) })
}

func (r *Report) memoryTable() Table {
	t := Table{Title: "Parts of 64 MiB", Header: []string{"", "peak MiB", "to ours", "CPU s/GiB", "runs"}}
	var ours float64
	if row := r.row(Memory, Ours); row != nil {
		ours = row.peak().median
	}
	for _, row := range r.scenario(Memory) {
		t.Rows = append(t.Rows, []string{
			r.title(row.Client), row.peak().text(1), ratio(row.peak().median, ours), fmt.Sprintf("%.2f", row.cpuPerGiB().median), strconv.Itoa(len(row.Samples)),
		})
	}
	return t
}
