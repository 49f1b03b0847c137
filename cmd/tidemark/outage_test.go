//go:build linux || darwin

package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// goAway has the service vanish when part n arrives for the first time: its port refuses connections, and those that there were are
// cut. gone is closed when that is so.
func (w *world) goAway(n int) (gone <-chan struct{}) {
	away := make(chan struct{})
	server := w.server
	w.onPart(func(at, _ int) {
		if at == n {
			server.Listener.Close() // it may say that it is closed, which is what is wanted
			server.CloseClientConnections()
			close(away)
		}
	})
	return away
}

// comeBack starts the service again, on the same port and with all that it had.
func (w *world) comeBack(t *testing.T) {
	t.Helper()
	w.server.Close() // all of its requests have ended
	listener, err := net.Listen("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(w.handle)}}
	w.server.Start()
}

// waits runs put until it waits for the service, which has vanished at part 4.
func (w *world) waits(t *testing.T, more ...string) *command {
	t.Helper()
	gone := w.goAway(4)
	c := start(t, w.env, w.put(append([]string{"--verbose", "--max-retry-delay", "20ms"}, more...)...)...)
	await(t, "part 4", gone)
	c.err.await(t, `msg=waiting why="the store cannot be reached"`)
	return c
}

// An upload goes on by itself when the service is back, and sends no more again than the part that was under way.
func TestOutageEnds(t *testing.T) {
	w := newWorld(t, &fakeoss.Options{})
	c := w.waits(t, "--json")
	w.comeBack(t)
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &c.err)
	}
	if text := c.err.String(); !strings.Contains(text, `msg="going on"`) {
		t.Errorf("the log does not say that it goes on:\n%s", text)
	}
	r := decode[putResult](t, c.out.String())
	if r.Resumed || len(r.Restarted) > 0 || r.Retries < 2 {
		t.Errorf("%+v; want one upload and at least two retries", r)
	}
	w.settled(t)
	w.wantOnce(t)
}

// An upload that is interrupted while it waits goes on with the same command, whatever was tried meanwhile.
func TestOutageInterrupted(t *testing.T) {
	w := newWorld(t, &fakeoss.Options{})
	c := w.waits(t)
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code, text := c.wait(t), strings.TrimSpace(c.err.String())
	last := text[strings.LastIndex(text, "\n")+1:]
	want := "tidemark: interrupted; 3.0 MiB of 8.0 MiB are stored and kept; go on with: "
	if code != exitInterrupted || !strings.HasPrefix(last, want) {
		t.Errorf("exit code %d, want %d; the last line is %q, want %q", code, exitInterrupted, last, want)
	}

	// One that has not seen the service at all does not wait for it: its address may be wrong.
	fails(t, exitTrouble, "check OSS_ENDPOINT .*, and run the same command to go on$", w.env, w.put()...)

	w.comeBack(t)
	if r := w.goOn(t, 3*mib); !r.Resumed {
		t.Errorf("not resumed: %+v", r)
	}
	w.wantOnce(t)
}

// After the time that --outage allows, the upload is given up, says so, and goes on with the same command.
func TestOutageTooLong(t *testing.T) {
	for _, test := range []struct{ outage, want string }{
		{"3s", `; given up after [1-9]s of waiting, which --outage bounds; 3.0 MiB of 8.0 MiB are stored and kept: run the same command to go on$`},
		{"0", `; (given up after \ds of waiting, which --outage bounds; )?3.0 MiB of 8.0 MiB are stored and kept: run the same command to go on$`},
	} {
		t.Run(test.outage, func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.goAway(4)
			fails(t, exitTrouble, test.want, w.env, w.put("--attempts", "4", "--max-retry-delay", "20ms", "--outage", test.outage)...)
			w.comeBack(t)
			w.goOn(t, 3*mib)
			w.wantOnce(t)
		})
	}
}

// wantOnce wants that each part was stored once.
func (w *world) wantOnce(t *testing.T) {
	t.Helper()
	stored := map[int]int{}
	for _, e := range w.Journal() {
		if e.Operation == "UploadPart" && e.Effect {
			stored[e.PartNumber]++
		}
	}
	for n := 1; n <= testParts; n++ {
		if stored[n] != 1 {
			t.Errorf("part %d was stored %d times", n, stored[n])
		}
	}
}
