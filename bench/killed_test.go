package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

func TestJudge(t *testing.T) {
	const killed, restarted = 100, 200
	got := judge([]discard.Put{
		{Number: 1, Size: 10, Begun: 1, Stored: 50, Acknowledged: 60},
		{Number: 2, Size: 10, Begun: 1, Stored: 50, Acknowledged: 100},
		{Number: 3, Size: 10, Begun: 90, Stored: 99, Acknowledged: 101}, // answered to a dead process
		{Number: 4, Size: 10, Begun: 90, Stored: 102},
		{Number: 5, Begun: 90}, // came in half
		{Number: 2, Size: 10, Begun: 230, Stored: 240, Acknowledged: 250},
		{Number: 4, Size: 10, Begun: 235, Stored: 240, Acknowledged: 250},
		{Number: 5, Size: 10, Begun: 260, Stored: 270, Acknowledged: 280},
		{Number: 6, Size: 10, Begun: 255, Stored: 270, Acknowledged: 280},
	}, killed, restarted)
	want := report.Kill{
		Acknowledged: 2, Resent: 1, ResentBytes: 10, InFlight: 3, InFlightStored: 2, InFlightResent: 1,
		FirstPart: 30 * time.Nanosecond, FirstNew: 55 * time.Nanosecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
