// Package discard is a server that takes multipart uploads, in the dialects of OSS and of S3, and keeps nothing of the bytes: of a
// part it remembers number, size and time, and of an object as much as a client needs to believe in it. It exists so that what a
// client costs is not hidden behind what a server costs. It checks no signature and is for one machine's loopback only.
package discard

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/internal/link"
)

// Options are the settings of a [Server]. The zero value is plain HTTP without checksums.
type Options struct {
	// CRC makes the server read every byte into a CRC-64 and return it for parts and objects, as OSS does. Without it the bytes
	// are not looked at, and no CRC is in any answer.
	CRC bool

	// Certificate makes the server speak TLS 1.2 or 1.3. Nil is plain HTTP.
	Certificate *tls.Certificate

	// Link lies between the clients and the server; Changes are what it becomes, in their order. Faults happen to parts.
	Link    link.Link
	Changes []Change
	Faults  Faults
}

// Change is what the link becomes some time after the first part request began, to the next 50 ms.
type Change struct {
	After time.Duration
	Link  link.Link
}

// Server is a discarding server that listens on a port of the loopback interface, with a second port for the one who measures.
type Server struct {
	uploads  *uploads
	received atomic.Int64
	active   atomic.Int64
	traffic  counter
	shaper   link.Shaper
	stop     chan struct{}

	data, control         *http.Server
	serving               sync.WaitGroup
	dataAddr, controlAddr string
}

// Start listens on two free ports of 127.0.0.1 and serves until Close.
func Start(opts Options) (*Server, error) {
	s := &Server{uploads: newUploads(), stop: make(chan struct{})}
	if err := s.shaper.Set(opts.Link); err != nil {
		return nil, err
	}
	for _, c := range opts.Changes {
		if err := c.Link.Check(); err != nil {
			return nil, err
		}
	}
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		data.Close() // nothing was served on it
		return nil, err
	}
	s.dataAddr, s.controlAddr = "http://"+data.Addr().String(), "http://"+control.Addr().String()
	var listener net.Listener = data
	if opts.Link != (link.Link{}) || len(opts.Changes) > 0 {
		listener = s.shaper.Listen(listener)
	}
	listener = countingListener{Listener: listener, received: &s.received}
	if opts.Certificate != nil {
		s.dataAddr = "https://" + data.Addr().String()
		// HTTP/1.1 only, as OSS and S3 speak it.
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*opts.Certificate}, NextProtos: []string{"http/1.1"}})
	}
	s.data = &http.Server{Handler: &handler{server: s, crc: opts.CRC, faults: opts.Faults}, ReadHeaderTimeout: time.Minute}
	s.control = &http.Server{Handler: s.controlHandler(), ReadHeaderTimeout: time.Minute}
	s.serving.Go(func() { s.data.Serve(listener) }) // both end with Close, and their error says only that
	s.serving.Go(func() { s.control.Serve(control) })
	s.serving.Go(func() { s.watch(opts.Changes) })
	return s, nil
}

// watch takes samples and changes the link until the server is closed.
func (s *Server) watch(changes []Change) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			at := s.traffic.sample(now)
			for len(changes) > 0 && at > 0 && at >= changes[0].After {
				s.shaper.Set(changes[0].Link) // it was checked
				changes = changes[1:]
			}
		case <-s.stop:
			return
		}
	}
}

// Endpoint is the URL for clients, Control that for [Control]. Neither has a path.
func (s *Server) Endpoint() string { return s.dataAddr }

// Control is the URL for [NewControl].
func (s *Server) Control() string { return s.controlAddr }

// Close cuts all connections. It is called once.
func (s *Server) Close() error {
	err := s.control.Close()
	if e := s.data.Close(); e != nil {
		err = e
	}
	close(s.stop)
	s.serving.Wait()
	return err
}

// countingListener counts the bytes that arrive, TLS and HTTP headers included.
type countingListener struct {
	net.Listener
	received *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{Conn: conn, received: l.received}, nil
}

type countingConn struct {
	net.Conn
	received *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// SetLinger and CloseWrite are those of the connection that is counted: a reset, and the end of an early answer, need them.
func (c *countingConn) SetLinger(seconds int) error {
	if lingering, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return lingering.SetLinger(seconds)
	}
	return nil
}

func (c *countingConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
