package fakeoss

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a [Handler] on a TCP address, for a process of its own. For a test, see [NewServer].
type Server struct {
	handler *Handler
	server  *http.Server
	addr    net.Addr
	done    chan struct{} // closed when the serving goroutine is over
	failed  error         // why it ended; read after done

	closing sync.Once
	closed  error
}

// defaultHeaderTimeout is the default of Options.HeaderTimeout.
const defaultHeaderTimeout = 30 * time.Second

// Listen serves h on a TCP address such as "127.0.0.1:9000"; port 0 picks a free one. The fake server accepts only its own
// credentials, but has none of the hardening of a real one: listen on a loopback address unless you know who can reach
// another. The Server takes h over.
func Listen(address string, h *Handler) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fakeoss: %w", err)
	}
	s := &Server{handler: h, addr: l.Addr(), done: make(chan struct{}), server: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: h.headerTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(h.network.Listen(l)); !errors.Is(err, http.ErrServerClosed) {
			s.failed = err
		}
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// URL is the endpoint to give to a client, without a slash at the end.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// Handler is the handler that is served.
func (s *Server) Handler() *Handler { return s.handler }

// Done is closed when the server has stopped to serve, because of Close or because the listener failed; Close returns why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the server: requests in progress are cut off after ctx is done, at once if it already is. It returns when all
// of them are over and the handler is closed.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		err := s.server.Shutdown(ctx)
		if err != nil && ctx.Err() != nil {
			err = s.server.Close()
		}
		<-s.done
		s.closed = errors.Join(err, s.failed, s.handler.Close())
	})
	return s.closed
}
