//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

const (
	mib       = 1 << 20
	nobody    = 65534
	testParts = 8
)

// world is what a bad input goes wrong in: a file of eight parts, a service, and a directory of checkpoints.
type world struct {
	*testService
	dir, file, logs string
	content         []byte
	key             string
	env             []string // of the command
	readAs          []string // of whoever reads the object
}

func newWorld(t *testing.T, opts *fakeoss.Options) *world {
	t.Helper()
	// Not t.TempDir, which another user cannot reach.
	dir, err := os.MkdirTemp("", "tidemark")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	w := &world{testService: serve(t, opts), dir: dir, file: filepath.Join(dir, "file"), logs: filepath.Join(dir, "logs"), key: "key"}
	w.content = write(t, w.file, testParts*mib-1000)
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(w.logs, 0o777), os.Chmod(w.logs, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.env = w.testService.env()
	w.readAs = w.env
	return w
}

// unprivileged runs the command as a user whom permissions concern.
func (w *world) unprivileged() {
	if os.Getuid() == 0 {
		w.env = append(w.env, fmt.Sprintf("%s=%d", asUser, nobody))
	}
}

// put are the arguments; one part at a time, and few retries.
func (w *world) put(more ...string) []string {
	args := []string{"put", w.file, "oss://" + testBucket + "/" + w.key, "--checkpoint-dir", w.logs, "--part-size", "1MiB",
		"--threshold", "0", "--concurrency", "1", "--attempts", "2", "--retry-delay", "1ms", "--max-retry-delay", "1ms", "--quiet"}
	return append(args, more...)
}

// begin stores three parts of the file, and fails at the fourth.
func (w *world) begin(t *testing.T) {
	t.Helper()
	if err := w.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 4}); err != nil {
		t.Fatal(err)
	}
	fails(t, exitTrouble, "3.0 MiB of 8.0 MiB are stored and kept: run the same command", w.env, w.put("--attempts", "1")...)
}

// goOn ends the upload, and wants that nothing of what was stored is sent again.
func (w *world) goOn(t *testing.T, stored int64) putResult {
	t.Helper()
	r := w.finish(t)
	if r.Reused != stored || r.Sent != int64(len(w.content))-stored || len(r.Restarted) > 0 {
		t.Errorf("sent %d, reused %d, restarted %q; want reused %d of %d bytes and the rest sent", r.Sent, r.Reused, r.Restarted, stored, len(w.content))
	}
	return r
}

