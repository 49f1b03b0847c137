package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// middleware sees each request before the server does. It calls next, now or later, or never.
type middleware func(w http.ResponseWriter, r *http.Request, next http.Handler)

// host serves a fake server on one port, and does what hosts and what is before them do: it goes away, comes back, and forgets
// connections.
type host struct {
	*fakeoss.Handler
	t       *testing.T
	between middleware
	address string
	born    atomic.Int64 // connections of an earlier number are forgotten

	mu     sync.Mutex
	server *http.Server
	done   chan struct{}
}

func newHost(t *testing.T, opts *fakeoss.Options, between middleware) *host {
	t.Helper()
	handler, err := fakeoss.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Handler: handler, t: t, between: between, address: "127.0.0.1:0"}
	h.up()
	t.Cleanup(func() {
		h.down()
		if err := handler.Close(); err != nil {
			t.Errorf("close the fake server: %v", err)
		}
	})
	return h
}

// up listens on the port that the host had before.
func (h *host) up() {
	l, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Errorf("listen: %v", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.address, h.done = l.Addr().String(), make(chan struct{})
	h.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.between == nil {
			h.ServeHTTP(w, r)
		} else {
			h.between(w, r, h.Handler)
		}
	})}
	server, done := h.server, h.done
	go func() {
		defer close(done)
		if err := server.Serve(&forgetfulListener{l, h}); !errors.Is(err, http.ErrServerClosed) {
			h.t.Errorf("serve: %v", err)
		}
	}()
}

// down closes the port and all connections.
func (h *host) down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.server.Close(); err != nil {
		h.t.Errorf("close: %v", err)
	}
	<-h.done
}

// forget makes the host answer with a reset whatever comes on the connections that there are, as a router does that has
// dropped them from its table. Until then the client cannot know.
func (h *host) forget() { h.born.Add(1) }

type forgetfulListener struct {
	net.Listener
	h *host
}

func (l *forgetfulListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &forgetfulConn{c.(*net.TCPConn), l.h, l.h.born.Load()}, nil
}

type forgetfulConn struct {
	*net.TCPConn
	h    *host
	born int64
}

func (c *forgetfulConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && c.born < c.h.born.Load() {
		return 0, errors.Join(net.ErrClosed, c.SetLinger(0), c.Close())
	}
	return n, err
}

// bucket is one over the host, with the first of its credentials unless c has others, and connections that end with the test.
func (h *host) bucket(c oss.Config) *sdk.Bucket {
	h.t.Helper()
	hc := oss.NewHTTPClient()
	h.t.Cleanup(hc.CloseIdleConnections)
	c.Endpoint, c.HTTPClient = "http://"+h.address, hc
	if cred := h.Credential(); c.AccessKeyID == "" && c.Credentials == nil {
		c.AccessKeyID, c.AccessKeySecret, c.SessionToken = cred.AccessKeyID, cred.AccessKeySecret, cred.SecurityToken
	}
	b, err := oss.Open("tide", c)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// object reads an object back through the SDK.
func object(t *testing.T, b *sdk.Bucket, key string) []byte {
	t.Helper()
	body, err := b.GetObject(key)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return data
}

// entries are the requests that were an operation, in the order in which they came.
func (h *host) entries(operation string) (list []fakeoss.Entry) {
	for _, e := range h.Journal() {
		if e.Operation == operation {
			list = append(list, e)
		}
	}
	return list
}

// refused counts the requests that were answered with an error code.
func (h *host) refused(code string) (n int) {
	for _, e := range h.Journal() {
		if e.Code == code {
			n++
		}
	}
	return n
}

// partOf is the number of the part that a request sends, 0 if it sends none.
func partOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil || r.Method != http.MethodPut {
		return 0
	}
	return n
}

// atOnce is how many parts are sent at once where it is fixed.
const atOnce = 4

// amid lets the first two parts pass. The atOnce that follow are held up until all are there; then event happens, and
// everything goes on.
func amid(event func()) middleware {
	var came atomic.Int32
	happened := make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if partOf(r) > 2 {
			if came.Add(1) == atOnce {
				event()
				close(happened)
			}
			<-happened
		}
		next.ServeHTTP(w, r)
	}
}
