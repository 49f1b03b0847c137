package report

import (
	"fmt"
	"slices"
)

// column is one of a table of clients.
type column struct {
	header string
	cell   func(*NetworkRow) string // of a row of which a run finished
}

var (
	wallColumn  = column{"wall s", func(r *NetworkRow) string { return r.wall().text(2) }}
	idealColumn = column{"to what the link needs", func(r *NetworkRow) string { return r.toIdeal().text(2) }}
	mostColumn  = column{"parts at once", func(r *NetworkRow) string {
		return spreadOf(r.finished(), func(run NetworkRun) float64 { return float64(run.Most) }).text(0)
	}}
	lateColumn = column{"of these in the second half", func(r *NetworkRow) string {
		return spreadOf(r.finished(), func(run NetworkRun) float64 { return run.Late }).text(1)
	}}
	againColumn = column{"sent again per byte eaten", func(r *NetworkRow) string { return fmt.Sprintf("%.3f", r.again()) }}
	eatenColumn = column{"faults", func(r *NetworkRow) string {
		return spreadOf(r.finished(), func(run NetworkRun) float64 { return float64(run.Faults) }).text(0)
	}}
	bytesColumn = column{"arrived to size", func(r *NetworkRow) string {
		return spreadOf(r.finished(), func(run NetworkRun) float64 { return float64(run.Bytes) / float64(r.Size) }).text(2)
	}}
	eachColumn = column{"each s", func(r *NetworkRow) string {
		run := r.finished()[0]
		text := ""
		for i, wall := range run.Each {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprintf("%.2f", wall.Seconds())
		}
		return text
	}}
	besideColumn = column{"share of the one beside", func(r *NetworkRow) string {
		return spreadOf(r.finished(), func(run NetworkRun) float64 { return run.Beside }).text(2)
	}}
)

// networkTables says what is told of each case.
var networkTables = []struct {
	name, title string
	columns     []column
}{
	{Distance, "Distance", []column{wallColumn, idealColumn, mostColumn}},
	{Far, "Distance, a larger file", []column{wallColumn, idealColumn, mostColumn}},
	{Capped, "A link that is capped", []column{wallColumn, idealColumn, mostColumn, lateColumn}},
	{Two, "Two uploads of one Uploader", []column{wallColumn, idealColumn, eachColumn, mostColumn}},
	{Beside, "Somebody else on the link", []column{wallColumn, besideColumn, mostColumn}},
	{Faults, "Faults", []column{wallColumn, eatenColumn, againColumn}},
	{Cutting, "A line that cuts", []column{wallColumn, bytesColumn}},
}

// NetworkTables returns a table for each case that was measured, after one of what this library promises itself.
func (r *Report) NetworkTables() []Table {
	tables := []Table{targetTable("What this library promises itself on networks", r.networkTargets())}
	for _, told := range networkTables {
		t := Table{Title: told.title, Header: []string{"", "finished"}}
		for _, c := range told.columns {
			t.Header = append(t.Header, c.header)
		}
		t.Header = append(t.Header, "the first failure")
		for _, row := range r.crossings(told.name) {
			cells := []string{r.networkTitle(row.Client), row.count()}
			for _, c := range told.columns {
				cell := ""
				if len(row.finished()) > 0 {
					cell = c.cell(&row)
				}
				cells = append(cells, cell)
			}
			t.Rows = append(t.Rows, append(cells, row.failure()))
		}
		tables = append(tables, t)
	}
	tables = append(tables, r.silentTable())
	return slices.DeleteFunc(tables, func(t Table) bool { return len(t.Rows) == 0 })
}

// count is "finished of all".
func (r *NetworkRow) count() string { return fmt.Sprintf("%d of %d", len(r.finished()), len(r.Runs)) }

func (r *Report) silentTable() Table {
	t := Table{Title: "Connections that never answer", Header: []string{"", "without: finished", "wall s", "one in ten: finished", "wall s", "ratio", "the first failure"}}
	for _, row := range r.crossings(Silent) {
		cells := []string{r.networkTitle(row.Client), "", "", row.count(), "", "", row.failure()}
		if len(row.finished()) > 0 {
			cells[4] = row.wall().text(2)
		}
		if other := r.crossing(Answering, row.Client); other != nil {
			if cells[1] = other.count(); len(other.finished()) > 0 {
				cells[2] = other.wall().text(2)
			}
			if len(row.finished()) > 0 {
				cells[5] = ratio(row.wall().median, other.wall().median)
			}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// networkTargets returns those that can be told from what was measured. An upload that failed fails the target of its case.
func (r *Report) networkTargets() []target {
	var list []target
	add := func(row *NetworkRow, what string, value, bound float64) {
		if row != nil {
			list = append(list, target{what, value, bound, false})
		}
	}
	finished := func(row *NetworkRow, what string) {
		if row != nil {
			list = append(list, target{fmt.Sprintf("%s: finished, of %d", what, len(row.Runs)), float64(len(row.finished())), float64(len(row.Runs)), true})
		}
	}
	for _, name := range []string{Distance, Far, Capped, Two, Beside, Faults, Cutting, Silent} {
		client := Ours
		if name == Two {
			client = "tidemark-two"
		}
		row := r.crossing(name, client)
		if row == nil {
			continue
		}
		finished(row, name)
		if len(row.finished()) == 0 {
			continue
		}
		switch name {
		case Distance:
			add(row, "distance, 256 MiB: seconds", row.wall().median, 1.2)
		case Far:
			add(row, "distance, 2 GiB: to 32 connections from the first moment", row.toIdeal().median, 1.25)
		case Capped:
			add(row, "capped: to bytes over the cap", row.toIdeal().median, 1.05)
			most := spreadOf(row.finished(), func(run NetworkRun) float64 { return run.Late })
			add(row, "capped: connections held, mean of the second half, the most of the runs", most.max, 8)
		case Two:
			slower := spreadOf(row.finished(), func(run NetworkRun) float64 {
				return float64(slices.Max(run.Each)) / float64(slices.Min(run.Each))
			})
			add(row, "two at once: the later to the earlier, the most of the runs", slower.max, 1.25)
		case Beside:
			least := spreadOf(row.finished(), func(run NetworkRun) float64 { return run.Beside })
			list = append(list, target{"beside one other connection: its share, the least of the runs", least.min, 1.0 / 9, true})
		case Faults:
			add(row, "faults: bytes sent again per byte that faults ate", row.again(), 1.02)
			if minio := r.crossing(Faults, "minio"); minio != nil && len(minio.finished()) > 0 {
				add(row, "faults: wall to minio-go's", row.wall().median/minio.wall().median, 1)
			}
		case Silent:
			if other := r.crossing(Answering, client); other != nil && len(other.finished()) > 0 {
				add(row, "one connection in ten silent: wall to that without", row.wall().median/other.wall().median, 1.3)
			}
		}
	}
	return list
}
