package report

import (
	"fmt"
	"strings"
	"time"
)

// chartTraces is on the page of networks and on that of performance.
const chartTraces = "network-traces.svg"

// NetworkCharts returns the traces, if they were taken.
func (r *Report) NetworkCharts() []Chart {
	if len(r.Traces) == 0 {
		return nil
	}
	return []Chart{{chartTraces, tracesAlt, traceChart(r.Traces)}}
}

const tracesAlt = "Connections and throughput over time on six links"

// smooth is how much of a trace one point of the throughput is the mean of, so that the pieces of 8 MiB do not hide the line.
const smooth = 4

// traceChart draws a panel for each trace: throughput with the axis at the left, connections with that at the right.
func traceChart(traces []Trace) []byte {
	const (
		columns             = 2
		panelWide, panelTop = 380, 66.0
		panelHigh           = 180
		width               = columns * panelWide
	)
	rows := (len(traces) + columns - 1) / columns
	c := &chart{width: width, height: int(panelTop) + rows*panelHigh}
	c.addf(`<rect x="16" y="38" width="10" height="10" class="bar s0"/>`)
	c.text(31, 47, "start", "", "MB/s of parts, mean of 200 ms (left)")
	c.addf(`<rect x="290" y="38" width="10" height="10" class="bar s1"/>`)
	c.text(305, 47, "start", "", "connections with a part (right)")
	c.text(width-16, 47, "end", "quiet", "dashed: what the link has")
	for i, t := range traces {
		panel{
			left: float64(i%columns*panelWide) + 46, right: float64(i%columns*panelWide+panelWide) - 36,
			top: panelTop + float64(i/columns*panelHigh) + 22, bottom: panelTop + float64((i/columns+1)*panelHigh) - 30,
		}.draw(c, t)
	}
	return c.svg("What this library decides on six links")
}

type panel struct{ left, right, top, bottom float64 }

func (p panel) draw(c *chart, t Trace) {
	throughput, connections := t.throughput(), t.connections()
	var end, fastest, most float64
	for _, q := range throughput {
		end, fastest = max(end, q.x), max(fastest, q.y)
	}
	for _, q := range connections {
		end, most = max(end, q.x), max(most, q.y)
	}
	for _, q := range t.capacity(end) {
		fastest = max(fastest, q.y)
	}
	end, fastest, most = max(end, 0.1), max(fastest, 0.1)*1.08, max(most, 1)*1.08
	x := func(seconds float64) float64 { return p.left + seconds/end*(p.right-p.left) }
	y := func(v, top float64) float64 { return p.bottom - v/top*(p.bottom-p.top) }

	c.text(p.left, p.top-8, "start", "", t.Title)
	note := fmt.Sprintf("%.1f s", t.Run.Wall.Seconds())
	if t.Run.Error != "" {
		note = "failed"
	}
	c.text(p.right, p.top-8, "end", "quiet", note)
	for mark := 0.0; mark <= fastest; mark += step(fastest) {
		c.line(p.left, y(mark, fastest), p.right, y(mark, fastest), "grid")
		c.text(p.left-6, y(mark, fastest)+4, "end", "quiet", fmt.Sprintf("%g", mark))
	}
	for mark := 0.0; mark <= most; mark += max(1, step(most)) {
		c.text(p.right+6, y(mark, most)+4, "start", "quiet", fmt.Sprintf("%g", mark))
	}
	for mark := 0.0; mark <= end; mark += step(end) {
		c.text(x(mark), p.bottom+15, "middle", "quiet", fmt.Sprintf("%.3g s", mark))
	}
	draw := func(points []point, top float64, class string) {
		var path strings.Builder
		for _, q := range points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x(q.x), y(q.y, top))
		}
		c.addf(`<polyline points="%s" class="%s"/>`, strings.TrimSpace(path.String()), class)
	}
	draw(t.capacity(end), fastest, "s5 line dashed")
	draw(throughput, fastest, "s0 line")
	draw(connections, most, "s1 line thin")
}

// throughput is in MB/s over seconds, each point the mean of some samples.
func (t Trace) throughput() []point {
	var points []point
	for i := smooth; i <= len(t.Points); i++ {
		var bytes int64
		for _, p := range t.Points[i-smooth : i] {
			bytes += p.Bytes
		}
		var begun time.Duration
		if i > smooth {
			begun = t.Points[i-smooth-1].At
		}
		end := t.Points[i-1].At
		points = append(points, point{end.Seconds(), float64(bytes) / 1e6 / (end - begun).Seconds()})
	}
	return points
}

// connections are steps over seconds.
func (t Trace) connections() []point {
	var points []point
	for _, p := range t.Points {
		if n := len(points); n > 0 {
			points = append(points, point{p.At.Seconds(), points[n-1].y})
		}
		points = append(points, point{p.At.Seconds(), float64(p.Connections)})
	}
	return points
}

// capacity is in MB/s over seconds until the end.
func (t Trace) capacity(end float64) []point {
	var points []point
	for i, l := range t.Capacity {
		from, until := l.From.Seconds(), end
		if i+1 < len(t.Capacity) {
			until = min(end, t.Capacity[i+1].From.Seconds())
		}
		if from < end {
			points = append(points, point{from, float64(l.Rate) / 1e6}, point{until, float64(l.Rate) / 1e6})
		}
	}
	return points
}
