package fakeoss

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Network is how slow the line between a client and the server is. It holds for each connection by itself, as if each had a
// line of its own; the zero value adds nothing.
type Network struct {
	// Latency holds back the first byte that a new connection gives to the server, and the first byte of each answer.
	Latency time.Duration

	// ReceiveRate and SendRate bound what the server receives and sends, in bytes per second: at least 1024, or zero for
	// no bound.
	ReceiveRate, SendRate int64
}

func (n Network) check() error {
	bad := func(rate int64) bool { return rate != 0 && rate < minRate }
	if n.Latency < 0 || bad(n.ReceiveRate) || bad(n.SendRate) {
		return errors.New("fakeoss: network: the latency is negative, or a rate is below 1024 bytes per second")
	}
	return nil
}

// network is the Network of a handler, which its connections look at before each read and write.
type network struct{ now atomic.Pointer[Network] }

func (n *network) get() Network {
	if p := n.now.Load(); p != nil {
		return *p
	}
	return Network{}
}

// SetNetwork changes how slow the line is, also for the connections that exist. It reaches the connections of [NewServer]
// and [Listen] only. An error says which number is out of range; then nothing has changed.
func (h *Handler) SetNetwork(n Network) error {
	if err := n.check(); err != nil {
		return err
	}
	h.network.now.Store(&n)
	return nil
}

// shapedListener gives out connections that are as slow as network says.
type shapedListener struct {
	net.Listener
	network *network
}

// Accept implements [net.Listener].
func (l *shapedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newShapedConn(conn, l.network), nil
}

// shapedConn is a connection over a slow line. Each direction is a line that is busy for as long as what it has carried
// takes at its rate; whoever uses it waits until it is free. A piece is as much as the line carries in maxHold, so that the
// bytes flow rather than come in bursts.
type shapedConn struct {
	net.Conn
	network *network
	closed  chan struct{}
	closing sync.Once

	receive, send line

	// fresh: nothing was received yet. turned: something was received since the last byte was sent.
	fresh, turned atomic.Bool
}

// maxHold is how long a piece may keep the line busy.
const maxHold = 10 * time.Millisecond

func newShapedConn(conn net.Conn, n *network) *shapedConn {
	c := &shapedConn{Conn: conn, network: n, closed: make(chan struct{})}
	c.fresh.Store(true)
	return c
}

// Read implements [net.Conn].
func (c *shapedConn) Read(p []byte) (int, error) {
	n := c.network.get()
	if c.fresh.Load() && n.Latency > 0 {
		if err := c.receive.wait(c, time.Now().Add(n.Latency)); err != nil {
			return 0, err
		}
	}
	c.fresh.Store(false)
	if n.ReceiveRate > 0 {
		if err := c.receive.wait(c, c.receive.freeAt()); err != nil {
			return 0, err
		}
		p = p[:min(len(p), pieceOf(n.ReceiveRate))]
	}
	k, err := c.Conn.Read(p)
	if k > 0 {
		c.turned.Store(true)
	}
	c.receive.carry(k, n.ReceiveRate)
	return k, err
}

// Write implements [net.Conn].
func (c *shapedConn) Write(p []byte) (sent int, err error) {
	if n := c.network.get(); c.turned.Swap(false) && n.Latency > 0 {
		if err := c.send.wait(c, time.Now().Add(n.Latency)); err != nil {
			return 0, err
		}
	}
	for {
		n := c.network.get()
		piece := p[sent:]
		if n.SendRate > 0 {
			if err := c.send.wait(c, c.send.freeAt()); err != nil {
				return sent, err
			}
			piece = piece[:min(len(piece), pieceOf(n.SendRate))]
		}
		k, err := c.Conn.Write(piece)
		c.send.carry(k, n.SendRate)
		if sent += k; err != nil || sent == len(p) {
			return sent, err
		}
	}
}

// pieceOf is how much a line carries in maxHold.
func pieceOf(rate int64) int { return int(max(1, min(rate, 1<<30)*int64(maxHold)/int64(time.Second))) }

// Close implements [net.Conn]. It ends what is waiting.
func (c *shapedConn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing more will come, where the connection can. net/http does so before it closes a
// connection on which the client still sends, which would otherwise lose the answer.
func (c *shapedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SetDeadline implements [net.Conn].
func (c *shapedConn) SetDeadline(t time.Time) error {
	c.receive.setDeadline(t)
	c.send.setDeadline(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *shapedConn) SetReadDeadline(t time.Time) error {
	c.receive.setDeadline(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn].
func (c *shapedConn) SetWriteDeadline(t time.Time) error {
	c.send.setDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

// line is one direction of a connection.
type line struct {
	mu       sync.Mutex
	free     time.Time // when it has carried what it was given
	deadline time.Time
	changed  chan struct{} // if somebody waits: closed when the deadline changes
}

func (l *line) freeAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free
}

// carry gives bytes to the line.
func (l *line) carry(bytes int, rate int64) {
	if bytes <= 0 || rate <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(bytes) / float64(rate) * float64(time.Second)))
}

func (l *line) setDeadline(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// wait waits until t. The error is [os.ErrDeadlineExceeded] or [net.ErrClosed].
func (l *line) wait(c *shapedConn, t time.Time) error {
	for {
		now := time.Now()
		if !t.After(now) {
			return nil
		}
		l.mu.Lock()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		deadline, changed := l.deadline, l.changed
		l.mu.Unlock()
		until := t
		if !deadline.IsZero() && deadline.Before(t) {
			if !deadline.After(now) {
				return os.ErrDeadlineExceeded
			}
			until = deadline
		}
		timer := time.NewTimer(until.Sub(now))
		select {
		case <-timer.C:
		case <-changed:
		case <-c.closed:
			timer.Stop()
			return net.ErrClosed
		}
		timer.Stop()
	}
}
