package oss

import (
	"net"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// Bucket returns the bucket under b.
func Bucket(b *Backend) *sdk.Bucket { return &b.bucket }

// NewStallingConn puts the time limits of NewHTTPClient on a connection.
func NewStallingConn(conn net.Conn) net.Conn { return &stallingConn{Conn: conn} }

// The limits of NewHTTPClient.
const (
	StallTimeout   = stallTimeout
	SilenceTimeout = silenceTimeout
)
