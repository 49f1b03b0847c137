package link

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe returns a client's end of a connection and the server's, which goes over the link of s. Time is that of the bubble.
func pipe(t *testing.T, s *Shaper) (client net.Conn, server *conn) {
	t.Helper()
	client, inner := net.Pipe()
	server = s.conn(inner)
	t.Cleanup(func() {
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	return client, server
}

func shaper(t *testing.T, l Link) *Shaper {
	t.Helper()
	s := new(Shaper)
	if err := s.Set(l); err != nil {
		t.Fatal(err)
	}
	return s
}

// transfer sends bytes, and returns how long it takes until they are there.
func transfer(t *testing.T, from io.Writer, to io.Reader, size int) time.Duration {
	t.Helper()
	begun := time.Now()
	errs := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, size))
		errs <- err
	}()
	if _, err := io.ReadFull(to, make([]byte, size)); err != nil {
		t.Error(err)
	}
	took := time.Since(begun)
	if err := <-errs; err != nil {
		t.Error(err)
	}
	return took
}

func TestRates(t *testing.T) {
	for name, c := range map[string]struct {
		l             Link
		size          int
		receive, send time.Duration
	}{
		"no bound":      {Link{}, 1 << 20, 0, 0},
		"receiving":     {Link{ConnRate: 100_000}, 200_000, 2 * time.Second, 0},
		"all receiving": {Link{TotalRate: 100_000}, 200_000, 2 * time.Second, 0},
		"less of two":   {Link{ConnRate: 200_000, TotalRate: 100_000}, 200_000, 2 * time.Second, 0},
		"sending":       {Link{SendRate: 1 << 20}, 1 << 20, 0, time.Second},
		"slowest":       {Link{ConnRate: 1024, SendRate: 2048}, 10240, 10 * time.Second, 5 * time.Second},
		"round trip":    {Link{RTT: time.Minute}, 1000, time.Minute, time.Minute},
		"both":          {Link{RTT: time.Second, ConnRate: 10_000, SendRate: 10_000}, 10_000, 2 * time.Second, 2 * time.Second},
		"fast":          {Link{ConnRate: 1 << 40}, 1 << 20, time.Second >> 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, shaper(t, c.l))
				// The last piece is sent before it has kept the line busy.
				if took := transfer(t, client, server, c.size); took > c.receive+time.Millisecond || took < c.receive-c.receive/100 {
					t.Errorf("receiving took %v, want %v", took, c.receive)
				}
				if took := transfer(t, server, client, c.size); took > c.send+time.Millisecond || took < c.send-c.send/100-hold {
					t.Errorf("sending took %v, want %v", took, c.send)
				}
			})
		})
	}
}

// Every answer is late by a round trip, and no byte but the first.
func TestEachAnswerIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, shaper(t, Link{RTT: time.Second}))
		for i, want := range []time.Duration{time.Second, 0, 0} {
			if took := transfer(t, client, server, 10); took != want {
				t.Errorf("request %d came after %v, want %v", i, took, want)
			}
			for j, want := range []time.Duration{time.Second, 0} {
				if took := transfer(t, server, client, 10); took != want {
					t.Errorf("piece %d of answer %d came after %v, want %v", j, i, took, want)
				}
			}
		}
	})
}

// A line that many share gives each of them the same, and none of it to those that send nothing.
func TestTotalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections, rate = 32, 1_000_000
		s := shaper(t, Link{TotalRate: rate, ConnRate: rate / 8})
		pipe(t, s)
		var received [connections]int
		end := time.Now().Add(2 * time.Second)
		errs := make(chan error)
		for i := range connections {
			client, server := pipe(t, s)
			if err := server.SetReadDeadline(end); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := client.Write(make([]byte, 2*rate))
				errs <- err
			}()
			go func() {
				var err error
				for p := make([]byte, 64<<10); err == nil; {
					var n int
					n, err = server.Read(p)
					received[i] += n
				}
				errs <- errors.Join(err, client.Close()) // ends the writing too
			}()
		}
		for range 2 * connections {
			if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
		}
		total := 0
		for i, n := range received {
			total += n
			if share := float64(n) * connections / (2 * rate); share < 0.98 || share > 1.02 {
				t.Errorf("connection %d got %.3f of its share", i, share)
			}
		}
		if total < 1.98*rate || total > 2*rate {
			t.Errorf("%d bytes in 2 s", total)
		}
	})
}

// Nobody waits long for a turn: a few bytes pass beside a connection that sends as much as it can.
func TestTurnsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shaper(t, Link{TotalRate: 1_000_000})
		busy, server := pipe(t, s)
		go busy.Write(make([]byte, 1<<20))                         // until it is closed
		go io.CopyBuffer(io.Discard, server, make([]byte, 64<<10)) // the same
		client, other := pipe(t, s)
		for range 10 {
			if took := transfer(t, client, other, 10); took > 2*totalHold {
				t.Errorf("ten bytes took %v", took)
			}
		}
	})
}

// A piece that was on its way when the deadline came is there after it, whole and no sooner than the line carries it.
func TestDeadlineLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, shaper(t, Link{ConnRate: 1024}))
		go client.Write([]byte("abcde")) // seen by the reader
		begun := time.Now()
		if err := server.SetReadDeadline(begun.Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 5)
		if n, err := server.Read(p); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if err := server.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(p[:1]); err != nil { // less than a piece
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, p[1:]); err != nil || string(p) != "abcde" {
			t.Errorf("%q, %v", p, err)
		}
		if took := time.Since(begun).Round(time.Millisecond); took != 5*time.Millisecond {
			t.Errorf("five bytes at a kilobyte per second took %v", took)
		}
	})
}

// A wait on a slow line ends with the deadline, also one that is set meanwhile, and with the connection.
func TestWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(c *conn) error
		want error
	}{
		"deadline":       {func(c *conn) error { return c.SetReadDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		"past deadline":  {func(c *conn) error { return c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"write deadline": {func(c *conn) error { return errors.Join(c.SetWriteDeadline(time.Unix(1, 0)), c.Close()) }, net.ErrClosed},
		"close":          {func(c *conn) error { return c.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, server := pipe(t, shaper(t, Link{RTT: time.Hour}))
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
			})
		})
	}
}

// Set reaches a connection that exists, in both directions.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Shaper)
		client, server := pipe(t, s)
		if took := transfer(t, client, server, 2048) + transfer(t, server, client, 2048); took != 0 {
			t.Errorf("without a bound: %v", took)
		}
		if err := s.Set(Link{TotalRate: 1024, SendRate: 1024}); err != nil {
			t.Fatal(err)
		}
		for _, took := range []time.Duration{transfer(t, client, server, 2048), transfer(t, server, client, 2048)} {
			if took < 1900*time.Millisecond || took > 2001*time.Millisecond {
				t.Errorf("at a kilobyte per second: %v", took)
			}
		}
		if err := s.Set(Link{ConnRate: 1}); err == nil || s.Link().TotalRate != 1024 {
			t.Errorf("%v, and then %+v", err, s.Link())
		}
	})
}

// A timer that is late costs no rate, and a line that was idle has saved none.
func TestLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		begun := time.Now()
		for range 100 {
			due := l.carry(5, 1000)
			time.Sleep(time.Until(due) + 3*time.Millisecond)
		}
		if took := time.Since(begun); took > 520*time.Millisecond {
			t.Errorf("500 bytes at 1000 a second took %v", took)
		}
		time.Sleep(time.Minute)
		if due := time.Until(l.carry(5, 1000)); due != 5*time.Millisecond {
			t.Errorf("after a pause: %v", due)
		}
	})
}
