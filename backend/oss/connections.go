package oss

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// connections notes what became of the connections that a call asked for. The client may make several requests in a call, since its
// transport retries or it follows a redirect: that the last could not connect says nothing of the first.
type connections struct {
	asked, had atomic.Bool  // any
	answered   atomic.Bool  // on any, the first byte of an answer came
	reused     atomic.Bool  // the last was had, from the pool
	stage      atomic.Int32 // how far the last one got, as far as the dialer lets through
}

const (
	stageDial int32 = iota
	stageConnected
	stageHandshake
)

func (c *connections) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			c.asked.Store(true)
			c.reused.Store(false)
			c.stage.Store(stageDial)
		},
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				c.stage.Store(stageConnected)
			}
		},
		TLSHandshakeStart: func() { c.stage.Store(stageHandshake) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil { // with a proxy, that is
				c.stage.Store(stageConnected)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			c.had.Store(true)
			c.reused.Store(info.Reused)
		},
		GotFirstResponseByte: func() { c.answered.Store(true) },
	})
}

// unreachable reports whether a call without an answer sent nothing. A connection is had only after the handshake and a proxy's consent,
// so whatever fails before is of that kind too. A transport that does not trace has not asked, and then nothing is known. Nor is the
// store called unreachable where the caller did not wait for it.
func (c *connections) unreachable(ctx context.Context) bool {
	return c.asked.Load() && !c.had.Load() && ctx.Err() == nil
}

// failed says what could not be done, where the error does not say it well.
func (c *connections) failed(err error) string {
	var (
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		op          *net.OpError
	)
	switch stage := c.stage.Load(); {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached"
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "the host name was not found"
	case errors.As(err, &lookup):
		return "the host name could not be looked up"
	case errors.As(err, &certificate):
		return "the server's certificate is not trusted"
	case stage == stageHandshake:
		return "the TLS handshake failed"
	case stage == stageConnected:
		return "the proxy did not connect"
	}
	return ""
}

// aliveAfter is how many bytes of a body show that a connection was alive. A dead one takes what fits into the buffers until the first
// packet is answered: net/http's 96 KiB, unsentLimit, and a congestion window, which is ten packets again after an idle time (RFC 6928, RFC
// 5681 section 4.1). Time would not tell: a fast line moves this in a millisecond, and a far server's reset comes after a second.
const aliveAfter = 512 << 10

// deadIdle reports whether err, of a call without an answer, looks like a connection that the server or something in between had
// dropped while it was idle: it came from the pool, and failed before anything came back and before much was taken. There is no
// list of errors, since net/http does not export all; but a time that ran out is another matter.
func (c *connections) deadIdle(ctx context.Context, err error, body *lentBody) bool {
	if !c.reused.Load() || c.answered.Load() || ctx.Err() != nil {
		return false
	}
	if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	read, readErr := body.taken()
	return readErr == nil && read <= aliveAfter
}
