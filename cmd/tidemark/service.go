package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"os"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// serviceFlags say where the store and the checkpoints are.
type serviceFlags struct {
	Fake          given `placeholder:"DIR" xor:"service-endpoint,service-region" help:"Use an embedded fake OSS that keeps its state in DIR; put makes DIR and the bucket if need be."`
	Endpoint      given `placeholder:"URL" xor:"service-endpoint" help:"Where the service is; instead of $$OSS_ENDPOINT."`
	Region        given `placeholder:"NAME" xor:"service-region" help:"Its region; instead of $$OSS_REGION."`
	CheckpointDir given `placeholder:"DIR" help:"Keep checkpoints in DIR (default: tidemark/uploads in the user's state directory)."`
	Location      given `placeholder:"NAME" help:"What to call the service in checkpoints, to which the bucket is added, when its address changes (default: its address)."`
	Verbose       bool  `short:"v" help:"Write a log to stderr."`
}

// service is a store and the checkpoints of the uploads to it.
type service struct {
	config      oss.Config
	location    func(bucket string) string // nil: the backend's own
	checkpoints checkpoint.Store
	log         *slog.Logger
	close       func() error
}

// open finds the service. With a fake one, bucket is created, unless it is empty.
func (f *serviceFlags) open(con *console, bucket string) (_ *service, err error) {
	s := &service{close: func() error { return nil }, log: slog.New(slog.DiscardHandler)}
	if f.Verbose {
		s.log = slog.New(slog.NewTextHandler(con.err, nil))
	}
	file, err := checkpoint.NewFile(string(f.CheckpointDir))
	if err != nil {
		return nil, &failure{code: exitCheckpoint, err: err, remedy: "give one with --checkpoint-dir"}
	}
	s.checkpoints = &checkpoints{file}
	if f.Fake != "" {
		if err := s.embed(string(f.Fake), bucket); err != nil {
			return nil, err
		}
	} else {
		s.config = oss.FromEnv()
		s.config.Endpoint = cmp.Or(string(f.Endpoint), s.config.Endpoint)
		s.config.Region = cmp.Or(string(f.Region), s.config.Region)
	}
	if f.Location != "" {
		s.location = func(bucket string) string { return string(f.Location) + "/" + bucket }
	}
	return s, nil
}

// existing refuses directories that are not there. What only asks would make them, and then find nothing in them.
func (f *serviceFlags) existing() error {
	for _, d := range []struct {
		flag string
		path given
	}{{"--fake", f.Fake}, {"--checkpoint-dir", f.CheckpointDir}} {
		if d.path == "" {
			continue
		}
		info, err := os.Stat(string(d.path))
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", d.path)
		}
		if err != nil {
			return &failure{code: exitUsage, err: fmt.Errorf("%s: %w", d.flag, err), remedy: "check the path"}
		}
	}
	return nil
}

// embed starts a fake server in this process.
func (s *service) embed(dir, bucket string) error {
	dir, err := resolve(dir)
	if err != nil {
		return &failure{code: exitUsage, err: fmt.Errorf("--fake: %w", err)}
	}
	opts := &fakeoss.Options{Dir: dir, Logger: s.log}
	if bucket != "" {
		opts.Buckets = []string{bucket}
	}
	server, err := startFake("127.0.0.1:0", opts)
	if err != nil {
		return fmt.Errorf("--fake: %w", err)
	}
	s.close = func() error { return stopFake(server) }
	cred := server.Handler().Credential()
	s.config = oss.Config{
		Endpoint: server.URL(), Region: server.Handler().Region(),
		AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret,
	}
	// The port is another one each time. What an upload resumes is in the directory.
	s.location = func(bucket string) string { return "fake:" + dir + "/" + bucket }
	return nil
}

// backend returns a bucket. Nothing is sent.
func (s *service) backend(bucket string) (backend.MultipartBackend, error) {
	opened, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	var opts oss.Options
	if s.location != nil {
		opts.Location = s.location(bucket)
	}
	return logged{oss.New(opened, &opts), s.log}, nil
}

func (s *service) bucket(name string) (*sdk.Bucket, error) {
	opened, err := oss.Open(name, s.config)
	switch {
	case errors.Is(err, backend.ErrDenied):
		return nil, &failure{err: err, remedy: "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET in the environment, or try without an account: --fake DIR"}
	case err != nil:
		return nil, &failure{err: err, remedy: "see tidemark --help for the environment that is needed"}
	}
	return opened, nil
}

// buckets lists the buckets that the endpoint serves.
func (s *service) buckets() ([]string, error) {
	opened, err := s.bucket("bucket") // its name is not used
	if err != nil {
		return nil, err
	}
	var names []string
	for marker := ""; ; {
		page, err := opened.Client.ListBuckets(sdk.Marker(marker))
		if err != nil {
			return nil, listBucketsError(err)
		}
		for _, b := range page.Buckets {
			// A bucket elsewhere is not to be had through this endpoint.
			if s.config.Region == "" || b.Region == "" || b.Region == s.config.Region {
				names = append(names, b.Name)
			}
		}
		if marker = page.NextMarker; !page.IsTruncated || marker == "" {
			return names, nil
		}
	}
}

// listBucketsError sorts an error of the SDK, which is the adapter's business for all other requests.
func listBucketsError(err error) error {
	f := &failure{code: exitTrouble, err: fmt.Errorf("list the buckets: %w", err), remedy: "name one: oss://BUCKET"}
	if fix := serviceRemedy(err); fix != "" {
		f.remedy = fix
	}
	var answer sdk.ServiceError
	if errors.As(err, &answer) {
		f.err = fmt.Errorf("list the buckets: %s: %s (request %s)", answer.Code, answer.Message, answer.RequestID)
		if answer.StatusCode == http.StatusForbidden || answer.Ec == wrongRegion {
			f.code = exitDenied
		}
	}
	return f
}

// closeAfter closes the service. What went wrong before is what counts.
func (s *service) closeAfter(err error) error {
	if cerr := s.close(); err == nil {
		return cerr
	}
	return err
}

// checkpoints marks what goes wrong with a checkpoint as that: an error of a file system does not say whose file it was.
type checkpoints struct{ file *checkpoint.File }

var (
	_ checkpoint.Store  = (*checkpoints)(nil)
	_ checkpoint.Locker = (*checkpoints)(nil)
	_ checkpoint.Syncer = (*checkpoints)(nil)
)

// checkpointError is an error of the checkpoint store.
type checkpointError struct{ error }

func (e *checkpointError) Unwrap() error { return e.error }

func mark(err error) error {
	if err == nil {
		return nil
	}
	return &checkpointError{err}
}

func (c *checkpoints) Load(ctx context.Context, id string) ([][]byte, error) {
	records, err := c.file.Load(ctx, id)
	return records, mark(err)
}

func (c *checkpoints) Append(ctx context.Context, id string, at int, rec []byte) error {
	return mark(c.file.Append(ctx, id, at, rec))
}

func (c *checkpoints) Delete(ctx context.Context, id string, at int, last []byte) error {
	return mark(c.file.Delete(ctx, id, at, last))
}

func (c *checkpoints) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for id, err := range c.file.IDs(ctx) {
			if !yield(id, mark(err)) {
				return
			}
		}
	}
}

func (c *checkpoints) Lock(ctx context.Context, id string) (func() error, error) {
	unlock, err := c.file.Lock(ctx, id)
	return unlock, mark(err)
}

func (c *checkpoints) Sync(ctx context.Context, id string) error { return mark(c.file.Sync(ctx, id)) }
