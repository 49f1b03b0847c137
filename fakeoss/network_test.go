package fakeoss

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// shapedPipe returns a client's end of a connection and the server's, which is as slow as n says. Time is that of the bubble.
func shapedPipe(t *testing.T, n Network) (client net.Conn, server *shapedConn, h *Handler) {
	h = &Handler{}
	if err := h.SetNetwork(n); err != nil {
		t.Fatal(err)
	}
	client, inner := net.Pipe()
	return client, newShapedConn(inner, &h.network), h
}

func TestNetworkRates(t *testing.T) {
	for name, c := range map[string]struct {
		n             Network
		size          int
		receive, send time.Duration
	}{
		"no bound":  {Network{}, 1 << 20, 0, 0},
		"receiving": {Network{ReceiveRate: 100_000}, 200_000, 2 * time.Second, 0},
		"sending":   {Network{SendRate: 1 << 20}, 1 << 20, 0, time.Second},
		"slowest":   {Network{ReceiveRate: 1024, SendRate: 2048}, 10240, 10 * time.Second, 5 * time.Second},
		"latency":   {Network{Latency: time.Minute}, 1000, time.Minute, time.Minute},
		"both":      {Network{Latency: time.Second, ReceiveRate: 10_000, SendRate: 10_000}, 10_000, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, _ := shapedPipe(t, c.n)
				check := func(what string, from, to net.Conn, want time.Duration) {
					begun := time.Now()
					errs := make(chan error, 1)
					go func() {
						_, err := from.Write(make([]byte, c.size))
						errs <- err
					}()
					if _, err := io.ReadFull(to, make([]byte, c.size)); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					if err := <-errs; err != nil {
						t.Errorf("%s: %v", what, err)
					}
					// The last piece arrives before it has kept the line busy.
					if took := time.Since(begun); took > want || took < want-want/100-maxHold {
						t.Errorf("%s took %v, want %v", what, took, want)
					}
				}
				check("receiving", client, server, c.receive)
				check("sending", server, client, c.send)
				if err := errors.Join(client.Close(), server.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A wait on a slow line ends with the deadline, also one that is set meanwhile, and with the connection.
func TestNetworkWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(c *shapedConn) error
		want error
	}{
		"deadline":       {func(c *shapedConn) error { return c.SetReadDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		"past deadline":  {func(c *shapedConn) error { return c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"write deadline": {func(c *shapedConn) error { return errors.Join(c.SetWriteDeadline(time.Unix(1, 0)), c.Close()) }, net.ErrClosed},
		"close":          {func(c *shapedConn) error { return c.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, _ := shapedPipe(t, Network{Latency: time.Hour})
				begun := time.Now()
				errs := make(chan error, 1)
				go func() {
					_, err := server.Read(make([]byte, 1))
					errs <- err
				}()
				synctest.Wait()
				if err := c.end(server); err != nil {
					t.Error(err)
				}
				if err := <-errs; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(begun); took > time.Second {
					t.Errorf("it took %v", took)
				}
				if err := errors.Join(client.Close(), server.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// SetNetwork reaches a connection that exists.
func TestNetworkChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, h := shapedPipe(t, Network{})
		transfer := func() time.Duration {
			begun := time.Now()
			errs := make(chan error, 1)
			go func() {
				_, err := server.Write(make([]byte, 2048))
				errs <- err
			}()
			if _, err := io.ReadFull(client, make([]byte, 2048)); err != nil {
				t.Error(err)
			}
			if err := <-errs; err != nil {
				t.Error(err)
			}
			return time.Since(begun)
		}
		if took := transfer(); took != 0 {
			t.Errorf("without a bound: %v", took)
		}
		if err := h.SetNetwork(Network{SendRate: 1024}); err != nil {
			t.Fatal(err)
		}
		if took := transfer(); took < 1900*time.Millisecond || took > 2*time.Second {
			t.Errorf("at half of it a second: %v", took)
		}
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestNetworkCheck(t *testing.T) {
	for _, n := range []Network{{Latency: -1}, {ReceiveRate: 1023}, {SendRate: -1}} {
		if h, err := New(&Options{Network: n}); err == nil {
			t.Errorf("%+v: accepted; closing: %v", n, h.Close())
		}
	}
}
