package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// The exit codes are part of the interface: scripts rest on them.
const (
	exitDone        = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitDenied      = 3
	exitInUse       = 4
	exitInterrupted = 5
	exitTrouble     = 6
	exitSource      = 7
	exitCheckpoint  = 8
	exitExists      = 9
)

var exitMeanings = [...]string{
	exitDone:        "done",
	exitUnexpected:  "something unexpected; the message says what is known",
	exitUsage:       "bad input: a flag, URL, key, size or file that is no good, or a bucket that does not exist",
	exitDenied:      "no credentials, wrong or expired ones, or they do not allow it; nothing stored is lost",
	exitInUse:       "another process works on this upload, or serves this directory",
	exitInterrupted: "interrupted; the same command goes on",
	exitTrouble:     "the network or the service failed too often or was away too long; the same command goes on",
	exitSource:      "the file cannot be read, or kept changing; the same command goes on",
	exitCheckpoint:  "the checkpoint cannot be read or written: the disk is full, or the directory not writable",
	exitExists:      "the object exists, and --if-absent was given",
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for code, meaning := range exitMeanings {
		fmt.Fprintf(&b, "  %d  %s\n", code, meaning)
	}
	return b.String()
}

// failure is an error whose exit code is known where it arises, or to which there is something to add.
type failure struct {
	code   int // exitDone: that of err
	err    error
	remedy string // what the user can do; may be empty
}

func (f *failure) Error() string {
	if f.remedy == "" {
		return f.err.Error()
	}
	return f.err.Error() + "; " + f.remedy
}

func (f *failure) Unwrap() error { return f.err }

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// exitCode sorts err. The order matters where an error is several things: what the user did comes before what it led to.
func exitCode(err error) int {
	var known *failure
	var log *checkpointError
	var answer *oss.Error
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return exitDone
	case is(errInterrupted, context.Canceled):
		return exitInterrupted
	case errors.As(err, &known) && known.code != exitDone:
		return known.code
	case is(checkpoint.ErrInUse, upload.ErrSuperseded):
		return exitInUse
	case errors.As(err, &log):
		return exitCheckpoint
	case is(upload.ErrSourceChanged, upload.ErrSource):
		return exitSource
	case is(upload.ErrUndecided, upload.ErrChecksum):
		return exitUnexpected
	case is(backend.ErrExists):
		return exitExists
	case is(backend.ErrDenied):
		return exitDenied
	case is(backend.ErrInvalid):
		return exitUsage
	case errors.As(err, &answer),
		is(upload.ErrStalled, backend.ErrThrottled, backend.ErrUnreachable, backend.ErrNoSuchUpload, backend.ErrInvalidPart):
		return exitTrouble
	}
	return exitUnexpected
}

// fail says what went wrong, in one line, and returns the exit code.
func (c *console) fail(err error) int {
	if err != nil {
		c.errorf("tidemark: %s\n", oneLine(plain(err)))
	}
	return exitCode(err)
}

// plain is the text of err without that of two sentinels, which always come with a better one.
func plain(err error) string {
	text := err.Error()
	for _, sentinel := range []error{backend.ErrInvalid, backend.ErrDenied} {
		text = strings.ReplaceAll(text, ": "+sentinel.Error(), "")
	}
	return text
}

// oneLine makes a text a line: errors that were joined have one each, and a name of a file may have anything.
func oneLine(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}
