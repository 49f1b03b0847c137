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
)

// Options are the settings of a [Server]. The zero value is plain HTTP without checksums.
type Options struct {
	// CRC makes the server read every byte into a CRC-64 and return it for parts and objects, as OSS does. Without it the bytes
	// are not looked at, and no CRC is in any answer.
	CRC bool

	// Certificate makes the server speak TLS 1.2 or 1.3. Nil is plain HTTP.
	Certificate *tls.Certificate
}

// Server is a discarding server that listens on a port of the loopback interface, with a second port for the one who measures.
type Server struct {
	uploads  *uploads
	received atomic.Int64
	active   atomic.Int64

	data, control         *http.Server
	serving               sync.WaitGroup
	dataAddr, controlAddr string
}

// Start listens on two free ports of 127.0.0.1 and serves until Close.
func Start(opts Options) (*Server, error) {
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		data.Close() // nothing was served on it
		return nil, err
	}
	s := &Server{uploads: newUploads(), dataAddr: "http://" + data.Addr().String(), controlAddr: "http://" + control.Addr().String()}
	var listener net.Listener = countingListener{Listener: data, received: &s.received}
	if opts.Certificate != nil {
		s.dataAddr = "https://" + data.Addr().String()
		// HTTP/1.1 only, as OSS and S3 speak it.
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*opts.Certificate}, NextProtos: []string{"http/1.1"}})
	}
	s.data = &http.Server{Handler: &handler{server: s, crc: opts.CRC}, ReadHeaderTimeout: time.Minute}
	s.control = &http.Server{Handler: s.controlHandler(), ReadHeaderTimeout: time.Minute}
	s.serving.Go(func() { s.data.Serve(listener) }) // both end with Close, and their error says only that
	s.serving.Go(func() { s.control.Serve(control) })
	return s, nil
}

// Endpoint is the URL for clients, Control that for [Control]. Neither has a path.
func (s *Server) Endpoint() string { return s.dataAddr }

// Control is the URL for [NewControl].
func (s *Server) Control() string { return s.controlAddr }

// Close cuts all connections.
func (s *Server) Close() error {
	err := s.control.Close()
	if e := s.data.Close(); e != nil {
		err = e
	}
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
