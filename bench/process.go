package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/tidemark-go/tidemark/bench/internal/discard"
)

// launcher starts this program again.
type launcher struct {
	program string
	caFile  string // the certificate authority that clients are to trust, PEM
}

func newLauncher() (*launcher, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &launcher{program: program}, nil
}

// command is a process with a role. What it says on stderr is in the error of [launcher.run].
func (l *launcher) command(ctx context.Context, role string, order any) (*exec.Cmd, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, l.program, role, string(text))
	cmd.Env = os.Environ()
	if l.caFile != "" {
		// All clients keep their own HTTP client in this way, and differ in nothing but what they are.
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+l.caFile, "SSL_CERT_DIR=/nonexistent")
	}
	return cmd, nil
}

// run waits for a process and reads its result.
func (l *launcher) run(ctx context.Context, role string, order any) (uploaded, error) {
	cmd, err := l.command(ctx, role, order)
	if err != nil {
		return uploaded{}, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return uploaded{}, &processError{role, string(bytes.TrimSpace(stderr.Bytes())), err}
	}
	var result uploaded
	err = json.Unmarshal(lastLine(out), &result)
	return result, err
}

// processError is of a process that failed.
type processError struct {
	role, stderr string
	err          error
}

func (e *processError) Error() string {
	return fmt.Sprintf("%s process: %v: %s", e.role, e.err, e.stderr)
}
func (e *processError) Unwrap() error { return e.err }

// lastLine is the result: a library may print before it.
func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// server is a discarding server in a process of its own.
type server struct {
	serving
	*discard.Control
	cmd   *exec.Cmd
	stdin io.Closer
}

func (l *launcher) serve(ctx context.Context, order serveOrder) (_ *server, err error) {
	cmd, err := l.command(ctx, roleServe, order)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.serving)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not start: %w", err), s.stop())
	}
	s.Control = discard.NewControl(s.serving.Control)
	return s, nil
}

func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}
