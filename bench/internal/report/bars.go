package report

import "fmt"

// bars is a chart of horizontal bars: for each client one a series, with the least and the most of the runs.
type bars struct {
	title, unit string
	series      []string
	groups      []barGroup
	decimals    int
}

type barGroup struct {
	name   string
	ours   bool
	values []spread // one a series; a zero is not drawn
}

func (b bars) svg() []byte {
	const (
		left, right, top = 190.0, 90.0, 62.0
		thick, gap       = 13.0, 9.0
		width            = 760
	)
	var most float64
	for _, g := range b.groups {
		for _, v := range g.values {
			most = max(most, v.max)
		}
	}
	group := float64(len(b.series))*thick + gap
	bottom := top + float64(len(b.groups))*group
	c := &chart{width: width, height: int(bottom) + 40}
	scale := (width - left - right) / max(most, 1e-9)
	for mark := 0.0; mark <= most; mark += step(most) {
		x := left + mark*scale
		c.line(x, top-4, x, bottom, "grid")
		c.text(x, bottom+16, "middle", "quiet", fmt.Sprintf("%g", mark))
	}
	c.text(width-right, bottom+32, "end", "quiet", b.unit+"; bars are medians, lines reach from the least to the most")
	if len(b.series) > 1 {
		for i, name := range b.series {
			x := left + float64(i)*110
			c.addf(`<rect x="%.1f" y="%.1f" width="10" height="10" class="bar s%d"/>`, x, 38.0, i)
			c.text(x+15, 47, "start", "", name)
		}
	}
	for i, g := range b.groups {
		y := top + float64(i)*group
		class, faint := "", " other"
		if g.ours {
			class, faint = "ours", ""
		}
		c.text(left-8, y+float64(len(b.series))*thick/2+4, "end", class, g.name)
		for j, v := range g.values {
			if v.median == 0 {
				continue
			}
			at := y + float64(j)*thick
			c.addf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="bar s%d%s"/>`, left, at, v.median*scale, thick-2, j, faint)
			c.line(left+v.min*scale, at+(thick-2)/2, left+v.max*scale, at+(thick-2)/2, "range")
			c.text(left+v.max*scale+6, at+thick-3, "start", "quiet", fmt.Sprintf("%.*f", b.decimals, v.median))
		}
	}
	return c.svg(b.title)
}
