package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/internal/link"
)

// The program starts itself again as a server, and as a client for each upload, so that what is measured of a process is of that
// client alone. The first argument is the role, the second what it is to do, as JSON; the result is one line of JSON on stdout.
const (
	roleServe  = "serve"
	roleUpload = "upload"
	roleList   = "list"
)

type serveOrder struct {
	CRC       bool
	Cert, Key string // PEM files; empty for plain HTTP

	Link    link.Link
	Changes []discard.Change
	Faults  discard.Faults
}

type serving struct{ Endpoint, Control string }

type uploadOrder struct {
	Client string
	Job    client.Job
}

// uploaded is what a client process measured around its upload call.
type uploaded struct {
	Begun     int64 // nanoseconds since 1970
	Wall      time.Duration
	User, Sys time.Duration
	Peak      int64 // bytes resident at most since the process began
	Written   int64 // bytes given to write calls, those to sockets included
}

type listOrder struct {
	Job      client.Job
	UploadID string
}

// play does what the parent process orders. It returns false if there is no such role.
func play(ctx context.Context, role, order string, stdin io.Reader, stdout io.Writer) (known bool, err error) {
	switch role {
	case roleServe:
		return true, serve(order, stdin, stdout)
	case roleUpload:
		return true, uploadOnce(ctx, order, stdout)
	case roleList:
		return true, listOnce(ctx, order, stdout)
	}
	return false, nil
}

// serve runs until stdin ends, as it does when the parent is gone.
func serve(order string, stdin io.Reader, stdout io.Writer) error {
	var o serveOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	opts := discard.Options{CRC: o.CRC, Link: o.Link, Changes: o.Changes, Faults: o.Faults}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return err
		}
		opts.Certificate = &pair
	}
	s, err := discard.Start(opts)
	if err != nil {
		return err
	}
	defer s.Close() // the process ends
	if err := json.NewEncoder(stdout).Encode(serving{s.Endpoint(), s.Control()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

func uploadOnce(ctx context.Context, order string, stdout io.Writer) error {
	var o uploadOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	c, err := client.Find(o.Client)
	if err != nil {
		return err
	}
	upload, err := c.Prepare(o.Job)
	if err != nil {
		return err
	}
	result, err := measure(ctx, upload)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Client, err)
	}
	return json.NewEncoder(stdout).Encode(result)
}

// measure calls do, and takes the difference of what the system counts of this process.
func measure(ctx context.Context, do func(context.Context) error) (uploaded, error) {
	before, err := countUsage()
	if err != nil {
		return uploaded{}, err
	}
	begun := time.Now()
	if err := do(ctx); err != nil {
		return uploaded{}, err
	}
	wall := time.Since(begun)
	after, err := countUsage()
	return uploaded{
		Begun: begun.UnixNano(), Wall: wall, User: after.user - before.user, Sys: after.sys - before.sys,
		Peak: after.peak, Written: after.written - before.written,
	}, err
}

// listOnce times ListParts alone, by net/http.
func listOnce(ctx context.Context, order string, stdout io.Writer) error {
	var o listOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	raw := client.NewRaw(o.Job)
	begun := time.Now()
	if err := raw.ListParts(ctx, o.UploadID); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(uploaded{Begun: begun.UnixNano(), Wall: time.Since(begun)})
}
