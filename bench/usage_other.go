//go:build !linux

package main

import (
	"errors"
	"time"
)

// usage is what the kernel counted of this process so far.
type usage struct {
	user, sys time.Duration
	peak      int64 // bytes
	written   int64 // bytes
}

func countUsage() (usage, error) {
	return usage{}, errors.New("the bench reads /proc, which only Linux has")
}
