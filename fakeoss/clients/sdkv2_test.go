package clients

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// bucket and domain are where the tests work; domain is a CNAME of bucket.
const (
	bucket = "clients"
	domain = "files.example.com"
)

// odd is a key with all that is escaped in one place or another.
const odd = "dir//a b+c%2Fd/ü"

// configuration is one way to reach and to sign.
type configuration struct {
	name      string
	endpoint  string // empty: the server's own address
	configure func(*oss.Config)
	virtual   bool // the bucket is the first label of the host
}

// configurations are the styles of address with each version of the signature. An IP address gives path style by itself.
func configurations() []configuration {
	styles := []configuration{
		{name: "ip", configure: func(*oss.Config) {}},
		{name: "path", endpoint: "http://localhost", configure: func(c *oss.Config) { c.WithUsePathStyle(true) }},
		{name: "virtual-localhost", endpoint: "http://localhost", configure: func(*oss.Config) {}, virtual: true},
		{name: "virtual-public", endpoint: "http://oss-cn-hangzhou.aliyuncs.com", configure: func(*oss.Config) {}, virtual: true},
		{name: "cname", endpoint: "http://" + domain, configure: func(c *oss.Config) { c.WithUseCName(true) }},
	}
	versions := []configuration{
		{name: "V1", configure: func(c *oss.Config) { c.WithSignatureVersion(oss.SignatureVersionV1) }},
		{name: "V4", configure: func(c *oss.Config) { c.WithSignatureVersion(oss.SignatureVersionV4) }},
		{name: "V4-additional", configure: func(c *oss.Config) {
			c.WithSignatureVersion(oss.SignatureVersionV4).WithAdditionalHeaders([]string{"host", "user-agent"})
		}},
	}
	var all []configuration
	for _, s := range styles {
		for _, v := range versions {
			all = append(all, configuration{name: s.name + "/" + v.name, endpoint: s.endpoint, virtual: s.virtual,
				configure: func(c *oss.Config) { s.configure(c); v.configure(c) }})
		}
	}
	return all
}

// eachConfiguration runs f with a server and a client of its own for each configuration.
func eachConfiguration(t *testing.T, f func(t *testing.T, srv *fakeoss.TestServer, client *oss.Client)) {
	for _, c := range configurations() {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t)
			hosts := &hostRecorder{transport: dialing(t, srv)}
			f(t, srv, newClient(srv, c, &http.Client{Transport: hosts}))
			if hosts.last == "" || strings.HasPrefix(hosts.last, bucket+".") != c.virtual {
				t.Errorf("the last host was %q, virtual style: %v", hosts.last, c.virtual)
			}
			for _, e := range srv.Journal() {
				if e.Code == "SignatureDoesNotMatch" || e.Code == "NotImplemented" {
					t.Errorf("refused: %+v", e)
				}
			}
		})
	}
}

func newServer(t *testing.T, faults ...fakeoss.Fault) *fakeoss.TestServer {
	return fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{bucket}, CNAMEs: map[string]string{domain: bucket}, Faults: faults})
}

// newClient returns the SDK's client as it is, but for its connections.
func newClient(srv *fakeoss.TestServer, c configuration, hc *http.Client) *oss.Client {
	endpoint := c.endpoint
	if endpoint == "" {
		endpoint = srv.URL
	}
	cfg := oss.LoadDefaultConfig().
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(srv.AccessKeyID, srv.AccessKeySecret)).
		WithRegion("cn-hangzhou").WithEndpoint(endpoint).WithHttpClient(hc)
	c.configure(cfg)
	return oss.NewClient(cfg)
}

// dialing connects to the server whatever the host in the URL: there is no name service in these tests.
func dialing(t *testing.T, srv *fakeoss.TestServer) *http.Transport {
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, u.Host)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// hostRecorder remembers which host the last request with a bucket addressed. The tests that read it send one request at a time.
type hostRecorder struct {
	transport *http.Transport
	last      string
}

func (h *hostRecorder) RoundTrip(r *http.Request) (*http.Response, error) {
	h.last = r.URL.Host
	return h.transport.RoundTrip(r)
}

func randomBytes(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// must fails the test unless err is nil.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// wantCode fails the test unless err is the service's error code.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var se *oss.ServiceError
	if !errors.As(err, &se) || se.Code != code || se.RequestID == "" {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func text[T any](p *T) string {
	if p == nil {
		return "<nil>"
	}
	return fmt.Sprint(*p)
}
