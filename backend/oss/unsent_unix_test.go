//go:build linux || darwin

package oss_test

import (
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"

	"github.com/tidemark-go/tidemark/backend/oss"
)

// The kernel does not take megabytes of a body that it cannot send yet.
func TestHTTPClientLimitsWhatIsUnsent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := oss.NewHTTPClient().Transport.(*http.Transport).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := oss.Inner(conn).(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := map[string]int{"linux": 25, "darwin": 0x201}[runtime.GOOS]
	var got int
	var failed error
	if err := raw.Control(func(fd uintptr) { got, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option) }); err != nil {
		t.Fatal(err)
	}
	if failed != nil || got != 128<<10 {
		t.Errorf("TCP_NOTSENT_LOWAT is %d (%v), want 128 KiB", got, failed)
	}
}
