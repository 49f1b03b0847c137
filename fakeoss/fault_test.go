package fakeoss_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

func inject(t *testing.T, srv *fakeoss.TestServer, faults ...fakeoss.Fault) {
	t.Helper()
	if err := srv.Inject(faults...); err != nil {
		t.Fatal(err)
	}
}

// outcome is what the journal says of a request.
type outcome struct {
	Operation    string
	Status       int
	Effect       bool
	Acknowledged bool
	BodyBytes    int64
}

func outcomes(srv *fakeoss.TestServer, operation string) []outcome {
	var list []outcome
	for _, e := range srv.Journal() {
		if e.Operation == operation {
			list = append(list, outcome{e.Operation, e.Status, e.Effect, e.Acknowledged, e.BodyBytes})
		}
	}
	return list
}

func TestFaultRefuse(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	inject(t, srv,
		fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "PutObject", Nth: 2, RetryAfter: 1500 * time.Millisecond, QoSDelay: 20 * time.Millisecond},
		fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "PutObject", Key: "b", Status: 403, Code: "AccessDenied"})
	put := func(key string) response {
		return do(t, srv, request{method: "PUT", path: "/bucket/" + key, body: "hello"})
	}
	want(t, "first", put("a"), 200, nil)
	second := put("a")
	want(t, "second", second, 503, map[string]string{"Retry-After": "2", "x-oss-qos-delay-time": "20"})
	if second.element("Code") != "ServiceUnavailable" {
		t.Errorf("second: %s", second.body)
	}
	if diff := cmp.Diff([]string{"Refuse(403 AccessDenied) at PutObject 1 of /b"}, names(srv.Unfired())); diff != "" {
		t.Errorf("unfired (-want +got):\n%s", diff)
	}
	want(t, "key b", put("b"), 403, nil)
	want(t, "key b again", put("b"), 200, nil)
	if diff := cmp.Diff([]outcome{{"PutObject", 200, true, true, 5}, {"PutObject", 503, false, true, 5}, {"PutObject", 403, false, true, 5},
		{"PutObject", 200, true, true, 5}}, outcomes(srv, "PutObject")); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func names(faults []fakeoss.Fault) []string {
	var list []string
	for _, f := range faults {
		list = append(list, f.String())
	}
	return list
}

func TestFaultCutBodyAndLoseAnswer(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		inject(t, srv,
			fakeoss.Fault{Kind: fakeoss.CutBody, Operation: "PutObject", Key: "cut", Bytes: 70_000},
			fakeoss.Fault{Kind: fakeoss.CutBody, Operation: "PutObject", Key: "end", Bytes: 1 << 20},
			fakeoss.Fault{Kind: fakeoss.LoseAnswer, Operation: "PutObject", Key: "lost"})
		body := string(randomBytes(1, 200_000))
		for _, key := range []string{"cut", "end", "lost"} {
			if r, err := try(t, srv, request{method: "PUT", path: "/bucket/" + key, body: body}); err == nil {
				t.Errorf("%s: got an answer: %d", key, r.StatusCode)
			}
		}
		for key, status := range map[string]int{"cut": 404, "end": 404, "lost": 200} {
			want(t, key, do(t, srv, request{method: "HEAD", path: "/bucket/" + key}), status, nil)
		}
		got := outcomes(srv, "PutObject")
		if diff := cmp.Diff([]outcome{{"PutObject", 0, false, false, 70_000}, {"PutObject", 0, false, false, 200_000},
			{"PutObject", 200, true, false, 200_000}}, got); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
	})
}