func (w *world) finish(t *testing.T) putResult {
	t.Helper()
	var r putResult
	if err := json.Unmarshal([]byte(must(t, w.env, w.put("--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	w.settled(t)
	return r
}

// settled wants the object to be the file's content, and nothing left behind.
func (w *world) settled(t *testing.T) {
	t.Helper()
	wantObject(t, w.readAs, w.key, w.content)
	if left := logs(t, w.logs); len(left) > 0 {
		t.Errorf("checkpoints are left: %q", left)
	}
	if got := must(t, w.env, "pending", "--checkpoint-dir", w.logs, "oss://"+testBucket); got != "nothing is pending\n" {
		t.Errorf("uploads are left:\n%s", got)
	}
}

// onPart calls f at the arrival of each part, before its body is read, with its count from 1 and its number.
func (w *world) onPart(f func(n, part int)) {
	var mu sync.Mutex
	n := 0
	w.on(func(r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.RawQuery, "partNumber") {
			part, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
			if err != nil {
				panic(err)
			}
			mu.Lock()
			defer mu.Unlock()
			n++
			f(n, part)
		}
	})
}

// rewrite changes the file while part n is sent, and wants the upload to deliver what the file has afterwards.
func (w *world) rewrite(t *testing.T, n int, change func()) {
	t.Helper()
	w.onPart(func(at, _ int) {
		if at == n {
			change()
		}
	})
	must(t, w.env, w.put()...)
	content, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(content, w.content) {
		t.Fatal("the file was not changed")
	}
	w.content = content
	w.settled(t)
}

func TestBadInput(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"missing file", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.file += "-which-is-not-there"
			fails(t, exitUsage, "file-which-is-not-there: no such file or directory; check the path", w.env, w.put()...)
		}},
		{"directory", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.file = w.dir
			fails(t, exitUsage, w.dir+" is a directory, name a file in it", w.env, w.put()...)
		}},
		{"unreadable file", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.unprivileged()
			w.begin(t)
			chmod(t, w.file, 0)
			fails(t, exitSource, "file: permission denied; nothing was lost: make the file readable", w.env, w.put()...)
			chmod(t, w.file, 0o644) // which changes the file's ctime, so its parts are compared with it
			w.goOn(t, 3*mib)
		}},
		{"bad URL", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			for _, url := range []string{"https://" + testBucket + "/key", testBucket + "/key", "oss://", "oss:///key", "oss://UPPER/key", "oss://b/key", ""} {
				fails(t, exitUsage, `oss://|bucket's name`, w.env, "put", w.file, url)
			}
		}},
		{"no credentials", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.begin(t)
			fails(t, exitDenied, "no access key ID .*set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET", append(w.env, "OSS_ACCESS_KEY_ID="), w.put()...)
			w.goOn(t, 3*mib)
		}},
		{"wrong secret", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.begin(t)
			fails(t, exitDenied, "SignatureDoesNotMatch.*check the access key secret.*kept: run the same command with credentials",
				append(w.env, "OSS_ACCESS_KEY_SECRET=wrong"), w.put()...)
			w.goOn(t, 3*mib)
		}},
		{"no such bucket", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			args := w.put()
			args[2] = "oss://no-such-bucket/key"
			fails(t, exitUsage, "NoSuchBucket.*check the bucket's name and the endpoint", w.env, args...)
		}},
		{"key too long", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.key = strings.Repeat("k", maxKey+1)
			fails(t, exitUsage, "the key \"kkkkkkkkkkkkkkkkkkkk\"… has 1024 bytes: OSS takes up to 1023", w.env, w.put()...)
			w.key = strings.Repeat("k", maxKey)
			w.finish(t)
		}},
		{"key with ..", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.key = "../a/../b%2F..?x=y#z"
			w.finish(t)
		}},
		{"part size 1", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			fails(t, exitUsage, "--part-size 1: a part must have 100KiB to 5GiB$", w.env, w.put("--part-size", "1")...)
			fails(t, exitUsage, `--part-size: "8Mb2" is no size`, w.env, w.put("--part-size", "8Mb2")...)
			fails(t, exitUsage, "--part-size must be more than 0", w.env, w.put("--part-size", "0")...)
		}},
		{"part size too small for 10,000 parts", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			// The part size is chosen for a file of a gigabyte, which is not sent to its end: it shrinks while it is sent.
			if err := os.Truncate(w.file, 100<<10*10000+1); err != nil { // sparse
				t.Fatal(err)
			}
			w.onPart(func(n, _ int) {
				if n == 3 {
					if err := os.Truncate(w.file, 2<<20); err != nil {
						t.Error(err)
					}
				}
			})
			out := must(t, w.env, w.put("--part-size", "100KiB")...)
			if !strings.Contains(out, "note: the part size was 200.0 KiB, so that the file fits") {
				t.Errorf("stdout does not say that the part size was raised:\n%s", out)
			}
			for _, e := range w.Journal() {
				if e.Operation == "UploadPart" && e.PartNumber == 1 && e.BodyBytes != 200<<10 {
					t.Errorf("part 1 had %d bytes, want 200 KiB", e.BodyBytes)
				}
			}
			w.content = w.content[:2<<20]
			w.settled(t)
		}},
		{"file shrinking while it is sent", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.rewrite(t, 3, func() {
				if err := os.Truncate(w.file, 5*mib+7); err != nil {
					t.Error(err)
				}
			})
		}},
		{"file growing while it is sent", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.rewrite(t, 3, func() { change(t, w.file, int64(len(w.content)), "and more") })
		}},
		{"file rewritten while it is sent", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.rewrite(t, 3, func() { change(t, w.file, 5, "another") })
		}},
		{"file rewritten again and again", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			// Each part, when it is sent, changes the next one: a reading after the first finds one that differs.
			w.onPart(func(n, part int) { change(t, w.file, int64(part%testParts)*mib, fmt.Sprintf("version %d", n)) })
			fails(t, exitSource, "the source keeps changing; 8.0 MiB of 8.0 MiB are stored and kept: run the same command when the file is at rest", w.env, w.put()...)
			w.on(nil)
			var err error
			if w.content, err = os.ReadFile(w.file); err != nil {
				t.Fatal(err)
			}
			w.goOn(t, int64(len(w.content))-mib) // all but the part that changed
		}},
		{"read-only checkpoint directory", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.unprivileged()
			w.begin(t)
			chmod(t, w.logs, 0o555)
			fails(t, exitCheckpoint, "checkpoint: lock.*permission denied.*make "+w.logs+" writable", w.env, w.put()...)
			chmod(t, w.logs, 0o777)
			w.goOn(t, 3*mib)
		}},
		{"full disk under the checkpoint", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.begin(t)
			size := int64(0)
			for _, l := range logs(t, w.logs) {
				info, err := os.Stat(l)
				if err != nil {
					t.Fatal(err)
				}
				size = info.Size()
			}
			// Room for the claim and a part, and not for the end.
			limit := fmt.Sprintf("%s=%d", fileSize, size+700)
			fails(t, exitCheckpoint, "write the checkpoint: .*file too large.* MiB are stored and kept", append(w.env, limit), w.put()...)
			if r := w.finish(t); r.Reused < 4*mib || r.Reused+r.Sent != int64(len(w.content)) {
				t.Errorf("reused %d and sent %d of %d bytes; want at least one part of the run with the full disk", r.Reused, r.Sent, len(w.content))
			}
		}},
		{"damaged checkpoint", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.begin(t)
			for _, l := range logs(t, w.logs) {
				change(t, l, 400, "\x00damage\xff")
			}
			r := w.goOn(t, 3*mib)
			if len(r.Damaged) != 1 || !strings.Contains(r.Damaged[0], "set aside") {
				t.Errorf("the result does not say what was damaged: %q", r.Damaged)
			}
		}},
		{"locked checkpoint", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			arrived, release := w.hold("partNumber", 3)
			defer release()
			first := start(t, w.env, w.put()...)
			await(t, "part 3", arrived)
			fails(t, exitInUse, fmt.Sprintf("in use by process %d on .*: wait until it ends, or stop it", first.Process.Pid), w.env, w.put()...)
			release()
			if code := first.wait(t); code != exitDone {
				t.Errorf("the first process: exit code %d: %s", code, &first.err)
			}
			w.settled(t)
		}},
		{"unreachable host", func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			w.begin(t)
			// An upload is to one endpoint, so these are others.
			other := filepath.Join(w.dir, "other")
			fails(t, exitTrouble, "connection refused; nothing was lost: check OSS_ENDPOINT \\(or --endpoint\\), and run the same command to go on",
				append(w.env, "OSS_ENDPOINT=http://"+closedPort(t)), w.put("--checkpoint-dir", other)...)
			fails(t, exitTrouble, "no-such-host.invalid.*; nothing was lost: check OSS_ENDPOINT",
				append(w.env, "OSS_ENDPOINT=http://no-such-host.invalid"), w.put("--checkpoint-dir", other)...)
			w.on(func(*http.Request) { panic(http.ErrAbortHandler) })
			fails(t, exitTrouble, "EOF; what was stored is kept: run the same command", w.env, w.put()...)
			w.on(nil)
			w.goOn(t, 3*mib)
		}},
		{"expired token", func(t *testing.T) {
			var mu sync.Mutex
			now := time.Now()
			clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
			renewed := fakeoss.Credential{AccessKeyID: "STS.second", AccessKeySecret: "secret2", SecurityToken: "token2", Expires: now.Add(time.Hour)}
			w := newWorld(t, &fakeoss.Options{Clock: clock, Credentials: []fakeoss.Credential{
				{AccessKeyID: "STS.first", AccessKeySecret: "secret", SecurityToken: "token", Expires: now.Add(time.Minute)}, renewed,
			}})
			w.onPart(func(n, _ int) {
				if n == 4 {
					mu.Lock()
					defer mu.Unlock()
					now = now.Add(2 * time.Minute)
				}
			})
			fails(t, exitDenied, "SecurityTokenExpired.*get new ones; 3.0 MiB of 8.0 MiB are stored and kept", w.env, w.put()...)
			w.env = append(w.env, "OSS_ACCESS_KEY_ID="+renewed.AccessKeyID, "OSS_ACCESS_KEY_SECRET="+renewed.AccessKeySecret,
				"OSS_SESSION_TOKEN="+renewed.SecurityToken)
			w.readAs = w.env
			w.goOn(t, 3*mib)
		}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestInterrupt(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			w := newWorld(t, &fakeoss.Options{})
			arrived, release := w.hold("partNumber", 4)
			defer release()
			c := start(t, w.env, w.put()...)
			await(t, "part 4", arrived)
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			code := c.wait(t)
			release()
			wantFailure(t, c, code, exitInterrupted, "interrupted; 3.0 MiB of 8.0 MiB are stored and kept; go on with: .* put "+w.file+" oss://"+testBucket+"/key ")
			// The part that was under way may have arrived after all.
			if r := w.finish(t); !r.Resumed || r.Reused < 3*mib || r.Reused+r.Sent != int64(len(w.content)) {
				t.Errorf("resumed %t, reused %d, sent %d of %d bytes; want at least three parts reused", r.Resumed, r.Reused, r.Sent, len(w.content))
			}
		})
	}
}

