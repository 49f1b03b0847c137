package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tidemark-go/tidemark/upload"
)

// lineEvery is how often progress is a line, where there is no terminal to draw a bar on.
const lineEvery = 5 * time.Second

// progress shows an upload's progress: a bar on a terminal, now and then a line elsewhere.
type progress struct {
	err   io.Writer
	quiet bool
	bar   *progressbar.ProgressBar // nil: lines
	said  time.Duration            // when the last line was
	last  upload.Progress
}

func newProgress(con *console, quiet, logging bool) *progress {
	p := &progress{err: con.err, quiet: quiet}
	// A log and a bar would overwrite each other.
	if f, ok := con.err.(*os.File); ok && !quiet && !logging && term.IsTerminal(int(f.Fd())) {
		p.bar = newBar(f)
	}
	return p
}

// newBar draws nothing yet. Rate and time left are the engine's: the library would count what was stored before into the rate.
func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions64(0,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetRenderBlankState(false), progressbar.OptionUseANSICodes(false),
		progressbar.OptionSetWidth(30),
	)
}

// update is called by the engine, never from two goroutines at once.
func (p *progress) update(now upload.Progress) {
	p.last = now
	switch {
	case p.quiet:
	case p.bar != nil:
		p.draw(now)
	case now.Elapsed-p.said >= lineEvery:
		p.said = now.Elapsed
		fmt.Fprintf(p.err, "tidemark: %s of %s, %s\n", byteSize(now.Stored+now.InFlight), byteSize(now.Total), pace(now))
	}
}

func (p *progress) draw(now upload.Progress) {
	if now.Total == 0 {
		return
	}
	if p.bar.GetMax64() != now.Total {
		p.bar.ChangeMax64(now.Total)
	}
	p.bar.Describe(fmt.Sprintf("%s of %s, %s", byteSize(now.Stored+now.InFlight), byteSize(now.Total), pace(now)))
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

// pace says how fast it goes and how long it will take.
func pace(now upload.Progress) string {
	switch {
	case now.Done:
		return "done"
	case now.Verifying:
		return "verifying"
	case now.Left < 0 || now.Rate <= 0:
		return "waiting"
	}
	return fmt.Sprintf("%s/s, %s left", byteSize(now.Rate), now.Left.Round(time.Second))
}