func TestFaultDelayEffect(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		id := initiate(t, srv, "/bucket/k?uploads")
		etag := uploadPart(t, srv, "k", id, 1, "x").get("ETag")
		inject(t, srv, fakeoss.Fault{Kind: fakeoss.DelayEffect, Operation: "CompleteMultipartUpload", Later: 2})
		if r, err := try(t, srv, request{method: "POST", path: "/bucket/k?uploadId=" + id, body: list(1, etag)}); err == nil {
			t.Fatalf("got an answer: %d", r.StatusCode)
		}
		want(t, "before", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 404, nil)
		want(t, "after", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 200, nil)

		release := make(chan struct{})
		inject(t, srv, fakeoss.Fault{Kind: fakeoss.DelayEffect, Operation: "PutObject", Release: release})
		if r, err := try(t, srv, request{method: "PUT", path: "/bucket/late", body: "x"}); err == nil {
			t.Fatalf("got an answer: %d", r.StatusCode)
		}
		want(t, "before the release", do(t, srv, request{method: "HEAD", path: "/bucket/late"}), 404, nil)
		close(release)
		until(t, func() bool { return do(t, srv, request{method: "HEAD", path: "/bucket/late"}).StatusCode == 200 })
	})
}

// until asks again and again: there is no signal for what another process would see.
func until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			t.Fatal("it did not happen within 10 seconds")
		}
	}
}

