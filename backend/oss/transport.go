package oss

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// The times after which something is given up. Silence is as long as the answer to a Complete may take: several minutes (S3's page
// CompleteMultipartUpload; OSS's says that it goes on when the client has gone). Who wants to know earlier of another call gives its
// context a deadline, as the engine does.
const (
	connectTimeout = 10 * time.Second
	stallTimeout   = time.Minute      // nothing could be written
	silenceTimeout = 15 * time.Minute // all was written, and no answer begins
	idleTimeout    = 50 * time.Second // below the minute after which the service closes a connection itself
)

// unsentLimit is how many bytes the kernel takes beyond what it can send. Left to itself it takes megabytes, so that what was read of a
// body would say little of what the network took; and by that throughput is measured, and stalls and dead connections are noticed. It
// costs nothing that can be measured: 0.52 s of CPU for a GiB over loopback, 0.53 without, 0.56 with 64 KiB, 0.50 with 256, each ± 0.05.
const unsentLimit = 128 << 10

// copyBuffer is how much of a body is read and written at once, in bytes. More is no faster: the bytes that were just read and
// hashed are then no longer in the processor's nearest cache when they are written.
const copyBuffer = 32 << 10

// NewHTTPClient returns a client made for uploads to one host, with a connection pool of its own. It keeps as many connections
// as were in use at once, asks for no compression, does not follow redirects, uses the proxy of the environment (HTTPS_PROXY and
// so on) and gives up a connection that stalls: after 10 s while connecting, 1 min while sending, 15 min while waiting for an
// answer, since that to a Complete may take so long. There is no limit for a request as a whole, since a part may be large and a line slow.
// On Linux and macOS a connection takes at most 128 KiB of a body that it cannot send yet.
//
// Close its idle connections with CloseIdleConnections when it is not needed any more.
func NewHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				limitUnsent(conn)
				return &stallingConn{Conn: conn}, nil
			},
			TLSHandshakeTimeout:   connectTimeout,
			ResponseHeaderTimeout: silenceTimeout,
			IdleConnTimeout:       idleTimeout,
			MaxIdleConnsPerHost:   1024, // more than anyone's concurrency: a connection is never thrown away to be made again
			DisableCompression:    true,
			WriteBufferSize:       64 << 10, // fewer system calls per part than the 4 KiB of the default
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// stallingConn fails when nothing moves any more. net/http has no such limit while it sends a body.
type stallingConn struct {
	net.Conn
	writing, reading limit
}

// limit is a time limit that starts anew with all that moves.
type limit struct {
	mu  sync.Mutex
	set time.Time // when it was set last
}

// renew sets the limit to so long from now. A limit that was set less than a hundredth of that ago stays, since setting one costs a
// tenth of what sending 32 KiB does.
func (l *limit) renew(set func(time.Time) error, timeout time.Duration) error {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.set) < timeout/100 {
		return nil
	}
	l.set = now
	return set(now.Add(timeout))
}

func (c *stallingConn) Write(p []byte) (int, error) {
	if err := c.writing.renew(c.SetWriteDeadline, stallTimeout); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	// The reader waits for the answer during all of a long upload, so its time starts anew with all that is sent.
	if e := c.reading.renew(c.SetReadDeadline, silenceTimeout); err == nil && e != nil {
		err = e
	}
	return n, err
}

// copyBuffers are what bodies pass through. A transport that is left to itself makes one for each request.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// ReadFrom is how net/http hands over a body, where there is no TLS.
func (c *stallingConn) ReadFrom(r io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	for {
		read, err := r.Read(buf[:])
		if read > 0 {
			written, werr := c.Write(buf[:read])
			n += int64(written)
			if werr != nil {
				return n, werr
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (c *stallingConn) Read(p []byte) (int, error) {
	if err := c.reading.renew(c.SetReadDeadline, silenceTimeout); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
