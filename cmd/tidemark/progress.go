package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tidemark-go/tidemark/upload"
)

const (
	lineEvery = 5 * time.Second // how often progress is a line, where there is no terminal to draw a bar on
	worthy    = 2 * time.Second // waiting that is over sooner is no line: a busy store may ask for a second again and again
)

// progress shows an upload's progress: a bar on a terminal, now and then a line elsewhere.
type progress struct {
	err     io.Writer
	quiet   bool
	columns func() int               // of the terminal; nil: lines
	bar     *progressbar.ProgressBar // nil: none is drawn
	shape   layout                   // of bar
	said    time.Duration            // when the last line was
	waiting bool                     // the last line said so
	last    upload.Progress
}

func newProgress(con *console, quiet, logging bool) *progress {
	p := &progress{err: con.err, quiet: quiet}
	// A log and a bar would overwrite each other.
	if f, ok := con.err.(*os.File); ok && !quiet && !logging && term.IsTerminal(int(f.Fd())) {
		p.columns = func() int { return columns(f) }
	}
	return p
}

// columns is the width of a terminal now: whoever sits before it may change it.
func columns(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// newBar draws nothing yet. Rate and time left are the engine's: the library would count what was stored before into the rate.
func newBar(w io.Writer, total int64, width int) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetRenderBlankState(false), progressbar.OptionUseANSICodes(false),
		progressbar.OptionSetWidth(width),
	)
}

// update is called by the engine, never from two goroutines at once.
func (p *progress) update(now upload.Progress) {
	before := p.last
	p.last = now
	switch {
	case p.quiet:
	case p.columns != nil:
		p.draw(now)
	case p.waiting && now.Waiting == "":
		p.waiting = false
		p.line(now, fmt.Sprintf("going on after %s of waiting", clock(before.WaitingFor)))
	case p.waiting: // nothing is new
	case now.Waiting != "":
		if p.waiting = now.WaitingFor >= worthy; p.waiting {
			p.line(now, "waiting: "+now.Waiting)
		}
	case now.Elapsed-p.said >= lineEvery:
		p.line(now, details(now)...)
	}
}

func (p *progress) line(now upload.Progress, what ...string) {
	p.said = now.Elapsed
	fmt.Fprintf(p.err, "tidemark: %s, %s\n", amount(now), strings.Join(what, ", "))
}

func (p *progress) draw(now upload.Progress) {
	shape := newLayout(p.columns())
	if now.Total == 0 || shape.text <= 0 {
		return
	}
	// A bar of the library wipes as many columns as a line of its ever had, which would scroll a terminal that was made narrower,
	// and one whose maximum falls below what it shows becomes so many times longer, until memory is out.
	if p.bar == nil || p.shape != shape || p.bar.GetMax64() != now.Total {
		p.bar, p.shape = newBar(p.err, now.Total, shape.bar), shape
	}
	p.bar.Describe(shape.fit(now))
	// A full bar is finished for the library. It is not for us before the end is verified. An error of the terminal is no
	// reason to stop an upload.
	_ = p.bar.Set64(min(now.Stored+now.InFlight, now.Total-1))
}

// close leaves the line to what follows.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear() // as for Set64
	}
}