// An effect that was put off must not happen after Close, and Close must not wait for it.
func TestFaultDelayEffectClose(t *testing.T) {
	dir := t.TempDir()
	h, err := fakeoss.New(&fakeoss.Options{Dir: dir, Buckets: []string{"bucket"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fakeoss.Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if err := h.Inject(fakeoss.Fault{Kind: fakeoss.DelayEffect}); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL()+"/bucket/k", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	signV1(r, h.Credential().AccessKeyID, h.Credential().AccessKeySecret)
	if resp, err := client.Do(r); err == nil {
		t.Fatalf("got an answer: %d", resp.StatusCode)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := fakeoss.NewServer(t, &fakeoss.Options{Dir: dir})
	want(t, "after", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 404, nil)
}

func TestFaultStall(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	release := make(chan struct{})
	inject(t, srv,
		fakeoss.Fault{Kind: fakeoss.Stall, Operation: "PutObject", Key: "released", Release: release},
		fakeoss.Fault{Kind: fakeoss.Stall, Operation: "PutObject", Key: "abandoned", Release: make(chan struct{})})

	answered := make(chan response, 1)
	go func() { answered <- do(t, srv, request{method: "PUT", path: "/bucket/released", body: "x"}) }()
	until(t, func() bool { return len(srv.Unfired()) == 1 })
	select {
	case r := <-answered:
		t.Errorf("answered %d before the release", r.StatusCode)
	default:
	}
	close(release)
	want(t, "released", <-answered, 200, nil)

	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "PUT", srv.URL+"/bucket/abandoned", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
	done := make(chan error, 1)
	go func() {
		resp, err := srv.Client().Do(r)
		if err == nil {
			err = errors.Join(fmt.Errorf("answered %d", resp.StatusCode), resp.Body.Close())
		}
		done <- err
	}()
	until(t, func() bool { return len(srv.Unfired()) == 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("abandoned: %v", err)
	}
	until(t, func() bool {
		for _, e := range srv.Journal() {
			if e.Key == "abandoned" && e.Ended != 0 {
				return !e.Effect && !e.Acknowledged
			}
		}
		return false
	})
	want(t, "abandoned", do(t, srv, request{method: "HEAD", path: "/bucket/abandoned"}), 404, nil)
}

func TestFaultSlowAnswer(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	release := make(chan struct{})
	inject(t, srv, fakeoss.Fault{Kind: fakeoss.SlowAnswer, Operation: "PutObject", Release: release},
		fakeoss.Fault{Kind: fakeoss.SlowAnswer, Operation: "DeleteObject", Delay: time.Millisecond})
	answered := make(chan response, 1)
	go func() { answered <- do(t, srv, request{method: "PUT", path: "/bucket/k", body: "x"}) }()
	// It takes effect while the answer is held back.
	until(t, func() bool { return do(t, srv, request{method: "HEAD", path: "/bucket/k"}).StatusCode == 200 })
	select {
	case r := <-answered:
		t.Errorf("answered %d before the release", r.StatusCode)
	default:
	}
	close(release)
	want(t, "put", <-answered, 200, nil)
	want(t, "delete", do(t, srv, request{method: "DELETE", path: "/bucket/k"}), 204, nil)
}

func TestFaultCheck(t *testing.T) {
	srv := fakeoss.NewServer(t, nil)
	for _, f := range []fakeoss.Fault{{}, {Kind: 99}, {Kind: fakeoss.Stall}, {Kind: fakeoss.Refuse, Operation: "PutObjekt"},
		{Kind: fakeoss.Refuse, Status: 200}, {Kind: fakeoss.CutBody, Bytes: -1}} {
		if err := srv.Inject(f); err == nil {
			t.Errorf("%v was accepted", f)
		}
	}
}

// recorder is a TB that records what a server says to its test.
type recorder struct {
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestUnfiredFaultFailsTheTest(t *testing.T) {
	r := &recorder{}
	fakeoss.NewServer(r, &fakeoss.Options{Faults: []fakeoss.Fault{{Kind: fakeoss.LoseAnswer, Operation: "UploadPart", Nth: 3, PartNumber: 7}}})
	for _, f := range r.cleanups {
		f()
	}
	if diff := cmp.Diff([]string{"a fault did not fire: LoseAnswer at UploadPart 3 part 7"}, r.errors); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// TestJournal: the entry of a request is complete once its answer has arrived, in memory and, when the server was closed,
// in the writer; its numbers order it against others.
func TestJournal(t *testing.T) {
	var lines bytes.Buffer
	r := &recorder{}
	// The clock is read between the answer and the end of its entry. There the client gets ahead of the server, if it can.
	slow := func() time.Time {
		for range 1000 {
			runtime.Gosched()
		}
		return time.Now()
	}
	srv := fakeoss.NewServer(r, &fakeoss.Options{Buckets: []string{"bucket"}, JournalWriter: &lines, JournalLimit: 3, Clock: slow})
	for i := range 20 {
		key := fmt.Sprintf("k%d", i)
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/" + key, body: "hello"}), 200, nil)
		entries := srv.Journal()
		last := entries[len(entries)-1]
		if last.Key != key || last.Ended == 0 || !last.Acknowledged || !last.Effect || last.BodyBytes != 5 || last.Begun >= last.Ended {
			t.Fatalf("entry %+v", last)
		}
		if len(entries) > 1 && entries[len(entries)-2].Ended >= last.Begun {
			t.Fatalf("a request that came after the answer to another is not after it: %+v", entries)
		}
		if len(entries) > 3 {
			t.Fatalf("%d entries, want at most 3", len(entries))
		}
	}
	id := initiate(t, srv, "/bucket/up?uploads")
	uploadPart(t, srv, "up", id, 7, "x")
	want(t, "get", do(t, srv, request{method: "GET", path: "/bucket/missing"}), 404, nil)
	for _, f := range r.cleanups {
		f()
	}
	var got []fakeoss.Entry
	for d := json.NewDecoder(&lines); d.More(); {
		var e fakeoss.Entry
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 23 {
		t.Fatalf("%d lines, want 23", len(got))
	}
	if e := got[20]; e.Operation != "InitiateMultipartUpload" || e.UploadID != id {
		t.Errorf("initiate: %+v", e)
	}
	if e := got[21]; e.Operation != "UploadPart" || e.UploadID != id || e.PartNumber != 7 || e.Key != "up" || e.Bucket != "bucket" || e.Start.IsZero() || e.End.IsZero() {
		t.Errorf("part: %+v", e)
	}
	if e := got[22]; e.Status != 404 || e.Code != "NoSuchKey" || e.Effect || len(e.RequestID) != 24 {
		t.Errorf("get: %+v", e)
	}
	if len(r.errors) > 0 {
		t.Error(r.errors)
	}
}
