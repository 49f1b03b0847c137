//go:build !amd64 && !arm64

package crc64

func update(crc uint64, p []byte) uint64 { return updateTables(crc, p) }