// The embedded server listens on another port each time, which is no other place for an upload.
func TestResumeEmbedded(t *testing.T) {
	dir := t.TempDir()
	file, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "logs")
	content := write(t, file, 4*mib)
	args := []string{"put", file, "oss://" + testBucket + "/k", "--fake", filepath.Join(dir, "fake"), "--checkpoint-dir", checkpoints,
		"--part-size", "128KiB", "--threshold", "0", "--concurrency", "1", "--json", "--quiet"}
	c := start(t, nil, append(args, "--limit", "512KiB")...)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for parts := 0; parts < 2; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited too long for two parts in the checkpoint")
		}
		parts = 0
		for _, l := range logs(t, checkpoints) {
			text, err := os.ReadFile(l)
			if err != nil {
				t.Fatal(err)
			}
			parts += bytes.Count(text, []byte(`"etag":`))
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, c, c.wait(t), exitInterrupted, "of 4.0 MiB are stored and kept; go on with: ")

	r := decode[putResult](t, must(t, nil, args...))
	if !r.Resumed || r.Reused < 2*128<<10 || r.Reused+r.Sent != int64(len(content)) {
		t.Errorf("resumed %t, reused %d, sent %d of %d bytes; want at least two parts reused", r.Resumed, r.Reused, r.Sent, len(content))
	}
	if got := must(t, nil, "pending", "--fake", filepath.Join(dir, "fake"), "--checkpoint-dir", checkpoints); got != "nothing is pending\n" {
		t.Errorf("uploads are left:\n%s", got)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// change overwrites a stretch of a file. It is called from other goroutines too.
func change(t *testing.T, path string, offset int64, text string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := f.WriteAt([]byte(text), offset); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
