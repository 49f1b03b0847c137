//go:build linux || darwin

package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const (
	asUser   = "TIDEMARK_TEST_UID"   // run as this user
	fileSize = "TIDEMARK_TEST_FSIZE" // no file may grow beyond so many bytes
)

// restrict takes from a child what the environment says. It is done here and not by whoever starts it, since another user may
// not be able to run the test binary where it is.
func restrict() {
	if text := os.Getenv(fileSize); text != "" {
		n := number(text)
		signal.Ignore(syscall.SIGXFSZ) // so that a write fails instead
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}))
	}
	if text := os.Getenv(asUser); text != "" {
		id := int(number(text))
		check(syscall.Setgroups(nil))
		check(syscall.Setgid(id))
		check(syscall.Setuid(id))
	}
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 32)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "restrict:", err)
		os.Exit(99)
	}
}
