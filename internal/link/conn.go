package link

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection over the link, as the server has it. Bytes from the client are taken from the system in pieces, given to the
// connection's own line and to that of all, and handed on when both have carried them. A connection has one piece on its way at a time,
// so on a busy line all take turns. One goroutine may read, and one write.
type conn struct {
	net.Conn
	shaper  *Shaper
	closed  chan struct{}
	closing sync.Once

	receive, send             line
	receiveWaiter, sendWaiter waiter

	arrives  time.Time   // when the first byte can be here
	turned   atomic.Bool // something was received since the last byte was sent
	cutAfter int64       // bytes; 0: never
	carried  int64       // towards the server

	// What was taken from the system when the deadline came, and when it is carried.
	held []byte
	due  time.Time
}

func (s *Shaper) conn(inner net.Conn) *conn {
	l := s.Link()
	return &conn{Conn: inner, shaper: s, closed: make(chan struct{}), arrives: time.Now().Add(l.RTT), cutAfter: l.CutAfter}
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	if err := c.receiveWaiter.wait(c.arrives, c.closed); err != nil {
		return 0, err
	}
	if len(c.held) > 0 {
		if err := c.receiveWaiter.wait(c.due, c.closed); err != nil {
			return 0, err
		}
		k := copy(p, c.held)
		c.held = c.held[k:]
		return c.arrived(k), nil
	}
	l := c.shaper.Link()
	k, err := c.Conn.Read(p[:c.piece(len(p), l)])
	if k == 0 {
		return k, err
	}
	due := c.receive.carry(k, l.ConnRate)
	if all := c.shaper.total.carry(k, l.TotalRate); all.After(due) {
		due = all
	}
	if err := c.receiveWaiter.wait(due, c.closed); err != nil {
		c.held, c.due = append([]byte(nil), p[:k]...), due
		return 0, err
	}
	return c.arrived(k), err
}

// piece is how much of n bytes may be read at once.
func (c *conn) piece(n int, l Link) int {
	if l.ConnRate > 0 {
		n = min(n, pieceOf(l.ConnRate, hold))
	}
	if l.TotalRate > 0 {
		n = min(n, pieceOf(l.TotalRate, totalHold))
	}
	if c.cutAfter > 0 {
		n = int(min(int64(n), max(1, c.cutAfter-c.carried)))
	}
	return n
}

// arrived counts k bytes that the server gets, and cuts the connection when they are enough.
func (c *conn) arrived(k int) int {
	c.turned.Store(true)
	if c.carried += int64(k); c.cutAfter > 0 && c.carried >= c.cutAfter {
		Reset(c) // whoever reads or writes next is told
	}
	return k
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (sent int, err error) {
	if l := c.shaper.Link(); c.turned.Swap(false) && l.RTT > 0 {
		if err := c.sendWaiter.wait(time.Now().Add(l.RTT), c.closed); err != nil {
			return 0, err
		}
	}
	for {
		piece, rate := p[sent:], c.shaper.Link().SendRate
		if rate > 0 {
			if err := c.sendWaiter.wait(c.send.freeAt(), c.closed); err != nil {
				return sent, err
			}
			piece = piece[:min(len(piece), pieceOf(rate, hold))]
		}
		k, err := c.Conn.Write(piece)
		c.send.carry(k, rate)
		if sent += k; err != nil || sent == len(p) {
			return sent, err
		}
	}
}

// Close implements [net.Conn]. It ends what is waiting.
func (c *conn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Reset closes a connection so that the other end sees a reset (RST) and not an end, where the system can. What the other end had sent and
// nobody had read is lost.
func Reset(c net.Conn) error {
	if lingering, ok := c.(interface{ SetLinger(int) error }); ok {
		lingering.SetLinger(0) // of a connection that is closed already, which is as well
	}
	return c.Close()
}

// SetLinger is that of [net.TCPConn], for [Reset].
func (c *conn) SetLinger(seconds int) error {
	if lingering, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return lingering.SetLinger(seconds)
	}
	return nil
}

// CloseWrite tells the client that nothing more will come, where the connection can. net/http does so before it closes a
// connection on which the client still sends, which would otherwise lose the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SetDeadline implements [net.Conn].
func (c *conn) SetDeadline(t time.Time) error {
	c.receiveWaiter.setDeadline(t)
	c.sendWaiter.setDeadline(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *conn) SetReadDeadline(t time.Time) error {
	c.receiveWaiter.setDeadline(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn].
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.sendWaiter.setDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}
