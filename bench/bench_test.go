package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"
)

// A scenario over TLS has a server that speaks TLS 1.3 and HTTP/1.1, and that whoever has the certificate trusts.
func TestServeTLS(t *testing.T) {
	b, err := newBench(settings{dir: t.TempDir(), checkpointDir: t.TempDir()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	server, err := b.serve(t.Context(), scenario{tls: true})
	if err != nil {
		t.Fatal(err)
	}
	// Not in a Cleanup: the test's context, and the server with it, would have ended.
	defer func() {
		if err := server.stop(); err != nil {
			t.Error(err)
		}
	}()
	text, err := os.ReadFile(b.caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	for name, pool := range map[string]*x509.CertPool{"trusted": roots, "not trusted": x509.NewCertPool()} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(server.Endpoint)
		if (err == nil) != (name == "trusted") {
			t.Fatalf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.TLS == nil || resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 1 {
			t.Errorf("%s over %+v", resp.Proto, resp.TLS)
		}
	}
}
