package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// chart is an SVG in the making. It has the colours of the reader's scheme, light or dark, and no script.
type chart struct {
	width, height int
	body          strings.Builder
}

const chartStyle = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .ours { font-weight: 700 }
  .quiet { fill: #57606a; font-size: 11px }
  .paper { fill: #ffffff }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .range { stroke: #24292f; stroke-width: 1; opacity: .6 }
  .s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #bc4c00; stroke: #bc4c00 } .s2 { fill: #1a7f37; stroke: #1a7f37 }
  .s3 { fill: #8250df; stroke: #8250df } .s4 { fill: #9a6700; stroke: #9a6700 } .s5 { fill: #6e7781; stroke: #6e7781 }
  .bar { stroke: none } .other { opacity: .55 } .line { fill: none; stroke-width: 2 } .name { stroke: none }
  .thin { stroke-width: 1.2 } .dashed { stroke-width: 1; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .paper { fill: #0d1117 } .grid { stroke: #3d444d } .range { stroke: #e6edf3 }
    .s0 { fill: #4493f8; stroke: #4493f8 } .s1 { fill: #f0883e; stroke: #f0883e } .s2 { fill: #3fb950; stroke: #3fb950 }
    .s3 { fill: #ab7df8; stroke: #ab7df8 } .s4 { fill: #d29922; stroke: #d29922 } .s5 { fill: #9198a1; stroke: #9198a1 }
  }
`

func (c *chart) addf(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// text puts s at a point; anchor is start, middle or end.
func (c *chart) text(x, y float64, anchor, class, s string) {
	c.addf(`<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, escape(s))
}

func (c *chart) line(x1, y1, x2, y2 float64, class string) {
	c.addf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

func (c *chart) svg(title string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>%s</style>
<rect width="100%%" height="100%%" class="paper"/>
<text x="16" y="26" class="title">%s</text>
%s</svg>
`, c.width, c.height, c.width, c.height, escape(title), chartStyle, escape(title), c.body.String())
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}

// step returns a round distance between some five marks of an axis from 0 to top.
func step(top float64) float64 {
	if top <= 0 {
		return 1
	}
	rough := top / 5
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5} {
		if rough <= m*power {
			return m * power
		}
	}
	return 10 * power
}
