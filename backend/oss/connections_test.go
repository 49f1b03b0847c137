package oss_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

func mended(err error) bool {
	var m interface{ Mended() bool }
	return errors.As(err, &m) && m.Mended()
}

// accept serves each connection of a listener of its own, by its number from 0, until the test ends.
func accept(t *testing.T, serve func(n int, conn *net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ended = make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(n, conn.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return listener.Addr().String()
}

func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

// What fails before there is a connection, on real ones: nothing was sent.
func TestNothingWasSent(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	resets := accept(t, func(_ int, conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 5)) // so that the client had connected
		reset(conn)
	})
	closes := accept(t, func(_ int, conn *net.TCPConn) {
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		conn.Close()
	})
	silence := accept(t, func(_ int, conn *net.TCPConn) {
		io.Copy(io.Discard, conn)
		conn.Close()
	})
	stranger := httptest.NewUnstartedServer(nil)
	stranger.Config.ErrorLog = quiet
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	plain := httptest.NewServer(nil)
	t.Cleanup(plain.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refusing.Close)
	through := func(proxy string) func(*http.Transport) {
		return func(transport *http.Transport) {
			transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
		}
	}
	lookup := func(failure net.DNSError) func(*http.Transport) {
		return func(transport *http.Transport) {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &failure}
			}
		}
	}

	for _, test := range []struct {
		name     string
		endpoint string
		change   func(*http.Transport)
		says     string
	}{
		{"port that nobody listens on", closed.URL, nil, "connection refused"},
		{"name that is not there", "https://oss.example", lookup(net.DNSError{Err: "no such host", Name: "oss.example", IsNotFound: true}), "host name was not found"},
		{"name server that is away", "https://oss.example", lookup(net.DNSError{Err: "server misbehaving", Name: "oss.example", IsTemporary: true}), "could not be looked up"},
		{"reset in the handshake", "https://" + resets, nil, "TLS handshake failed"},
		{"end in the handshake", "https://" + closes, nil, "TLS handshake failed"},
		{"silence in the handshake", "https://" + silence, func(transport *http.Transport) { transport.TLSHandshakeTimeout = time.Millisecond }, "TLS handshake failed: net/http: TLS handshake timeout"},
		{"no TLS", "https://" + plain.Listener.Addr().String(), nil, "TLS handshake failed"},
		{"certificate of a stranger", stranger.URL, nil, "certificate is not trusted"},
		{"proxy that is away", "https://oss.example", through(strings.TrimPrefix(closed.URL, "http://")), "proxy cannot be reached"},
		{"proxy that refuses", "https://oss.example", through(refusing.Listener.Addr().String()), "proxy did not connect: Forbidden"},
		{"proxy that resets", "https://oss.example", through(resets), "proxy did not connect"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := oss.NewHTTPClient()
			if test.change != nil {
				test.change(client.Transport.(*http.Transport))
			}
			b := oss.New(open(t, test.endpoint, oss.Config{HTTPClient: client}), nil)
			for op, call := range calls {
				err := call(t.Context(), b)
				if got := sentinelOf(t, err); got != backend.ErrUnreachable || !strings.Contains(err.Error(), test.says) || mended(err) {
					t.Errorf("%s: %v, mended %t: want ErrUnreachable, not mended, that says %q", op, err, mended(err), test.says)
				}
			}
		})
	}
}

// Who does not wait for the connection learns nothing about the store, and a transport that does not trace tells nothing.
func TestNothingIsKnown(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := oss.NewHTTPClient()
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
		b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: client}), nil)
		if err := calls["Create"](ctx, b); !errors.Is(err, context.Canceled) || sentinelOf(t, err) != nil {
			t.Errorf("%v, want context.Canceled and no sentinel", err)
		}
	})
	t.Run("transport", func(t *testing.T) {
		down := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: &http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, down }),
		}}), nil)
		for op, call := range calls {
			if err := call(t.Context(), b); !errors.Is(err, down) || sentinelOf(t, err) != nil || mended(err) {
				t.Errorf("%s: %v, want the transport's error, no sentinel, not mended", op, err)
			}
		}
	})
}

