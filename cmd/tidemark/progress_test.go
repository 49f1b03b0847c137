package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/upload"
)

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&console{err: &out}, false, false)
	for _, now := range []upload.Progress{
		{Elapsed: 0, Total: 100 << 20, Left: -1},
		{Elapsed: 4900 * time.Millisecond, Total: 100 << 20, Stored: 9 << 20, Rate: 2 << 20, Left: time.Minute},
		{Elapsed: 5000 * time.Millisecond, Total: 100 << 20, Stored: 9 << 20, InFlight: 1 << 20, Rate: 2 << 20, Left: 45 * time.Second},
		{Elapsed: 9900 * time.Millisecond, Total: 100 << 20, Stored: 20 << 20, Rate: 2 << 20, Left: 40 * time.Second},
		{Elapsed: 10100 * time.Millisecond, Total: 100 << 20, Stored: 20 << 20, Left: -1},
		{Elapsed: 16 * time.Second, Total: 100 << 20, Stored: 100 << 20, Verifying: true},
	} {
		p.update(now)
	}
	p.close()
	want := "tidemark: 10.0 MiB of 100.0 MiB, 2.0 MiB/s, 45s left\n" +
		"tidemark: 20.0 MiB of 100.0 MiB, waiting\n" +
		"tidemark: 100.0 MiB of 100.0 MiB, verifying\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Waiting has a line at its beginning and one at its end, and none in between; what is over at once has none.
func TestProgressWaitingLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&console{err: &out}, false, false)
	at := func(elapsed, waiting time.Duration) {
		now := upload.Progress{Elapsed: elapsed, Total: 100 << 20, Stored: 10 << 20, Parts: 10, PartsBusy: 3, Connections: 4, Rate: 1 << 20, Left: 90 * time.Second}
		if waiting > 0 {
			now.Waiting, now.WaitingFor = "the store cannot be reached", waiting
		}
		p.update(now)
	}
	at(0, 0)
	at(time.Second, worthy/2) // over at once
	at(3*time.Second, 0)
	at(4*time.Second, worthy/2)
	at(6*time.Second, worthy)
	at(time.Hour, time.Hour-4*time.Second)
	at(time.Hour+3*time.Second, 0)
	at(time.Hour+4*time.Second, 0)
	at(time.Hour+8*time.Second, 0)
	p.close()
	want := "tidemark: 10.0 MiB of 100.0 MiB, waiting: the store cannot be reached\n" +
		"tidemark: 10.0 MiB of 100.0 MiB, going on after 59m56s of waiting\n" +
		"tidemark: 10.0 MiB of 100.0 MiB, 1.0 MiB/s, 1m30s left, 3/4 conns\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestProgressQuiet(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&console{err: &out}, true, false)
	p.update(upload.Progress{Elapsed: time.Hour, Total: 1, Stored: 1})
	p.close()
	if out.Len() > 0 {
		t.Errorf("it says %q", &out)
	}
	if p.last.Stored != 1 {
		t.Error("the last snapshot is not kept")
	}
}

// The bar is not full before the end is verified, and the line is free afterwards.
func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := &progress{err: &out, columns: func() int { return 80 }}
	p.update(upload.Progress{Total: 0, Left: -1})
	if out.Len() > 0 {
		t.Errorf("nothing is known yet, and it says %q", &out)
	}
	p.update(upload.Progress{Total: 100 << 20, Stored: 40 << 20, InFlight: 10 << 20, Rate: 2 << 20, Left: 25 * time.Second})
	p.update(upload.Progress{Total: 100 << 20, Stored: 100 << 20, Verifying: true})
	p.update(upload.Progress{Total: 200 << 20, Stored: 50 << 20}) // the source grew, and much of it differs
	text := out.String()
	for _, want := range []string{" 50% |", "50.0 MiB of 100.0 MiB, 2.0 MiB/s, 25s left", " 99% |", " 25% |", "100.0 MiB of 100.0 MiB, verifying"} {
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("the bar lacks %q: %q", want, text)
		}
	}
	if bytes.Contains([]byte(text), []byte("100% |")) {
		t.Errorf("the bar is full before the end: %q", text)
	}
	p.close()
	if !bytes.HasSuffix(out.Bytes(), []byte("\r")) {
		t.Errorf("the line is not free: %q", &out)
	}
}
