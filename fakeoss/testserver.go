package fakeoss

import (
	"context"
	"net/http"
)

// TB is what [NewServer] needs of a [testing.TB], so that programs that embed the server do not contain package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// TestServer is a server for one test.
type TestServer struct {
	*Handler

	URL             string // the endpoint: http://127.0.0.1:port
	AccessKeyID     string
	AccessKeySecret string

	client *http.Client
}

// NewServer starts a server for a test on a free port of the loopback interface, and closes it when the test ends. A fault
// that has not fired by then is an error of the test.
func NewServer(tb TB, opts *Options) *TestServer {
	tb.Helper()
	h, err := New(opts)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	s, err := Listen("127.0.0.1:0", h)
	if err != nil {
		tb.Fatalf("%v (and closing: %v)", err, h.Close())
	}
	transport := &http.Transport{}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		// Nobody is left to wait for: connections that the test has left open are cut.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Close(ctx); err != nil {
			tb.Errorf("close the fake server: %v", err)
		}
		for _, f := range h.Unfired() {
			tb.Errorf("a fault did not fire: %v", f)
		}
	})
	cred := h.Credential()
	return &TestServer{Handler: h, URL: s.URL(), AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret,
		client: &http.Client{Transport: transport}}
}

// Client returns a client whose connections end with the test. It reaches any server.
func (s *TestServer) Client() *http.Client { return s.client }
