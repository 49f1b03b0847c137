// Package link is what lies between clients and a server, simulated on real connections at the server's end: the way, how much it
// carries, and connections that are cut or never answer. What a client measures of it is close to what a network of that kind would
// show, but for what only packets know: loss, reordering, the slow start of TCP.
package link

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link says what a link is like. The zero value adds nothing.
type Link struct {
	// RTT is the round trip: the first byte that a new connection gives to the server, and the first byte of each answer, are late by it.
	RTT time.Duration

	// ConnRate bounds what each connection carries towards the server, TotalRate what all of them carry together, in turn and in small
	// pieces, so that those that want more than their share get the same. SendRate bounds what each carries towards its client. All are
	// in bytes per second: at least [MinRate], or zero for no bound.
	ConnRate, TotalRate, SendRate int64

	// CutAfter resets (RST) each connection when it has carried so many bytes towards the server. Zero cuts none.
	CutAfter int64

	// Silent is the share, 0 to 1 in tenths, of the connections that are accepted and then neither read nor answered nor closed, until
	// the listener is. Of every ten connections in the order of their arrival exactly ten times Silent are; which of them, Seed decides.
	Silent float64
	Seed   uint64
}

// MinRate is the least rate, in bytes per second.
const MinRate = 1 << 10

// Check returns an error if a number is out of range.
func (l Link) Check() error {
	for _, rate := range []int64{l.ConnRate, l.TotalRate, l.SendRate} {
		if rate != 0 && rate < MinRate {
			return errors.New("link: a rate is below 1024 bytes per second")
		}
	}
	if l.RTT < 0 || l.CutAfter < 0 || !(l.Silent >= 0 && l.Silent <= 1) {
		return errors.New("link: a time or a size is negative, or a share is not from 0 to 1")
	}
	return nil
}

// silent tells whether connection number n, from 0, never answers.
func (l Link) silent(n uint64) bool {
	if l.Silent == 0 {
		return false
	}
	ten := rand.New(rand.NewPCG(l.Seed, n/10)).Perm(10)
	return ten[n%10] < int(l.Silent*10+0.5)
}

// Shaper makes connections share one link, which can change meanwhile. The zero value is a link that adds nothing.
type Shaper struct {
	now      atomic.Pointer[Link]
	total    line // what all carry towards the server
	accepted atomic.Uint64
}

// Link returns what the link is like.
func (s *Shaper) Link() Link {
	if p := s.now.Load(); p != nil {
		return *p
	}
	return Link{}
}

// Set changes what the link is like, also for the connections that exist; only CutAfter and Silent are those of the time at which a
// connection was accepted. An error is that of [Link.Check]; then nothing has changed.
func (s *Shaper) Set(l Link) error {
	if err := l.Check(); err != nil {
		return err
	}
	s.now.Store(&l)
	return nil
}

// Listen returns a listener whose connections go over the link.
func (s *Shaper) Listen(inner net.Listener) net.Listener {
	return &listener{Listener: inner, shaper: s}
}

type listener struct {
	net.Listener
	shaper *Shaper

	mu     sync.Mutex
	closed bool
	silent []net.Conn
}

// receiveBuffer is how much the server's system may take from a client before the link has carried it: some 6 ms of 20 MB/s. What a client
// has sent beyond that waits in its own send buffer, as on a real line; but Linux sizes that by the speed that it sees, and over loopback
// grows it to some 2.7 MB a connection (measured with the default tcp_wmem), whatever the rate of the link. A sender on a real slow line has less.
const receiveBuffer = 128 << 10

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		now := l.shaper.Link()
		if buffered, ok := inner.(interface{ SetReadBuffer(int) error }); ok && now != (Link{}) {
			if err := buffered.SetReadBuffer(receiveBuffer); err != nil {
				return nil, errors.Join(err, inner.Close())
			}
		}
		if !now.silent(l.shaper.accepted.Add(1) - 1) {
			return l.shaper.conn(inner), nil
		}
		l.hold(inner)
	}
}

// hold keeps a connection that nobody answers.
func (l *listener) hold(inner net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		inner.Close() // nothing was sent over it
		return
	}
	l.silent = append(l.silent, inner)
}

// Close implements [net.Listener]. It closes the silent connections too.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	err := l.Listener.Close()
	for _, conn := range l.silent {
		conn.Close() // nothing was sent over it
	}
	l.silent = nil
	return err
}
