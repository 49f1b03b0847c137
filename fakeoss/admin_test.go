package fakeoss_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// admin sends a request to the administration and returns its JSON.
func admin(t *testing.T, srv *fakeoss.TestServer, status int, method, path, body string) (v map[string]any) {
	t.Helper()
	r := do(t, srv, request{method: method, path: path, body: body, raw: true})
	if r.StatusCode != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, r.StatusCode, r.body, status)
	}
	if status == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%s %s: %v in %q", method, path, err, r.body)
	}
	if (v["error"] != nil) != (status >= 400) {
		t.Errorf("%s %s: %s", method, path, r.body)
	}
	return v
}

func TestAdminFaults(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Admin: true})
	put := func() int { return do(t, srv, request{method: "PUT", path: "/bucket/k", body: "x"}).StatusCode }
	got := admin(t, srv, 200, "POST", "/-/faults", ` [
		{"kind": "Refuse", "operation": "PutObject", "nth": 2, "status": 500, "code": "InternalError", "retry_after_ms": 1000},
		{"kind": "Refuse", "operation": "PutObject", "key": "other"}]`)
	if diff := cmp.Diff(map[string]any{"injected": 2.0}, got); diff != "" {
		t.Errorf("inject (-want +got):\n%s", diff)
	}
	if a, b := put(), put(); a != 200 || b != 500 {
		t.Errorf("put: %d and %d, want 200 and 500", a, b)
	}
	first := map[string]any{"kind": "Refuse", "operation": "PutObject", "nth": 2.0, "status": 500.0, "code": "InternalError",
		"retry_after_ms": 1000.0, "seen": 2.0, "fired": true, "description": "Refuse(500 InternalError) at PutObject 2"}
	second := map[string]any{"kind": "Refuse", "operation": "PutObject", "key": "other", "seen": 0.0, "fired": false,
		"description": "Refuse(503 ServiceUnavailable) at PutObject 1 of /other"}
	if diff := cmp.Diff(map[string]any{"faults": []any{first, second}}, admin(t, srv, 200, "GET", "/-/faults", "")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"faults": []any{second}}, admin(t, srv, 200, "GET", "/-/faults?unfired", "")); diff != "" {
		t.Errorf("unfired (-want +got):\n%s", diff)
	}
	if n := len(srv.Unfired()); n != 1 {
		t.Errorf("%d faults unfired, want 1", n)
	}
	admin(t, srv, 204, "DELETE", "/-/faults", "")
	if n := len(srv.Unfired()); n != 0 {
		t.Errorf("%d faults unfired after all were forgotten", n)
	}
}

func TestAdminRelease(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Admin: true})
	for name, release := range map[string]func(){
		"release": func() { admin(t, srv, 204, "POST", "/-/release/a%2Fb", "") },
		"forget":  func() { admin(t, srv, 204, "DELETE", "/-/faults", "") },
		"reset":   func() { admin(t, srv, 204, "POST", "/-/reset", "") },
	} {
		t.Run(name, func(t *testing.T) {
			admin(t, srv, 200, "POST", "/-/faults", `{"kind": "Stall", "release": "a/b"}`)
			answered := make(chan int, 1)
			go func() { answered <- do(t, srv, request{method: "PUT", path: "/bucket/k", body: "x"}).StatusCode }()
			until(t, func() bool { return len(srv.Unfired()) == 0 })
			select {
			case status := <-answered:
				t.Errorf("answered %d before the release", status)
			default:
			}
			release()
			if status := <-answered; status != 200 {
				t.Errorf("answered %d", status)
			}
			admin(t, srv, 404, "POST", "/-/release/a%2Fb", "")
		})
	}
}

func TestAdminJournal(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Admin: true})
	type journal struct {
		Sequence uint64          `json:"sequence"`
		Entries  []fakeoss.Entry `json:"entries"`
	}
	read := func(path string) (j journal) {
		r := do(t, srv, request{method: "GET", path: path, raw: true})
		if err := json.Unmarshal([]byte(r.body), &j); err != nil {
			t.Fatalf("%v in %s", err, r.body)
		}
		return j
	}
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/a", body: "x"}), 200, nil)
	one := read("/-/journal")
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/b", body: "x"}), 200, nil)
	two := read("/-/journal?after=" + "2")
	if one.Sequence != 2 || len(one.Entries) != 1 || one.Entries[0].Key != "a" {
		t.Errorf("first: %+v", one)
	}
	if two.Sequence != 4 || len(two.Entries) != 1 || two.Entries[0].Key != "b" || !two.Entries[0].Acknowledged {
		t.Errorf("second: %+v", two)
	}
	if diff := cmp.Diff(srv.Journal(), read("/-/journal").Entries); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	if last := read("/-/journal?after=4"); last.Entries == nil || len(last.Entries) != 0 {
		t.Errorf("nothing new: %+v", last)
	}
	// A request in progress is there each time, and once more when it has ended.
	admin(t, srv, 200, "POST", "/-/faults", `{"kind": "Stall", "release": "go"}`)
	answered := make(chan int, 1)
	go func() { answered <- do(t, srv, request{method: "PUT", path: "/bucket/c", body: "x"}).StatusCode }()
	until(t, func() bool { return len(srv.Unfired()) == 0 })
	for range 2 {
		if j := read("/-/journal?after=5"); len(j.Entries) != 1 || j.Entries[0].Key != "c" || j.Entries[0].Ended != 0 || j.Sequence != 5 {
			t.Errorf("in progress: %+v", j)
		}
	}
	admin(t, srv, 204, "POST", "/-/release/go", "")
	if status := <-answered; status != 200 {
		t.Errorf("released: %d", status)
	}
	if j := read("/-/journal?after=5"); len(j.Entries) != 1 || j.Entries[0].Ended != 6 {
		t.Errorf("ended: %+v", j)
	}
	admin(t, srv, 204, "DELETE", "/-/journal", "")
	if empty := read("/-/journal"); len(empty.Entries) != 0 || empty.Sequence != 6 {
		t.Errorf("cleared: %+v", empty)
	}
}

