package oss

import (
	"context"
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

// Renew is what a call does whose credentials were refused.
func Renew(ctx context.Context, b *Backend, id, secret, token string) (bool, string) {
	return b.renew(ctx, credentials{id, secret, token})
}

// Inner returns the connection under one of NewHTTPClient.
func Inner(conn net.Conn) net.Conn { return conn.(*stallingConn).Conn }
