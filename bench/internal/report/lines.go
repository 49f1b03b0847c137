package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// lines is a chart of lines on logarithmic axes, where linear growth is a straight line of slope 1.
type lines struct {
	title, xUnit, yUnit string
	lines               []oneLine
}

type oneLine struct {
	name   string
	ours   bool
	points []point // by x
}

type point struct{ x, y float64 } // above 0

func (l lines) svg() []byte {
	const (
		left, right, top, bottom = 60.0, 200.0, 48.0, 350.0
		width, height            = 760, 400
		label                    = 15.0 // least distance of two names
	)
	xLow, xHigh, yLow, yHigh := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	var marks []float64
	for _, line := range l.lines {
		for _, p := range line.points {
			xLow, xHigh, yLow, yHigh = min(xLow, p.x), max(xHigh, p.x), min(yLow, p.y), max(yHigh, p.y)
			marks = append(marks, p.x)
		}
	}
	yLow, yHigh = math.Pow(10, math.Floor(math.Log10(yLow))), math.Pow(10, math.Ceil(math.Log10(yHigh)))
	place := func(v, low, high, from, to float64) float64 {
		if high <= low {
			return from
		}
		return from + math.Log(v/low)/math.Log(high/low)*(to-from)
	}
	x := func(v float64) float64 { return place(v, xLow, xHigh, left, width-right) }
	y := func(v float64) float64 { return place(v, yLow, yHigh, bottom, top) }

	c := &chart{width: width, height: height}
	for decade := yLow; decade <= yHigh*1.0001; decade *= 10 {
		c.line(left, y(decade), width-right, y(decade), "grid")
		c.text(left-8, y(decade)+4, "end", "quiet", fmt.Sprintf("%g", decade))
	}
	slices.Sort(marks)
	for _, mark := range slices.Compact(marks) {
		c.line(x(mark), top, x(mark), bottom, "grid")
		c.text(x(mark), bottom+16, "middle", "quiet", fmt.Sprintf("%.0f", mark))
	}
	c.text(width-right, bottom+34, "end", "quiet", fmt.Sprintf("%s; %s; both axes logarithmic, medians", l.xUnit, l.yUnit))

	type name struct {
		at    float64
		class string
		text  string
	}
	var names []name
	for i, line := range l.lines {
		if len(line.points) == 0 {
			continue
		}
		var path []string
		for _, p := range line.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(p.x), y(p.y)))
			c.addf(`<circle cx="%.1f" cy="%.1f" r="3" class="s%d"/>`, x(p.x), y(p.y), i%6)
		}
		c.addf(`<polyline points="%s" class="s%d line"/>`, strings.Join(path, " "), i%6)
		last := line.points[len(line.points)-1]
		class := fmt.Sprintf("s%d name", i%6)
		if line.ours {
			class += " ours"
		}
		names = append(names, name{y(last.y) + 4, class, fmt.Sprintf("%s  %.3g", line.name, last.y)})
	}
	// Names whose lines end close to each other are moved apart, downwards.
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.at, b.at) })
	for i := range names {
		if i > 0 {
			names[i].at = max(names[i].at, names[i-1].at+label)
		}
		c.text(width-right+10, names[i].at, "start", names[i].class, names[i].text)
	}
	return c.svg(l.title)
}
