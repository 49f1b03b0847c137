package report

// Chart is a picture for the page.
type Chart struct {
	Name string // of the file
	Alt  string
	SVG  []byte
}

// The names of charts.
const (
	chartCPU    = "performance-cpu.svg"
	chartParts  = "performance-parts.svg"
	chartMemory = "performance-memory.svg"
)

// Charts returns a chart for each thing that was measured and that a picture shows better.
func (r *Report) Charts() []Chart {
	var charts []Chart
	if len(r.scenario(Plain))+len(r.scenario(TLS)) > 0 {
		charts = append(charts, Chart{chartCPU, "CPU seconds per GiB of each client", r.cpuBars().svg()})
	}
	if len(r.counts()) > 1 {
		charts = append(charts, Chart{chartParts, "Seconds for an upload of 1,000 to 10,000 parts", r.partLines().svg()})
	}
	if len(r.scenario(Memory)) > 0 {
		charts = append(charts, Chart{chartMemory, "Peak memory of each client", r.memoryBars().svg()})
	}
	return charts
}

func (r *Report) cpuBars() bars {
	b := bars{title: "Client CPU seconds per GiB", unit: "CPU s/GiB", series: []string{"plain HTTP", "TLS"}, decimals: 2}
	for _, c := range r.Clients {
		plain, tls := r.row(Plain, c.Name), r.row(TLS, c.Name)
		if plain == nil && tls == nil {
			continue
		}
		g := barGroup{name: c.Title, ours: c.Name == Ours, values: make([]spread, 2)}
		if plain != nil {
			g.values[0] = plain.cpuPerGiB()
		}
		if tls != nil {
			g.values[1] = tls.cpuPerGiB()
		}
		b.groups = append(b.groups, g)
	}
	return b
}

func (r *Report) memoryBars() bars {
	b := bars{title: "Peak memory with parts of 64 MiB", unit: "MiB resident", series: []string{"plain HTTP"}}
	for _, row := range r.scenario(Memory) {
		b.groups = append(b.groups, barGroup{name: r.title(row.Client), ours: row.Client == Ours, values: []spread{row.peak()}})
	}
	return b
}

// partLines leaves out clients whose lines would lie on another's.
func (r *Report) partLines() lines {
	l := lines{title: "Parts of 100 KiB to a server that returns CRCs", xUnit: "parts", yUnit: "wall seconds"}
	for _, name := range []string{Ours, "v1-checkpoint", "raw", "v2-checkpoint", "v1"} {
		line := oneLine{name: r.title(name), ours: name == Ours}
		for _, count := range r.counts() {
			if row := r.row(partsScenario(count), name); row != nil {
				line.points = append(line.points, point{float64(count), row.wall().median})
			}
		}
		if len(line.points) > 0 {
			l.lines = append(l.lines, line)
		}
	}
	return l
}
