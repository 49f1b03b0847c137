package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// usage is what the kernel counted of this process so far.
type usage struct {
	user, sys time.Duration
	peak      int64 // bytes
	written   int64 // bytes
}

// countUsage reads getrusage, VmHWM of /proc/self/status and wchar of /proc/self/io. Not ru_maxrss: a process inherits that of the
// one which started it.
func countUsage() (usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}, fmt.Errorf("getrusage: %w", err)
	}
	peak, err := procField("/proc/self/status", "VmHWM:")
	if err != nil {
		return usage{}, err
	}
	written, err := procField("/proc/self/io", "wchar:")
	if err != nil {
		return usage{}, err
	}
	return usage{user: time.Duration(r.Utime.Nano()), sys: time.Duration(r.Stime.Nano()), peak: peak << 10, written: written}, nil
}

// procField returns the number after name.
func procField(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) >= 2 && string(fields[0]) == name {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
