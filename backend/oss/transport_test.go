package oss_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-go/tidemark/backend/oss"
)

// Every connection of the client has the limits that the tests below are about.
func TestHTTPClientLimitsItsConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := oss.NewHTTPClient().Transport.(*http.Transport).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, want := reflect.TypeOf(conn), reflect.TypeOf(oss.NewStallingConn(nil)); got != want {
		t.Errorf("the connection is a %v, want a %v", got, want)
	}
}

// drip is a body that comes one byte in each interval.
type drip struct {
	left     int
	interval time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	<-time.After(d.interval)
	d.left--
	return 1, nil
}

// A connection on which nothing moves is given up, one that is slow is not.
func TestHTTPClientStalls(t *testing.T) {
	type server func(t *testing.T, conn net.Conn)
	answer := func(t *testing.T, conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"); err != nil {
			t.Error(err)
		}
	}
	for name, test := range map[string]struct {
		server server
		body   io.Reader
		after  time.Duration // when the call ends, and
		fails  bool          // how
	}{
		"nobody reads": {server: func(*testing.T, net.Conn) {}, after: oss.StallTimeout, fails: true},
		"no answer begins": {server: func(_ *testing.T, conn net.Conn) {
			io.Copy(io.Discard, conn)
		}, after: oss.SilenceTimeout, fails: true},
		"an answer does not end": {server: answer, after: oss.SilenceTimeout, fails: true},
		"a slow line": {server: func(t *testing.T, conn net.Conn) {
			answer(t, conn)
			for range 2 {
				<-time.After(oss.SilenceTimeout - time.Second)
				if _, err := conn.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			}
		}, after: 2 * (oss.SilenceTimeout - time.Second)},
		"a slow body": {server: func(t *testing.T, conn net.Conn) {
			answer(t, conn)
			if _, err := io.WriteString(conn, "ok"); err != nil {
				t.Error(err)
			}
		}, body: &drip{left: 10, interval: oss.SilenceTimeout - time.Second}, after: 10 * (oss.SilenceTimeout - time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				client := oss.NewHTTPClient()
				transport := client.Transport.(*http.Transport)
				transport.Proxy = nil
				transport.WriteBufferSize = 1 // all that is written is sent
				transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return oss.NewStallingConn(near), nil }
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					test.server(t, far)
				}()

				start := time.Now()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://oss.example/key", test.body)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					err = errors.Join(err, resp.Body.Close())
				}
				if took := time.Since(start); took != test.after || (err != nil) != test.fails {
					t.Errorf("ended after %v with %v, want %v and fails %t", took, err, test.after, test.fails)
				}
				var timeout net.Error
				if test.fails && !errors.Is(err, os.ErrDeadlineExceeded) && !(errors.As(err, &timeout) && timeout.Timeout()) {
					t.Errorf("%v, want a time-out", err)
				}
				client.CloseIdleConnections()
				near.Close()
				<-ended
			})
		})
	}
}

// broken is a connection that takes nothing.
type broken struct{ net.Conn }

func (broken) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

// endless is a body that counts how often it is read.
type endless struct{ reads int }

func (e *endless) Read(p []byte) (int, error) {
	if e.reads++; e.reads > 3 {
		return 0, io.EOF
	}
	return len(p), nil
}

// A body is not read any further once it cannot be written.
func TestConnStopsAtAWriteError(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	body := &endless{}
	n, err := oss.NewStallingConn(broken{near}).(io.ReaderFrom).ReadFrom(body)
	if n != 0 || !errors.Is(err, errBroken) || body.reads != 1 {
		t.Errorf("%d bytes, %v, after %d reads", n, err, body.reads)
	}
}
