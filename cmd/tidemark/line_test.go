package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/upload"
)

// What the engine decides is on the line, and what there is no room for goes in the order of what matters least.
func TestLineFits(t *testing.T) {
	sending := upload.Progress{
		Total: 1 << 30, Stored: 480 << 20, InFlight: 32 << 20, Parts: 128, PartsBusy: 4, Connections: 8, Rate: 20 << 20, Left: 25 * time.Second,
	}
	troubled := sending
	troubled.Retries, troubled.Hedged = 3, 1
	waiting := troubled
	waiting.Waiting, waiting.WaitingFor = "the store cannot be reached", 192*time.Second
	verifying := troubled
	verifying.Verifying = true
	one := upload.Progress{Total: 1 << 20, Retries: 1, Connections: 4, Left: -1} // one request, no parts
	for _, test := range []struct {
		name    string
		now     upload.Progress
		columns int
		want    string
	}{
		{"sending", sending, 80, "512.0 MiB of 1.0 GiB, 20.0 MiB/s, 25s left, 4/8 conns"},
		{"troubled", troubled, 120, "512.0 MiB of 1.0 GiB, 20.0 MiB/s, 25s left, 4/8 conns, 3 retries, 1 hedged"},
		{"troubled", troubled, 80, "512.0 MiB, 20.0 MiB/s, 25s left, 4/8 conns, 3 retries, 1 hedged"},
		{"troubled", troubled, 78, "512.0 MiB, 20.0 MiB/s, 25s left, 4/8 conns, 3 retries"},
		{"troubled", troubled, 60, "512.0 MiB, 20.0 MiB/s, 25s left, 4/8 conns"},
		{"troubled", troubled, 50, "512.0 MiB, 20.0 MiB/s, 25s left"},
		{"troubled", troubled, 34, "512.0 MiB, 20.0 MiB/s,"},
		{"waiting", waiting, 80, "512.0 MiB of 1.0 GiB, waiting 3m12s: the store cannot be reached"},
		{"waiting", waiting, 60, "waiting 3m12s: the store cannot be reached"},
		{"waiting", waiting, 30, "waiting 3m12s: the"},
		{"verifying", verifying, 80, "512.0 MiB of 1.0 GiB, verifying, 3 retries, 1 hedged"},
		{"one request", one, 80, "0 B of 1.0 MiB, waiting, 1 retry"},
	} {
		t.Run(fmt.Sprint(test.name, " ", test.columns), func(t *testing.T) {
			got := newLayout(test.columns).fit(test.now)
			if strings.TrimRight(got, " ") != test.want {
				t.Errorf("got  %q\nwant %q", strings.TrimRight(got, " "), test.want)
			}
		})
	}
}

// Each line that is drawn, however much there is to say and whatever is wiped between, is narrower than the terminal, also after
// that was made narrower.
func TestLineWidth(t *testing.T) {
	most := upload.Progress{
		Total: 1023 << 30, Stored: 1023 << 29, Parts: 10000, PartsBusy: 999, Connections: 1000, Rate: 1023 << 20, Left: 99*time.Hour + 59*time.Minute,
		Retries: 123456, Hedged: 1234,
	}
	waiting := most
	waiting.Waiting, waiting.WaitingFor = "the store cannot be reached", 99*time.Hour
	shrunk := most // the source; what was stored before is still counted
	shrunk.Total /= 16
	var out bytes.Buffer
	columns := 0
	p := &progress{err: &out, columns: func() int { return columns }}
	for columns = 132; columns >= 0; columns-- {
		out.Reset()
		for _, now := range []upload.Progress{most, waiting, shrunk, most} {
			p.update(now)
		}
		if columns == 80 && !strings.Contains(out.String(), "waiting 99h0m0s: the store cannot be reached") {
			t.Errorf("80 columns lack the reason: %q", &out)
		}
		for line := range strings.SplitSeq(out.String(), "\r") {
			if n := utf8.RuneCountInString(line); n > 0 && n >= columns {
				t.Errorf("%d columns have a line of %d: %q", columns, n, line)
			}
		}
	}
}
