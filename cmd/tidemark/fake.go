package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// fakeCommand serves a fake OSS.
type fakeCommand struct {
	Dir     given    `placeholder:"DIR" help:"Keep everything in DIR, so that it survives the process (default: in memory)."`
	Addr    string   `default:"127.0.0.1:9000" help:"Listen on this address; port 0 picks a free one. Only whoever has the credentials gets in, but it has none of the hardening of a real server."`
	Region  given    `placeholder:"NAME" help:"The region that it says it is (default: $$OSS_REGION, or cn-hangzhou)."`
	Bucket  []string `placeholder:"NAME" sep:"none" help:"Create this bucket. Repeatable."`
	Journal given    `placeholder:"FILE" help:"Append each request to FILE as a line of JSON."`
	Admin   bool     `help:"Serve faults and the journal, as JSON and without authentication, under the path /-/."`
}

// Help is kong's long help of the command.
func (*fakeCommand) Help() string {
	return "It prints its address and what else a client's environment needs, and then nothing. The credentials are those in " +
		"OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN; without them it makes some and prints them. " +
		"Ctrl-C lets requests in progress end and stops it. A client's checkpoints are found again only under the same " +
		"address, or under the same --location."
}

// Run serves until ctx is done.
func (f *fakeCommand) Run(ctx context.Context, con *console) (err error) {
	env := oss.FromEnv()
	opts := &fakeoss.Options{Region: string(f.Region), Buckets: f.Bucket, Admin: f.Admin}
	if opts.Region == "" {
		opts.Region = env.Region
	}
	own := env.AccessKeyID != "" || env.AccessKeySecret != ""
	if own {
		if env.AccessKeyID == "" || env.AccessKeySecret == "" {
			return &failure{code: exitUsage, err: errors.New("only one of OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET is set"),
				remedy: "set both, or none to have some made"}
		}
		opts.Credentials = []fakeoss.Credential{
			{AccessKeyID: env.AccessKeyID, AccessKeySecret: env.AccessKeySecret, SecurityToken: env.SessionToken},
		}
	}
	for _, b := range f.Bucket {
		if err := checkBucket(b); err != nil {
			return &failure{code: exitUsage, err: fmt.Errorf("--bucket: %w", err)}
		}
	}
	if f.Dir != "" {
		if opts.Dir, err = resolve(string(f.Dir)); err != nil {
			return &failure{code: exitUsage, err: fmt.Errorf("--dir: %w", err)}
		}
	}
	if f.Journal != "" {
		journal, oerr := os.OpenFile(string(f.Journal), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if oerr != nil {
			return &failure{code: exitUsage, err: fmt.Errorf("--journal: %w", oerr)}
		}
		defer func() {
			if cerr := journal.Close(); err == nil {
				err = cerr
			}
		}()
		opts.JournalWriter = journal
	}
	server, err := startFake(f.Addr, opts)
	if err != nil {
		return err
	}
	if err := f.announce(con.out, server, own); err != nil {
		return errors.Join(err, stopFake(server))
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	return stopFake(server)
}

// announce prints lines that can be pasted into a shell. Credentials that the user gave are not repeated.
func (f *fakeCommand) announce(w io.Writer, server *fakeoss.Server, own bool) error {
	text := fmt.Sprintf("export OSS_ENDPOINT=%s\nexport OSS_REGION=%s\n", server.URL(), server.Handler().Region())
	if !own {
		cred := server.Handler().Credential()
		text += fmt.Sprintf("export OSS_ACCESS_KEY_ID=%s\nexport OSS_ACCESS_KEY_SECRET=%s\n", cred.AccessKeyID, cred.AccessKeySecret)
	}
	_, err := io.WriteString(w, text)
	return err
}

// startFake starts a fake server.
func startFake(addr string, opts *fakeoss.Options) (*fakeoss.Server, error) {
	handler, err := fakeoss.New(opts)
	if err != nil {
		f := &failure{code: exitUsage, err: err, remedy: "choose another directory"}
		if errors.Is(err, fakeoss.ErrInUse) {
			f.code, f.remedy = exitInUse, "stop that process, or choose another directory"
		}
		return nil, f
	}
	server, err := fakeoss.Listen(addr, handler)
	if err != nil {
		return nil, &failure{code: exitUsage, err: errors.Join(err, handler.Close()), remedy: "choose another address with --addr"}
	}
	return server, nil
}

// stopPatience is how long requests in progress may take to end.
const stopPatience = 5 * time.Second

func stopFake(server *fakeoss.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return server.Close(ctx)
}

// resolve makes dir, and returns its one name, so that it is the same by whatever path it is reached.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}
