//go:build linux || darwin

package oss

import (
	"net"
	"runtime"
	"syscall"
)

// limitUnsent keeps the kernel from taking more than unsentLimit bytes that it has not sent yet (TCP_NOTSENT_LOWAT). It is a hint: where it
// cannot be given, the connection is as good as before.
func limitUnsent(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	option := 25 // of Linux (linux/tcp.h), which package syscall does not name
	if runtime.GOOS == "darwin" {
		option = 0x201 // netinet/tcp.h
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, unsentLimit)
	})
}
