package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"go.uber.org/goleak"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// beCommand in the environment makes the test binary the command, so that tests run it as a process of its own.
const beCommand = "TIDEMARK_TEST_COMMAND"

// statusTo in the environment is a file for what Linux says of the process at its end.
const statusTo = "TIDEMARK_TEST_STATUS"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		restrict()
		code := run(os.Args, os.Stdout, os.Stderr)
		if path := os.Getenv(statusTo); path != "" {
			status, err := os.ReadFile("/proc/self/status")
			if err == nil {
				err = os.WriteFile(path, status, 0o600)
			}
			if err != nil {
				panic(err)
			}
		}
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait in these tests. Nothing is measured against it.
const patience = 2 * time.Minute

// command is the command as a process.
type command struct {
	*exec.Cmd
	out bytes.Buffer
	err transcript
}

// transcript is what a process has written so far.
type transcript struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed when there is more
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grown != nil {
		close(s.grown)
		s.grown = nil
	}
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits for a text.
func (s *transcript) await(t *testing.T, text string) {
	t.Helper()
	for {
		s.mu.Lock()
		if s.grown == nil {
			s.grown = make(chan struct{})
		}
		grown, found := s.grown, strings.Contains(s.text.String(), text)
		s.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-time.After(patience):
			t.Fatalf("waited too long for %q in:\n%s", text, s)
		}
	}
}

// start starts the command with nothing of this process's environment but what is given.
func start(t *testing.T, env []string, args ...string) *command {
	t.Helper()
	return startWith(t, nil, env, args...)
}

// startWith is start; the command has stdout instead of a copy of it, which is closed here.
func startWith(t *testing.T, stdout *os.File, env []string, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &command{Cmd: exec.CommandContext(ctx, exe, args...)}
	// The race detector would have each process sleep for a second at its end.
	c.Env = append([]string{beCommand + "=1", "GORACE=atexit_sleep_ms=0"}, env...)
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		c.Env = append(c.Env, "GOCOVERDIR="+dir)
	}
	c.Stdout, c.Stderr = &c.out, &c.err
	if stdout != nil {
		c.Stdout = stdout
		defer stdout.Close()
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil { // the test has failed
			c.Process.Kill()
			c.Wait()
		}
	})
	return c
}

// wait returns the exit code.
func (c *command) wait(t *testing.T) int {
	t.Helper()
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode()
}

// must runs the command and wants it to succeed.
func must(t *testing.T, env []string, args ...string) (stdout string) {
	t.Helper()
	c := start(t, env, args...)
	if code := c.wait(t); code != exitDone {
		t.Fatalf("tidemark %s: exit code %d: %s", strings.Join(args, " "), code, &c.err)
	}
	return c.out.String()
}

// fails runs the command and wants that exit code, nothing on stdout, and one line on stderr that matches.
func fails(t *testing.T, code int, line string, env []string, args ...string) {
	t.Helper()
	c := start(t, env, args...)
	got := c.wait(t)
	wantFailure(t, c, got, code, line)
}

func wantFailure(t *testing.T, c *command, got, code int, line string) {
	t.Helper()
	if got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	text := c.err.String()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || !strings.HasPrefix(text, "tidemark: ") {
		t.Errorf("stderr is not one line that begins with \"tidemark: \":\n%s", text)
	}
	if !regexp.MustCompile(line).MatchString(strings.TrimSuffix(text, "\n")) {
		t.Errorf("stderr does not match %q:\n%s", line, text)
	}
	if t.Failed() {
		t.Logf("stdout:\n%s", &c.out)
	}
}

// service is a fake OSS in this process, whose requests a test can hold up.
type testService struct {
	*fakeoss.Handler
	url    string
	server *httptest.Server

	mu   sync.Mutex
	hook func(*http.Request)
}

const testBucket = "tide-bucket"

func serve(t *testing.T, opts *fakeoss.Options) *testService {
	t.Helper()
	opts.Buckets = append(opts.Buckets, testBucket)
	h, err := fakeoss.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &testService{Handler: h}
	s.server = httptest.NewServer(http.HandlerFunc(s.handle))
	s.url = s.server.URL
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range h.Unfired() {
			t.Errorf("a fault did not fire: %v", f)
		}
	})
	return s
}

func (s *testService) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	s.ServeHTTP(w, r)
}

// on calls f when a request arrives, before anything of its body is read; nil for no call.
func (s *testService) on(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// hold makes the n-th request that asks for such a query wait until its client goes away or release is called.
func (s *testService) hold(query string, n int) (arrived <-chan struct{}, release func()) {
	came, free := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	count := 0
	s.on(func(r *http.Request) {
		mu.Lock()
		if strings.Contains(r.URL.RawQuery, query) && r.Method == http.MethodPut {
			count++
		}
		mine := count == n
		if mine {
			count++ // once
			close(came)
		}
		mu.Unlock()
		if mine {
			select {
			case <-free:
			case <-r.Context().Done():
			}
		}
	})
	return came, sync.OnceFunc(func() { close(free) })
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited too long for %s", what)
	}
}

// env is what a client of the service needs.
func (s *testService) env() []string {
	cred := s.Credential()
	return []string{
		"OSS_ENDPOINT=" + s.url, "OSS_REGION=" + s.Region(),
		"OSS_ACCESS_KEY_ID=" + cred.AccessKeyID, "OSS_ACCESS_KEY_SECRET=" + cred.AccessKeySecret, "OSS_SESSION_TOKEN=" + cred.SecurityToken,
	}
}

// bucket opens the bucket with the SDK, which shares no code with the command's way of sending.
func bucket(t *testing.T, env []string) *sdk.Bucket {
	t.Helper()
	value := func(name string) string {
		for _, e := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := sdk.New(value("OSS_ENDPOINT"), value("OSS_ACCESS_KEY_ID"), value("OSS_ACCESS_KEY_SECRET"),
		sdk.HTTPClient(&http.Client{Transport: transport}), sdk.SecurityToken(value("OSS_SESSION_TOKEN")),
		sdk.Region(value("OSS_REGION")), sdk.AuthVersion(sdk.AuthV4))
	if err != nil {
		t.Fatal(err)
	}
	b, err := client.Bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func object(t *testing.T, env []string, key string) []byte {
	t.Helper()
	body, err := bucket(t, env).GetObject(key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func header(t *testing.T, env []string, key string) http.Header {
	t.Helper()
	h, err := bucket(t, env).GetObjectDetailedMeta(key)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func wantObject(t *testing.T, env []string, key string, want []byte) {
	t.Helper()
	if got := object(t, env, key); !bytes.Equal(got, want) {
		t.Errorf("object %s (%d bytes) is not what was to be sent (%d bytes)", key, len(got), len(want))
	}
}

// write makes a file with a content that differs everywhere.
func write(t *testing.T, path string, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	state := uint64(size)*2654435761 + 1
	for i := range content {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		content[i] = byte(state >> 32)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return content
}

func logs(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
