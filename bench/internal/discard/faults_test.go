package discard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark-go/tidemark/internal/link"
)

func TestFaultShares(t *testing.T) {
	f := Faults{Seed: 1, Reset: 0.05, Unavailable: 0.1}
	var got [3]int
	different := false
	for n := range int64(10_000) {
		fate := f.of(n)
		got[fate]++
		if again := f.of(n); again != fate {
			t.Fatalf("request %d is not decided", n)
		}
		different = different || fate != (Faults{Seed: 2, Reset: 0.05, Unavailable: 0.1}).of(n)
	}
	if got[reset] < 400 || got[reset] > 600 || got[unavailable] < 900 || got[unavailable] > 1100 || !different {
		t.Errorf("of 10000: %d resets, %d unavailable; another seed differs: %t", got[reset], got[unavailable], different)
	}
	if (Faults{Seed: 1}).of(0) != none {
		t.Error("a fault without a share")
	}
}

// put sends a part and returns the answer's status and the error of the request.
func put(t *testing.T, s *Server, id, body string, header http.Header) (int, http.Header, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.Endpoint()+object+"?uploadId="+id+"&partNumber=1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	transport := &http.Transport{} // of its own: a request on a connection that was used is sent again after a reset
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if e := resp.Body.Close(); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if resp.StatusCode != http.StatusOK && !bytes.Contains(text, []byte("<Code>")) {
		t.Errorf("status %d with %q", resp.StatusCode, text)
	}
	return resp.StatusCode, resp.Header, nil
}

func traffic(t *testing.T, c *Control) Traffic {
	t.Helper()
	return state(t, c).Traffic
}

// What a fault ate is half of the body or all of it, and the part is not there.
func TestFaults(t *testing.T) {
	const size = 1 << 20
	body := strings.Repeat("a", size)
	for name, test := range map[string]struct {
		faults Faults
		status int // 0: a reset
		want   Traffic
	}{
		"none":        {Faults{}, 200, Traffic{Parts: 1, Bytes: size, Most: 1}},
		"reset":       {Faults{Reset: 1}, 0, Traffic{Parts: 1, Bytes: size / 2, Eaten: size / 2, Faults: 1, Most: 1}},
		"unavailable": {Faults{Unavailable: 1}, 503, Traffic{Parts: 1, Bytes: size, Eaten: size, Faults: 1, Most: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s, control := start(t, Options{Faults: test.faults})
			id := begin(t, s)
			status, _, err := put(t, s, id, body, nil)
			if status != test.status || (status == 0) != (err != nil) {
				t.Errorf("status %d, %v", status, err)
			}
			if status, _ := complete(t, s, id, 1); (status == 200) != (name == "none") {
				t.Errorf("complete: status %d", status)
			}
			if diff := cmp.Diff(test.want, traffic(t, control), cmpopts.IgnoreFields(Traffic{}, "Samples")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The reset is one (RST), and comes when half of the body is there.
func TestReset(t *testing.T) {
	s, _ := start(t, Options{Faults: Faults{Reset: 1}})
	id := begin(t, s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // it is reset
	if _, err := fmt.Fprintf(conn, "PUT %s?uploadId=%s&partNumber=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n%01000d", object, id, 0); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", answer, err)
	}
}

// What S3 clients wrap around the content is not counted.
func TestTrafficIsContent(t *testing.T) {
	s, control := start(t, Options{})
	id := begin(t, s)
	if status, _, err := put(t, s, id, strings.Repeat("a", 1100), http.Header{"X-Amz-Decoded-Content-Length": {"1000"}}); status != 200 {
		t.Errorf("status %d, %v", status, err)
	}
	if got := traffic(t, control).Bytes; got < 990 || got > 1000 {
		t.Errorf("%d bytes of content", got)
	}
}

// Beyond the limit a part is refused at once, though its body has not come.
func TestMost(t *testing.T) {
	s, control := start(t, Options{Faults: Faults{Most: 2}})
	id := begin(t, s)
	var bodies []*io.PipeWriter
	results := make(chan string, 2)
	for range 2 {
		r, w := io.Pipe()
		bodies = append(bodies, w)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.Endpoint()+object+"?uploadId="+id+"&partNumber=1", r)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				err = resp.Body.Close()
			}
			results <- fmt.Sprintln(resp.Status, err)
		}()
		if _, err := w.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
	}
	for traffic(t, control).Bytes < 2 { // both are being served
		if t.Context().Err() != nil {
			t.Fatal("they never come")
		}
	}
	status, header, err := put(t, s, id, strings.Repeat("a", 8<<20), nil)
	if status != http.StatusServiceUnavailable || header.Get("X-Oss-Qos-Delay-Time") != "200" {
		t.Errorf("status %d, %v, %v", status, header, err)
	}
	for _, w := range bodies {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	for range bodies {
		if got := <-results; got != "200 OK <nil>\n" {
			t.Error(got)
		}
	}
	if got := traffic(t, control); got.Most != 3 || got.Faults != 1 || got.Parts != 3 || got.Bytes != 2 {
		t.Errorf("%+v", got)
	}
}

// Samples begin with the first part, and have the bytes since the one before, by key.
func TestSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		if c.sample(time.Now()) != 0 || len(c.get().Samples) > 0 {
			t.Error("a sample before the first part")
		}
		if n, active := c.arrive(); n != 0 || active != 1 {
			t.Errorf("part request %d of %d", n, active)
		}
		c.arrive()
		c.read("a", 2)
		c.read("a", 3)
		c.read("b", 4)
		time.Sleep(sampleEvery)
		c.sample(time.Now())
		c.leave()
		time.Sleep(sampleEvery)
		if at := c.sample(time.Now()); at != 2*sampleEvery {
			t.Errorf("a sample at %v", at)
		}
		want := []Sample{{At: sampleEvery, Active: 2, Bytes: map[string]int64{"a": 5, "b": 4}}, {At: 2 * sampleEvery, Active: 1}}
		if diff := cmp.Diff(want, c.get().Samples); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		time.Sleep(sampleEvery / 2)
		c.read("b", 6)
		last := Sample{At: 5 * sampleEvery / 2, Active: 1, Bytes: map[string]int64{"b": 6}}
		for range 2 { // it is told, and not taken
			if diff := cmp.Diff(append(want, last), c.get().Samples); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
	})
}

// A link lies before the server, and changes when its time has come.
func TestLink(t *testing.T) {
	if _, err := Start(Options{Link: link.Link{ConnRate: 1}}); err == nil {
		t.Error("a link that is none was taken")
	}
	if _, err := Start(Options{Changes: []Change{{Link: link.Link{ConnRate: 1}}}}); err == nil {
		t.Error("a change to a link that is none was taken")
	}
	s, control := start(t, Options{Link: link.Link{ConnRate: 1024}, Changes: []Change{{After: sampleEvery, Link: link.Link{}}}})
	// A kilobyte a second would take a quarter of an hour.
	id := begin(t, s)
	putPart(t, s, id, 1, strings.Repeat("a", 1<<20))
	if got := traffic(t, control); len(got.Samples) == 0 || got.Samples[0].Active != 1 {
		t.Errorf("%+v", got.Samples)
	}
}
