//go:build !linux && !darwin

package oss

import "net"

// limitUnsent does nothing: this system has no such limit.
func limitUnsent(net.Conn) {}
