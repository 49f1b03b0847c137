//go:build !amd64

package crc64

func accelerated() []implementation { return nil }
