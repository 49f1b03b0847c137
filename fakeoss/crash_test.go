package fakeoss_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// childDir makes the test binary a server over a directory.
const childDir = "FAKEOSS_CHILD_DIR"

// inMemory, instead of a directory, makes it one in memory.
const inMemory = "-"

const childID, childSecret = "child", "secret"

func childOptions(dir string) *fakeoss.Options {
	return &fakeoss.Options{Dir: strings.TrimPrefix(dir, inMemory), Buckets: []string{"bucket"},
		Credentials: []fakeoss.Credential{{AccessKeyID: childID, AccessKeySecret: childSecret}}}
}

func serveChild(dir string) int {
	h, err := fakeoss.New(childOptions(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := fakeoss.Listen("127.0.0.1:0", h)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.URL())
	// The parent kills this process; the end of its input is for a parent that was killed itself.
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(context.Background()); err != nil {
		return 1
	}
	return 0
}

// startChild starts a server process and returns its URL and a function that kills it with SIGKILL.
func startChild(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	_, url, kill = startProcess(t, dir)
	return url, kill
}

func startProcess(t *testing.T, dir string, env ...string) (process *os.Process, url string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir), env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed, and says so
			_ = stdin.Close()
		})
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server process did not start: %v", err)
	}
	return cmd.Process, strings.TrimSpace(line), kill
}

// acked is what the server has acknowledged, and so must have after every crash.
type acked struct {
	mu      sync.Mutex
	objects map[string]string         // key to ETag
	parts   map[string]map[int]string // upload ID to part number to ETag
	keys    map[string]string         // upload ID to key
	done    map[string]bool           // upload IDs whose Complete was acknowledged
	asked   map[string]bool           // upload IDs whose Complete was asked for
}

// TestSIGKILL kills a server process again and again while clients put objects and parts. Whatever was acknowledged is there
// afterwards, with the right bytes, and nothing is torn. FAKEOSS_SEED overrides the seed.
func TestSIGKILL(t *testing.T) {
	seed := uint64(20)
	if s := os.Getenv("FAKEOSS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FAKEOSS_SEED=%d", seed)
	dir := t.TempDir()
	state := &acked{objects: map[string]string{}, parts: map[string]map[int]string{}, keys: map[string]string{},
		done: map[string]bool{}, asked: map[string]bool{}}
	total := 0
	for round := range 5 {
		url, kill := startChild(t, dir)
		srv := &fakeoss.TestServer{URL: url, AccessKeyID: childID, AccessKeySecret: childSecret}
		state.check(t, srv)
		var wg sync.WaitGroup
		acks := make(chan struct{}, 1<<16)
		for worker := range 4 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(round*100+worker)))
				for state.step(srv, rnd, fmt.Sprintf("r%d-w%d", round, worker)) {
					acks <- struct{}{}
				}
			})
		}
		// The moment of the kill is bound to the work done, and not to the clock.
		limit := 10 + int(seed+uint64(round)*7)%30
		for range limit {
			<-acks
		}
		kill()
		wg.Wait()
		total += limit + len(acks)
		http.DefaultClient.CloseIdleConnections()
	}
	url, kill := startChild(t, dir)
	state.check(t, &fakeoss.TestServer{URL: url, AccessKeyID: childID, AccessKeySecret: childSecret})
	kill()
	http.DefaultClient.CloseIdleConnections()
	t.Logf("%d steps acknowledged; %d objects, %d uploads", total, len(state.objects), len(state.parts))
}

// send returns a nil response if the server is gone.
func send(srv *fakeoss.TestServer, method, path string, body []byte) (*http.Response, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, srv.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil
	}
	signV1(r, srv.AccessKeyID, srv.AccessKeySecret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, nil
	}
	return resp, b
}

// step does one upload, or puts one object. It returns false when the server is gone.
func (s *acked) step(srv *fakeoss.TestServer, rnd *rand.Rand, name string) bool {
	key := fmt.Sprintf("%s-%d", name, rnd.Uint32())
	if rnd.IntN(3) == 0 {
		resp, _ := send(srv, "PUT", "/bucket/"+key, randomBytes(rnd.Uint64(), rnd.IntN(200_000)))
		if resp == nil {
			return false
		}
		s.mu.Lock()
		s.objects[key] = resp.Header.Get("ETag")
		s.mu.Unlock()
		return true
	}
	resp, b := send(srv, "POST", "/bucket/"+key+"?uploads", nil)
	if resp == nil {
		return false
	}
	id := response{resp, string(b)}.element("UploadId")
	s.mu.Lock()
	s.parts[id], s.keys[id] = map[int]string{}, key
	s.mu.Unlock()
	list := ""
	for n := 1; n <= 1+rnd.IntN(4); n++ {
		resp, _ := send(srv, "PUT", fmt.Sprintf("/bucket/%s?partNumber=%d&uploadId=%s", key, n, id), randomBytes(rnd.Uint64(), 102400+rnd.IntN(50_000)))
		if resp == nil {
			return false
		}
		etag := resp.Header.Get("ETag")
		s.mu.Lock()
		s.parts[id][n] = etag
		s.mu.Unlock()
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, etag)
	}
	if rnd.IntN(2) == 0 {
		return true
	}
	s.mu.Lock()
	s.asked[id] = true
	s.mu.Unlock()
	resp, _ = send(srv, "POST", "/bucket/"+key+"?uploadId="+id, []byte("<CompleteMultipartUpload>"+list+"</CompleteMultipartUpload>"))
	if resp == nil {
		return false
	}
	s.mu.Lock()
	s.done[id] = true
	s.objects[key] = resp.Header.Get("ETag")
	s.mu.Unlock()
	return true
}

// check compares the server with what was acknowledged. Nobody else uses s.
func (s *acked) check(t *testing.T, srv *fakeoss.TestServer) {
	t.Helper()
	for key, etag := range s.objects {
		resp, b := send(srv, "GET", "/bucket/"+key, nil)
		if resp == nil || resp.Header.Get("ETag") != etag || resp.Header.Get("x-oss-hash-crc64ecma") != crcOf(b) {
			t.Errorf("object %s: %v with %d bytes, want ETag %s and its bytes", key, resp, len(b), etag)
		}
	}
	for id, parts := range s.parts {
		resp, b := send(srv, "GET", "/bucket/"+s.keys[id]+"?uploadId="+id, nil)
		if resp == nil {
			t.Fatal("no answer from the server")
		}
		if resp.StatusCode == http.StatusNotFound && s.asked[id] {
			// Completed, whether that was acknowledged or not: then the object is there, whole.
			s.done[id] = true
			got, b := send(srv, "GET", "/bucket/"+s.keys[id], nil)
			if got == nil || got.StatusCode != http.StatusOK || got.Header.Get("x-oss-hash-crc64ecma") != crcOf(b) {
				t.Errorf("upload %s is gone, but its object is not whole: %v", id, got)
			}
			continue
		}
		if s.done[id] {
			t.Errorf("upload %s was completed and is back: %s", id, b)
		}
		for n, etag := range parts {
			if !strings.Contains(string(b), fmt.Sprintf("<PartNumber>%d</PartNumber>", n)) || !strings.Contains(string(b), strings.Trim(etag, `"`)) {
				t.Errorf("upload %s: acknowledged part %d (%s) is gone: %s", id, n, etag, b)
			}
		}
	}
}