// A connection fails at the second request on it. It is taken for one that was dead only if that is what it looks like.
func TestDeadIdleConnection(t *testing.T) {
	small, large := int64(3), int64(4<<20)
	for _, test := range []struct {
		name   string
		size   int64
		first  bool // it is the first request that fails
		fail   func(conn *net.TCPConn, r *bufio.Reader)
		broken bool          // reading the body fails
		limit  time.Duration // on silence, at the request that fails
		mended bool
	}{
		{name: "reset", size: small, fail: func(conn *net.TCPConn, _ *bufio.Reader) { reset(conn) }, mended: true},
		{name: "closed", size: small, fail: func(conn *net.TCPConn, r *bufio.Reader) {
			// All was read, so that the client finds the end of the connection and no reset.
			if request, err := http.ReadRequest(r); err == nil {
				io.Copy(io.Discard, request.Body)
			}
			conn.Close()
		}, mended: true},
		{name: "reset of a large body", size: large, fail: func(conn *net.TCPConn, _ *bufio.Reader) { reset(conn) }, mended: true},
		{name: "reset after much of a body", size: large, fail: func(conn *net.TCPConn, r *bufio.Reader) {
			io.CopyN(io.Discard, r, 2<<20)
			reset(conn)
		}},
		{name: "a fresh one", size: small, first: true, fail: func(conn *net.TCPConn, _ *bufio.Reader) { reset(conn) }},
		{name: "an answer that had begun", size: small, fail: func(conn *net.TCPConn, r *bufio.Reader) {
			if request, err := http.ReadRequest(r); err == nil {
				io.Copy(io.Discard, request.Body)
			}
			io.WriteString(conn, "HTTP/1.1 2")
			conn.Close()
		}},
		{name: "a body that fails", size: small, fail: func(conn *net.TCPConn, r *bufio.Reader) {
			io.Copy(io.Discard, r)
			conn.Close()
		}, broken: true},
		{name: "silence", size: small, fail: func(conn *net.TCPConn, r *bufio.Reader) {
			io.Copy(io.Discard, r)
			conn.Close()
		}, limit: time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			var opened atomic.Int32
			address := accept(t, func(n int, conn *net.TCPConn) {
				opened.Add(1)
				r := bufio.NewReader(conn)
				for i := 0; ; i++ {
					if _, err := r.Peek(1); err != nil {
						conn.Close()
						return
					}
					if n == 0 && i == map[bool]int{true: 0, false: 1}[test.first] {
						test.fail(conn, r)
						return
					}
					request, err := http.ReadRequest(r)
					if err != nil {
						conn.Close()
						return
					}
					io.Copy(io.Discard, request.Body)
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nx-oss-request-id: "+requestID+"\r\nETag: \"900150983CD24FB0D6963F7D28E17F72\"\r\nContent-Length: 0\r\n\r\n")
				}
			})
			client := oss.NewHTTPClient()
			defer client.CloseIdleConnections() // ends the listener's last connection
			b := oss.New(open(t, "http://"+address, oss.Config{HTTPClient: client}), nil)
			put := func(size int64, broken bool) error {
				content := strings.NewReader(strings.Repeat("x", int(size)))
				var body io.ReadSeeker = content
				if broken {
					body, size = errorReader{content, errors.New("the disk")}, size+1
				}
				_, err := b.Put(t.Context(), "key", body, size, backend.Attributes{}, backend.CompleteOptions{})
				return err
			}
			if !test.first {
				if err := put(small, false); err != nil {
					t.Fatal(err)
				}
			}
			client.Transport.(*http.Transport).ResponseHeaderTimeout = test.limit
			err := put(test.size, test.broken)
			client.Transport.(*http.Transport).ResponseHeaderTimeout = 0
			if err == nil || sentinelOf(t, err) != nil || mended(err) != test.mended {
				t.Errorf("%v, mended %t: want an error that is no sentinel, mended %t", err, mended(err), test.mended)
			}
			if err := put(small, false); err != nil || opened.Load() != 2 {
				t.Errorf("the next call: %v, on connection %d: want success on the second", err, opened.Load())
			}
		})
	}
}

// Dead connections come in numbers: one call finds the first, and none of the others is used after it.
func TestDeadIdleConnectionsGoTogether(t *testing.T) {
	const many = 4
	arrived, release := make(chan struct{}, many), make(chan struct{})
	var dead atomic.Bool
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		arrived <- struct{}{}
		<-release // so that each has a connection of its own
		respond(w, http.StatusOK, "", "ETag", `"900150983CD24FB0D6963F7D28E17F72"`)
	})
	errs := make(chan error)
	for range many {
		go func() { errs <- calls["UploadPart"](t.Context(), b) }()
	}
	for range many {
		<-arrived
	}
	close(release)
	for range many {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	dead.Store(true)
	if err := calls["UploadPart"](t.Context(), b); !mended(err) {
		t.Errorf("%v, want it mended", err)
	}
	dead.Store(false)
	old := true
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { old = info.Reused }})
	if err := calls["UploadPart"](ctx, b); err != nil || old {
		t.Errorf("the next call: %v, on an old connection %t", err, old)
	}
}
