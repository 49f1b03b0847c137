package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// abortCommand gives up uploads.
type abortCommand struct {
	URL target `arg:"" name:"url" help:"oss://BUCKET/KEY: the uploads of exactly this key. oss://BUCKET or oss://BUCKET/DIR/: those of all keys below, for which --older-than is needed."`

	serviceFlags
	OlderThan *span `placeholder:"AGE" help:"Only those that nobody has begun or gone on with for so long, as in 36h or 7d."`
}

// Help is kong's long help of the command.
func (*abortCommand) Help() string {
	return "The parts of an upload that is aborted are discarded; an object that is there stays. Uploads that only the service knows of " +
		"are aborted too, although another machine may be at work on them: a listing does not say. One that a process of this " +
		"machine works on is left alone, and the exit code is 4."
}

// Run aborts.
func (a *abortCommand) Run(ctx context.Context, con *console) (err error) {
	if a.URL.directory() && a.OlderThan == nil {
		return &failure{code: exitUsage, err: fmt.Errorf("%s stands for all keys below it", a.URL),
			remedy: "give --older-than, as in --older-than 24h, or name one key"}
	}
	if a.OlderThan != nil && *a.OlderThan < 0 {
		return &failure{code: exitUsage, err: errors.New("--older-than must not be negative")}
	}
	if err := a.existing(); err != nil {
		return err
	}
	s, err := a.open(con, "")
	if err != nil {
		return err
	}
	defer func() { err = s.closeAfter(advise(err)) }()
	b, err := s.backend(a.URL.bucket)
	if err != nil {
		return err
	}
	u := upload.New(b, s.checkpoints, &upload.Options{Logger: s.log})
	var found []upload.Pending
	for p, err := range u.Pending(ctx, a.URL.key) {
		if err != nil {
			return err
		}
		if a.applies(p) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(con.out, "nothing to abort")
		return err
	}
	return a.abort(ctx, con, u, found)
}

func (a *abortCommand) applies(p upload.Pending) bool {
	if !a.URL.directory() && p.Key != a.URL.key {
		return false
	}
	last := p.Begun
	if p.Driven.After(last) {
		last = p.Driven
	}
	return a.OlderThan == nil || time.Since(last) >= time.Duration(*a.OlderThan)
}

// abort goes on after an error, and returns all of them as one.
func (a *abortCommand) abort(ctx context.Context, con *console, u *upload.Uploader, found []upload.Pending) error {
	var failed []error
	ended := map[string]bool{}
	for _, p := range found {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// A checkpoint that has several uploads is listed once for each, and is aborted as one.
		if p.Checkpoint != "" && ended[p.Checkpoint] {
			continue
		}
		err := u.Abort(ctx, p)
		if err != nil {
			if errors.Is(err, checkpoint.ErrInUse) {
				err = &failure{err: err, remedy: "wait until it ends, or stop it"}
			}
			failed = append(failed, err)
			continue
		}
		ended[p.Checkpoint] = true
		if _, err := fmt.Fprintf(con.out, "aborted %s\n", oneLine(describe(a.URL.bucket, p))); err != nil {
			return err
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}
	return fmt.Errorf("%d of %d uploads were not aborted: %w", len(failed), len(found), errors.Join(failed...))
}

func describe(bucket string, p upload.Pending) string {
	text := target{bucket, p.Key}.String()
	if p.Upload.ID != "" {
		text += ", upload " + p.Upload.ID
	}
	if p.Stored > 0 {
		text += ", " + byteSize(p.Stored).String() + " stored"
	}
	return text
}
