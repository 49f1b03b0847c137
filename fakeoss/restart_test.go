package fakeoss_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// restart runs f on servers over one directory, one after the other.
func restart(t *testing.T, dir string, steps ...func(srv *fakeoss.TestServer)) {
	t.Helper()
	cred := fakeoss.Credential{AccessKeyID: "id", AccessKeySecret: "secret"}
	for _, step := range steps {
		r := &recorder{}
		step(fakeoss.NewServer(r, &fakeoss.Options{Dir: dir, Buckets: []string{"bucket"}, Credentials: []fakeoss.Credential{cred}}))
		for _, f := range r.cleanups {
			f()
		}
		if len(r.errors) > 0 {
			t.Fatal(r.errors)
		}
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	body := string(randomBytes(3, 150_000))
	var id, seq, etag string
	restart(t, dir,
		func(srv *fakeoss.TestServer) {
			want(t, "bucket", do(t, srv, request{method: "PUT", path: "/other/", header: map[string]string{"x-oss-acl": "public-read"}}), 200, nil)
			want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/k", body: "hello", header: map[string]string{"x-oss-meta-a": "v"}}), 200, nil)
			want(t, "acl", do(t, srv, request{method: "PUT", path: "/bucket/k?acl", header: map[string]string{"x-oss-object-acl": "private"}}), 200, nil)
			id = initiate(t, srv, "/bucket/up?uploads")
			seq = initiate(t, srv, "/bucket/seq?sequential&uploads")
			uploadPart(t, srv, "seq", seq, 1, "x")
			uploadPart(t, srv, "up", id, 1, "replaced")
			etag = uploadPart(t, srv, "up", id, 1, body).get("ETag")
		},
		func(srv *fakeoss.TestServer) {
			want(t, "object", do(t, srv, request{method: "GET", path: "/bucket/k"}), 200, map[string]string{"x-oss-meta-a": "v", "ETag": helloETag})
			if r := do(t, srv, request{method: "GET", path: "/other/?bucketInfo"}); r.element("Grant") != "public-read" {
				t.Errorf("bucket: %s", r.body)
			}
			if r := do(t, srv, request{method: "GET", path: "/bucket/k?acl"}); r.element("Grant") != "private" {
				t.Errorf("acl: %s", r.body)
			}
			r := do(t, srv, request{method: "GET", path: "/bucket/up?uploadId=" + id})
			if strings.Count(r.body, "<Part>") != 1 || r.element("ETag") != etag || r.element("HashCrc64ecma") != crcOf([]byte(body)) {
				t.Errorf("parts: %s", r.body)
			}
			want(t, "sequential is kept", uploadPart(t, srv, "seq", seq, 1, "x"), 409, nil)
			second := uploadPart(t, srv, "up", id, 2, "tail")
			want(t, "complete", do(t, srv, request{method: "POST", path: "/bucket/up?uploadId=" + id, body: list(1, etag, 2, second.get("ETag"))}), 200, nil)
		},
		func(srv *fakeoss.TestServer) {
			if r := do(t, srv, request{method: "GET", path: "/bucket/up"}); r.body != body+"tail" {
				t.Errorf("the object is %d bytes, want %d", len(r.body), len(body)+4)
			}
			want(t, "the upload", do(t, srv, request{method: "GET", path: "/bucket/up?uploadId=" + id}), 404, nil)
			want(t, "abort", do(t, srv, request{method: "DELETE", path: "/bucket/seq?uploadId=" + seq}), 204, nil)
			for _, key := range []string{"k", "up"} {
				want(t, "delete", do(t, srv, request{method: "DELETE", path: "/bucket/" + key}), 204, nil)
			}
		})
	// Nothing is left of what was deleted, replaced, or given up.
	for _, d := range []string{"objects", "uploads", "data"} {
		entries, err := os.ReadDir(filepath.Join(dir, d))
		if err != nil || len(entries) > 0 {
			t.Errorf("%s holds %v, %v", d, entries, err)
		}
	}
}

// TestDirInUse: a directory that is being served is refused to another server, by name.
func TestDirInUse(t *testing.T) {
	dir := t.TempDir()
	url, kill := startChild(t, dir)
	if url == "" {
		t.Fatal("no address")
	}
	_, err := fakeoss.New(&fakeoss.Options{Dir: dir})
	if !errors.Is(err, fakeoss.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("%v, want ErrInUse with the directory and the process", err)
	}
	kill()
	h, err := fakeoss.New(&fakeoss.Options{Dir: dir})
	if err != nil {
		t.Fatalf("after the other process was killed: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "format"), []byte("tidemark fakeoss 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]*fakeoss.Options{
		"bucket":     {Buckets: []string{"Bad_Name"}},
		"credential": {Credentials: []fakeoss.Credential{{AccessKeyID: "id"}}},
		"file":       {Dir: file},
		"format":     {Dir: newer},
		"fault":      {Faults: []fakeoss.Fault{{}}},
	} {
		if h, err := fakeoss.New(opts); err == nil {
			t.Errorf("%s: accepted", name)
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := fakeoss.New(&fakeoss.Options{Dir: newer}); !errors.Is(err, fakeoss.ErrVersion) {
		t.Errorf("a newer format: %v, want ErrVersion", err)
	}
}

// TestServerClose: a server that is closed twice, or while a request hangs, ends.
func TestServerClose(t *testing.T) {
	h, err := fakeoss.New(&fakeoss.Options{Faults: []fakeoss.Fault{{Kind: fakeoss.Stall, Release: make(chan struct{})}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fakeoss.Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	srv := &fakeoss.TestServer{Handler: h, URL: s.URL(), AccessKeyID: h.Credential().AccessKeyID, AccessKeySecret: h.Credential().AccessKeySecret}
	gone := make(chan bool, 1)
	go func() {
		resp, _ := send(srv, "GET", "/", nil)
		gone <- resp == nil
	}()
	until(t, func() bool { return len(h.Unfired()) == 0 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !<-gone {
		t.Error("the request that hung was answered")
	}
	<-s.Done()
}