func TestAdminNetwork(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Admin: true})
	admin(t, srv, 204, "PUT", "/-/network", `{"latency_ms": 1, "receive_rate": 1000000, "send_rate": 2000000}`)
	set := map[string]any{"latency_ms": 1.0, "receive_rate": 1000000.0, "send_rate": 2000000.0}
	if diff := cmp.Diff(set, admin(t, srv, 200, "GET", "/-/network", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	admin(t, srv, 204, "POST", "/-/reset", "")
	none := map[string]any{"latency_ms": 0.0, "receive_rate": 0.0, "send_rate": 0.0}
	if diff := cmp.Diff(none, admin(t, srv, 200, "GET", "/-/network", "")); diff != "" {
		t.Errorf("after reset (-want +got):\n%s", diff)
	}
}

func TestAdminRefuses(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Admin: true})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/-/", "", 404},
		{"GET", "/-/nothing", "", 404},
		{"GET", "/-/faults/more", "", 404},
		{"PATCH", "/-/faults", "", 405},
		{"GET", "/-/release/x", "", 405},
		{"POST", "/-/release/x", "", 404},
		{"POST", "/-/faults", "", 400},
		{"POST", "/-/faults", "{", 400},
		{"POST", "/-/faults", "{} {}", 400},
		{"POST", "/-/faults", `{"kind": "Explode"}`, 400},
		{"POST", "/-/faults", `{"kind": "Refuse", "operation": "Nothing"}`, 400},
		{"POST", "/-/faults", `{"kind": "Refuse", "opration": "PutObject"}`, 400},
		{"POST", "/-/faults", `{"kind": "Stall"}`, 400},
		{"POST", "/-/faults", `{"kind": "SlowAnswer", "delay_ms": -1}`, 400},
		{"POST", "/-/faults", `{"kind": "SlowAnswer", "delay_ms": 9223372036854775807}`, 400},
		{"POST", "/-/faults", `[{"kind": "Refuse"}, {"kind": "Refuse", "nth": -1}]`, 400},
		{"POST", "/-/faults", strings.Repeat(" ", 1<<20) + "{}", 413},
		{"POST", "/-/faults", strings.Repeat("[", 1<<19), 400},
		{"GET", "/-/journal?after=-1", "", 400},
		{"PUT", "/-/network", `{"receive_rate": 1}`, 400},
		{"PUT", "/-/network", `{"latency_ms": 1e18}`, 400},
	} {
		if got := admin(t, srv, c.status, c.method, c.path, c.body); got["error"] == "" {
			t.Errorf("%s %s: %v", c.method, c.path, got)
		}
	}
	browser := do(t, srv, request{method: "POST", path: "/-/reset", raw: true, header: map[string]string{"Origin": "http://example.com"}})
	if browser.StatusCode != 403 {
		t.Errorf("a page in a browser: %d %s", browser.StatusCode, browser.body)
	}
	if n := len(srv.Unfired()); n != 0 {
		t.Errorf("%d faults were injected", n)
	}
}

// Without Options.Admin, and under the host of a bucket, there is no administration.
func TestAdminOff(t *testing.T) {
	off := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	if r := do(t, off, request{method: "GET", path: "/-/faults", raw: true}); r.StatusCode != 400 || r.element("Code") != "InvalidBucketName" {
		t.Errorf("off: %d %s", r.StatusCode, r.body)
	}
	on := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Admin: true})
	r, err := http.NewRequestWithContext(t.Context(), "GET", on.URL+"/-/faults", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "bucket.localhost"
	if r := roundTrip(t, on, r); r.StatusCode != 403 || r.element("Code") != "AccessDenied" {
		t.Errorf("a key: %d %s", r.StatusCode, r.body)
	}
	if n := len(on.Journal()); n != 1 {
		t.Errorf("%d entries, want that of the key", n)
	}
}
