package link

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, l := range []Link{{RTT: -1}, {ConnRate: MinRate - 1}, {TotalRate: 1}, {SendRate: -1}, {CutAfter: -1}, {Silent: -0.1}, {Silent: 1.1}} {
		if err := l.Check(); err == nil {
			t.Errorf("%+v: accepted", l)
		}
	}
	if err := (Link{RTT: 1, ConnRate: MinRate, TotalRate: MinRate, SendRate: MinRate, CutAfter: 1, Silent: 1}).Check(); err != nil {
		t.Error(err)
	}
}

// Of every ten connections as many are silent as the share says, and others with another seed.
func TestSilentShare(t *testing.T) {
	for share, want := range map[float64]int{0: 0, 0.1: 1, 0.3: 3, 1: 10} {
		for ten := range uint64(100) {
			got := 0
			for n := range uint64(10) {
				if (Link{Silent: share, Seed: 7}).silent(10*ten + n) {
					got++
				}
			}
			if got != want {
				t.Errorf("share %g: %d of ten", share, got)
			}
		}
	}
	different := false
	for n := range uint64(100) {
		different = different || (Link{Silent: 0.1, Seed: 1}).silent(n) != (Link{Silent: 0.1, Seed: 2}).silent(n)
	}
	if !different {
		t.Error("the seed decides nothing")
	}
}

// listen returns a listener over the link on a free port, and what dials it.
func listen(t *testing.T, l Link) (net.Listener, func() net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := shaper(t, l).Listen(inner)
	t.Cleanup(func() { listener.Close() }) // some tests did already
	return listener, func() net.Conn {
		client, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() }) // the server may have reset it
		return client
	}
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) // some are cut
	return server
}

// A connection is cut after exactly so many bytes, with a reset also where the server has read all.
func TestCutAfter(t *testing.T) {
	for _, size := range []int{100_000, 200_000} {
		listener, dial := listen(t, Link{CutAfter: 100_000})
		client := dial()
		server := accept(t, listener)
		go client.Write(make([]byte, size)) // it is cut
		n, err := io.Copy(io.Discard, server)
		if n != 100_000 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("the server got %d bytes, and %v", n, err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client got %v", err)
		}
	}
}

// A silent connection is accepted, takes what the buffers hold, and ends with the listener.
func TestSilent(t *testing.T) {
	l := Link{Silent: 0.5, Seed: 3}
	listener, dial := listen(t, l)
	var silent []net.Conn
	for n := range uint64(10) {
		if client := dial(); l.silent(n) {
			silent = append(silent, client)
			continue
		}
		server := accept(t, listener)
		if _, err := server.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(silent) != 5 {
		t.Fatalf("%d are silent", len(silent))
	}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept() // takes silent ones that came last
			if err != nil {
				return
			}
			t.Error("one more connection")
			conn.Close() // it should not be
		}
	}()
	much := make([]byte, 64<<20) // more than all buffers
	for _, client := range silent {
		if err := client.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Write(much); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes sent, %v", n, err)
		}
		if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	<-accepting
	for _, client := range silent {
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the listener was closed, and the client has %v", err)
		}
	}
}
