package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/upload"
)

// putCommand uploads a file.
type putCommand struct {
	File string `arg:"" help:"The file to upload; a regular one."`
	URL  target `arg:"" name:"url" help:"Where to: oss://BUCKET/KEY. Without a key, or with one that ends in /, the file's name is added."`

	serviceFlags
	transferFlags
	objectFlags

	JSON  bool `name:"json" help:"Print the result as one JSON object."`
	Quiet bool `short:"q" help:"Show no progress."`
}

// transferFlags are how the bytes get there.
type transferFlags struct {
	PartSize       *byteSize `placeholder:"SIZE" help:"Size of a part, at least 100KiB (default: 8MiB). Doubled until the file fits into 10,000 parts. An upload keeps the one that it began with."`
	Concurrency    *int      `placeholder:"N" help:"Parts under way at once, 1 to 1000 (default: as many as pay, which is found out while they are sent)."`
	MinConcurrency *int      `placeholder:"N" help:"At least so many, where it is found out how many pay (default: 1)."`
	MaxConcurrency *int      `placeholder:"N" help:"At most so many, where it is found out (default: 64)."`
	Limit          *byteSize `placeholder:"SIZE" help:"Send at most this much a second (default: no limit). With a low limit choose a smaller --part-size too, since an interruption costs the parts under way."`
	Threshold      *byteSize `placeholder:"SIZE" help:"Send a smaller file as one request (default: 10MiB); 0 sends all in parts."`
	Attempts       int       `default:"10" placeholder:"N" help:"Tries of a request before the upload fails; those of a part begin anew while other parts make progress (default: 10)."`
	RetryDelay     span      `default:"200ms" placeholder:"TIME" help:"Longest wait before the second try; doubled for each one after it (default: 200ms)."`
	MaxRetryDelay  span      `default:"20s" placeholder:"TIME" help:"Longest wait before any try (default: 20s)."`
	Outage         span      `default:"2h" placeholder:"TIME" help:"How long to wait, whatever --attempts says, when the network or the service goes away or asks to wait; 0 does not wait (default: 2h)."`
	SourceID       given     `placeholder:"ID" help:"Name of the source in the checkpoint, to go on elsewhere or with a file that was moved (default: its path)."`
}

// Help is kong's long help of the command.
func (*putCommand) Help() string {
	return "The same command starts an upload and goes on with it. Ctrl-C leaves it resumable; a second one ends the process at once, " +
		"which loses no more than the parts under way. The key is taken as it stands: nothing is unescaped, and .. means nothing. On an error stdout stays empty, with --json too: stderr and the exit code say what happened."
}

// maxConcurrency is far more than any line needs; each part under way has a connection and a goroutine.
const maxConcurrency = 1000

// Validate is called by kong, which finds no method that two embedded structs have.
func (p *putCommand) Validate() error {
	return cmp.Or(p.transferFlags.Validate(), p.objectFlags.Validate())
}

// Validate refuses what makes no sense. A zero would be taken for the default by the library, which is not what was asked.
func (f *transferFlags) Validate() error {
	switch {
	case f.PartSize != nil && *f.PartSize < 1:
		return errors.New("--part-size must be more than 0")
	case f.Limit != nil && *f.Limit < 1:
		return errors.New("--limit must be more than 0; leave it out for no limit")
	case f.Attempts < 1:
		return errors.New("--attempts must be at least 1")
	case f.RetryDelay <= 0 || f.MaxRetryDelay <= 0:
		return errors.New("--retry-delay and --max-retry-delay must be more than 0")
	case f.Outage < 0:
		return errors.New("--outage must not be negative; 0 does not wait")
	}
	return f.connections()
}

// connections refuses numbers of parts at once that are out of range or contradict each other.
func (f *transferFlags) connections() error {
	for _, given := range []struct {
		flag string
		n    *int
	}{{"--concurrency", f.Concurrency}, {"--min-concurrency", f.MinConcurrency}, {"--max-concurrency", f.MaxConcurrency}} {
		if given.n != nil && (*given.n < 1 || *given.n > maxConcurrency) {
			return fmt.Errorf("%s must be 1 to %d", given.flag, maxConcurrency)
		}
	}
	least, most := f.MinConcurrency, f.MaxConcurrency
	switch {
	case f.Concurrency != nil && (least != nil || most != nil):
		return errors.New("--concurrency fixes what --min-concurrency and --max-concurrency bound; leave out the one or the others")
	case least != nil && most != nil && *least > *most:
		return fmt.Errorf("--min-concurrency %d is more than --max-concurrency %d", *least, *most)
	}
	return nil
}

func (f *transferFlags) options() *upload.Options {
	opts := &upload.Options{
		Concurrency: orZero(f.Concurrency), MinConcurrency: orZero(f.MinConcurrency), MaxConcurrency: orZero(f.MaxConcurrency),
		Retry: upload.Retry{
			Attempts: f.Attempts, BaseDelay: time.Duration(f.RetryDelay), MaxDelay: time.Duration(f.MaxRetryDelay), Outage: time.Duration(f.Outage),
		},
	}
	if f.Outage == 0 {
		opts.Retry.Outage = -1 // for the library 0 may be its default
	}
	if f.Threshold != nil {
		if opts.Threshold = int64(*f.Threshold); opts.Threshold == 0 {
			opts.Threshold = -1
		}
	}
	if f.Limit != nil {
		// A tenth of a second's worth evens out the limiter's waits; less than 64 KiB would be many short ones.
		opts.Limiter = rate.NewLimiter(rate.Limit(*f.Limit), int(max(64<<10, *f.Limit/10)))
	}
	return opts
}

// orZero is what the library takes for its default if the flag was not given.
func orZero(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// Run uploads.
func (p *putCommand) Run(ctx context.Context, con *console) (err error) {
	to, err := p.URL.forFile(p.File)
	if err != nil {
		return err
	}
	s, err := p.open(con, to.bucket)
	if err != nil {
		return err
	}
	defer func() { err = s.closeAfter(err) }()
	b, err := s.backend(to.bucket)
	if err != nil {
		return err
	}
	opts := p.options()
	opts.Logger = s.log
	show := newProgress(con, p.Quiet, p.Verbose)
	req := &upload.Request{
		Attributes: p.attributes(), IfAbsent: p.IfAbsent, SourceID: string(p.SourceID),
		Progress: show.update,
	}
	if p.PartSize != nil {
		if req.PartSize = int64(*p.PartSize); req.PartSize < b.Info().MinPartSize || req.PartSize > b.Info().MaxPartSize {
			return &failure{code: exitUsage, err: fmt.Errorf("--part-size %s: a part must have %s to %s",
				p.PartSize.flag(), byteSize(b.Info().MinPartSize).flag(), byteSize(b.Info().MaxPartSize).flag())}
		}
	}
	s.log.Info("put", "file", p.File, "url", to.String(), "part_size", cmp.Or(req.PartSize, upload.DefaultPartSize))
	begun := time.Now()
	res, err := upload.New(b, s.checkpoints, opts).UploadFile(ctx, to.key, p.File, req)
	show.close()
	if err != nil {
		s.log.Warn("not done", "stored", show.last.Stored, "sent", res.Sent, "retries", res.Retries, "hedged", res.Hedged)
		return p.explain(con, err, res, show.last)
	}
	s.log.Info("done and verified", "resumed", res.Resumed, "size", res.Object.Size, "crc64", res.CRC64, "parts", res.Parts, "part_size", res.PartSize,
		"sent", res.Sent, "reused", res.Reused, "retries", res.Retries, "hedged", res.Hedged)
	return report(con.out, p, to, res, time.Since(begun))
}
