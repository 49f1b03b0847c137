package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/upload"
)

// layout is how a terminal's line is shared out. It is the same all the time, so that nothing in it jumps.
type layout struct{ bar, text int } // columns

// newLayout gives what a terminal of 80 columns has to the text, what is wider than that to the bar until it is as long as a bar need
// be, and no bar to one that is so narrow that it would be in the way.
func newLayout(columns int) layout {
	const (
		longest, least = 30, 4
		// What the library writes around the two, and a column that stays free: some terminals begin a line when the last one is
		// written to.
		frame = len("  50% |") + len("|  ") + len(" ") + 1
	)
	l := layout{bar: min(max(columns-80+least, least), longest)}
	if columns < 40 {
		l.bar = 0
	}
	l.text = columns - frame - l.bar
	return l
}

// fit says as much as there is room for, and fills the rest with blanks. What is dropped first is the total, which follows from the
// percentage, then one detail after the other.
func (l layout) fit(now upload.Progress) string {
	all := details(now)
	short := byteSize(now.Stored + now.InFlight).String()
	for n := len(all); n > 0; n-- {
		for _, first := range []string{amount(now), short} {
			text := strings.Join(append([]string{first}, all[:n]...), ", ")
			if blanks := l.text - utf8.RuneCountInString(text); blanks >= 0 {
				return text + strings.Repeat(" ", blanks)
			}
		}
	}
	// Why it waits says more than how far it is.
	first := short + ", " + all[0]
	if now.Waiting != "" {
		first = all[0]
	}
	return cut(first, l.text)
}

// cut makes a text so many columns wide.
func cut(text string, columns int) string {
	runes := []rune(text)
	if len(runes) <= columns {
		return text + strings.Repeat(" ", columns-len(runes))
	}
	return string(runes[:columns])
}

func amount(now upload.Progress) string {
	return fmt.Sprintf("%s of %s", byteSize(now.Stored+now.InFlight), byteSize(now.Total))
}

// details are what there is to say beside the amount, what matters most first.
func details(now upload.Progress) []string {
	if now.Waiting != "" {
		return []string{fmt.Sprintf("waiting %s: %s", clock(now.WaitingFor), now.Waiting)}
	}
	all := []string{pace(now)}
	if now.Parts > 0 && !now.Done && !now.Verifying {
		all = append(all, fmt.Sprintf("%d/%d conns", now.PartsBusy, now.Connections))
	}
	switch {
	case now.Retries == 1:
		all = append(all, "1 retry")
	case now.Retries > 1:
		all = append(all, fmt.Sprintf("%d retries", now.Retries))
	}
	if now.Hedged > 0 {
		all = append(all, fmt.Sprintf("%d hedged", now.Hedged))
	}
	return all
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
	return fmt.Sprintf("%s/s, %s left", byteSize(now.Rate), clock(now.Left))
}

// clock is a time to the second.
func clock(d time.Duration) string { return d.Round(time.Second).String() }
