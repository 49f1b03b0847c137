package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// where is a directory for an embedded fake server, and one for checkpoints.
func where(t *testing.T) []string {
	t.Helper()
	return []string{"--fake", filepath.Join(t.TempDir(), "fake"), "--checkpoint-dir", filepath.Join(t.TempDir(), "logs")}
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if d.More() {
		t.Fatalf("more than one JSON object: %q", text)
	}
	return v
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a file")
	content := write(t, file, 3<<20+5)
	crc := fmt.Sprint(crc64.Update(0, content))
	server := serve(t, &fakeoss.Options{})
	for _, store := range []struct {
		name  string
		env   []string
		flags []string
	}{
		{"embedded", nil, where(t)},
		{"service", server.env(), []string{"--checkpoint-dir", t.TempDir()}},
	} {
		for _, test := range []struct {
			name, key string // of the URL
			flags     []string
			want      putResult
		}{
			{"parts", "k", []string{"--threshold", "0", "--part-size", "1MiB"},
				putResult{Bucket: testBucket, Key: "k", Size: 3<<20 + 5, CRC64: crc, Sent: 3<<20 + 5, Parts: 4, PartSize: 1 << 20}},
			{"one request", "k", nil, putResult{Bucket: testBucket, Key: "k", Size: 3<<20 + 5, CRC64: crc, Sent: 3<<20 + 5}},
			{"no key", "", nil, putResult{Bucket: testBucket, Key: "a file", Size: 3<<20 + 5, CRC64: crc, Sent: 3<<20 + 5}},
			{"directory", "d/e/", nil, putResult{Bucket: testBucket, Key: "d/e/a file", Size: 3<<20 + 5, CRC64: crc, Sent: 3<<20 + 5}},
			{"limited", "k", []string{"--limit", "1GiB"}, putResult{Bucket: testBucket, Key: "k", Size: 3<<20 + 5, CRC64: crc, Sent: 3<<20 + 5}},
		} {
			t.Run(store.name+"/"+test.name, func(t *testing.T) {
				args := append([]string{"put", "--json", file, "oss://" + testBucket + "/" + test.key}, append(store.flags, test.flags...)...)
				got := decode[putResult](t, must(t, store.env, args...))
				if got.ETag == "" || got.Seconds <= 0 {
					t.Errorf("no ETag or no time: %+v", got)
				}
				if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(putResult{}, "ETag", "Seconds"), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				if store.env != nil {
					wantObject(t, store.env, test.want.Key, content)
				}
			})
		}
	}
}

func TestPutSaysWhatItDid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	content := write(t, file, 1000)
	got := must(t, nil, append([]string{"put", file, "oss://" + testBucket + "/k", "-q"}, where(t)...)...)
	for _, want := range []string{"oss://tide-bucket/k: 1000 B in ", "; sent 1000 B; CRC-64 " + fmt.Sprint(crc64.Update(0, content)) + "\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("stdout lacks %q: %s", want, got)
		}
	}
}

// All that can be asked of the object arrives.
func TestPutAttributes(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, 100)
	must(t, server.env(), "put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", t.TempDir(),
		"--content-type", "text/x-tide", "--cache-control", "no-store", "--content-disposition", "attachment", "--content-encoding", "identity",
		"--content-language", "en", "--expires", "2030-01-31T12:00:00Z", "--meta", "a=1", "--meta", "b=x=y;z", "--tag", "t=u",
		"--storage-class", "IA", "--acl", "private", "--encryption", "AES256")
	h := header(t, server.env(), "k")
	for name, want := range map[string]string{
		"Content-Type": "text/x-tide", "Cache-Control": "no-store", "Content-Disposition": "attachment", "Content-Encoding": "identity",
		"Content-Language": "en", "Expires": "Thu, 31 Jan 2030 12:00:00 GMT", "X-Oss-Meta-A": "1", "X-Oss-Meta-B": "x=y;z",
		"X-Oss-Tagging-Count": "1", "X-Oss-Storage-Class": "IA", "X-Oss-Server-Side-Encryption": "AES256",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	fails(t, exitExists, "object exists; leave out --if-absent to replace it", server.env(),
		"put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", t.TempDir(), "--if-absent")
}

// interrupted leaves an upload of key with three parts of 1 MiB.
func interrupted(t *testing.T, server *testService, logs, file, key string) {
	t.Helper()
	if err := server.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 4}); err != nil {
		t.Fatal(err)
	}
	fails(t, exitTrouble, "3.0 MiB of 6.0 MiB are stored", server.env(), "put", file, "oss://"+testBucket+"/"+key, "--checkpoint-dir", logs,
		"--threshold", "0", "--part-size", "1MiB", "--concurrency", "1", "--attempts", "1", "-q")
}

func TestPending(t *testing.T) {
	server := serve(t, &fakeoss.Options{Buckets: []string{"another-bucket"}})
	dir := t.TempDir()
	file, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "logs")
	write(t, file, 6<<20)
	interrupted(t, server, checkpoints, file, "a")
	interrupted(t, server, filepath.Join(dir, "elsewhere"), file, "b")

	flags := []string{"--checkpoint-dir", checkpoints}
	for _, test := range []struct {
		url  string
		want []string
	}{
		{"oss://" + testBucket, []string{"a", "b"}},
		{"oss://" + testBucket + "/a", []string{"a"}},
		{"oss://" + testBucket + "/c", nil},
		{"oss://another-bucket", nil},
		{"", []string{"a", "b"}},
	} {
		t.Run(test.url, func(t *testing.T) {
			args := append([]string{"pending", "--json"}, flags...)
			if test.url != "" {
				args = append(args, test.url)
			}
			var got []string
			for line := range strings.Lines(must(t, server.env(), args...)) {
				p := decode[pendingResult](t, line)
				got = append(got, p.Key)
				want := pendingResult{Bucket: testBucket, Key: p.Key}
				if p.Key == "a" {
					want.Size, want.Stored, want.Parts, want.Source, want.Checkpoint = 6<<20, 3<<20, 3, file, true
				}
				if diff := cmp.Diff(want, p, cmpopts.IgnoreFields(pendingResult{}, "UploadID", "Begun", "Holder", "Driven")); diff != "" {
					t.Errorf("upload (-want +got):\n%s", diff)
				}
				if p.UploadID == "" || p.Begun.IsZero() || p.Checkpoint != (p.Holder != "") {
					t.Errorf("no ID, no time, or a holder where there can be none: %+v", p)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("table", func(t *testing.T) {
		got := must(t, server.env(), append([]string{"pending"}, flags...)...)
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], "URL ") || !strings.Contains(lines[1], " 6.0 MiB  50%     3 ") ||
			!strings.HasPrefix(lines[1], "oss://tide-bucket/a ") || !strings.HasSuffix(lines[2], "only on the store") {
			t.Errorf("table:\n%s", got)
		}
	})
}

// An upload that was aborted elsewhere is still in the checkpoint, and says so.
func TestPendingMissing(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	dir := t.TempDir()
	file, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "logs")
	write(t, file, 6<<20)
	interrupted(t, server, checkpoints, file, "a")
	list := []string{"pending", "oss://" + testBucket, "--checkpoint-dir", checkpoints}
	must(t, server.env(), "abort", "oss://"+testBucket+"/a", "--checkpoint-dir", t.TempDir())
	if !decode[pendingResult](t, must(t, server.env(), append(list, "--json")...)).Missing {
		t.Error("an upload that the service does not list is not marked so")
	}
	if got := must(t, server.env(), list...); !strings.Contains(got, "missing on the store\n") {
		t.Errorf("table:\n%s", got)
	}
}

// A file that was moved goes on under the name that its source was given.
func TestPutSourceID(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	dir := t.TempDir()
	file, moved, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "moved"), filepath.Join(dir, "logs")
	content := write(t, file, 6<<20)
	args := []string{"oss://" + testBucket + "/k", "--checkpoint-dir", checkpoints, "--threshold", "0", "--part-size", "1MiB",
		"--concurrency", "1", "--attempts", "1", "-q", "--json", "--source-id", "the source"}
	if err := server.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 4}); err != nil {
		t.Fatal(err)
	}
	fails(t, exitTrouble, "3.0 MiB of 6.0 MiB are stored", server.env(), append([]string{"put", file}, args...)...)
	if err := os.Rename(file, moved); err != nil {
		t.Fatal(err)
	}
	r := decode[putResult](t, must(t, server.env(), append([]string{"put", moved}, args...)...))
	if r.Reused != 3<<20 {
		t.Errorf("reused %d bytes, want 3 MiB", r.Reused)
	}
	wantObject(t, server.env(), "k", content)
}

// A request that fails is tried as often as the flags say.
func TestPutRetries(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, 100)
	args := []string{"put", file, "oss://" + testBucket + "/k", "--checkpoint-dir", t.TempDir(), "--retry-delay", "1ms", "--max-retry-delay", "2ms", "-q"}
	refuse := func(times int) {
		for n := range times {
			if err := server.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "PutObject", Nth: n + 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse(2)
	fails(t, exitTrouble, "ServiceUnavailable.*run the same command to go on", server.env(), append(args, "--attempts", "2")...)
	refuse(2)
	if r := decode[putResult](t, must(t, server.env(), append(args, "--attempts", "3", "--json")...)); r.Retries != 2 {
		t.Errorf("%d retries, want 2", r.Retries)
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, 6<<20)
	for _, test := range []struct {
		name    string
		args    []string
		code    int
		aborted []string // keys
		left    []string
	}{
		{"key", []string{"oss://" + testBucket + "/a"}, 0, []string{"a"}, []string{"ab", "d/c", "elsewhere"}},
		{"key without checkpoint", []string{"oss://" + testBucket + "/elsewhere"}, 0, []string{"elsewhere"}, []string{"a", "ab", "d/c"}},
		{"key that is young", []string{"oss://" + testBucket + "/a", "--older-than", "1h"}, 0, nil, []string{"a", "ab", "d/c", "elsewhere"}},
		{"all", []string{"oss://" + testBucket, "--older-than", "0s"}, 0, []string{"a", "ab", "d/c", "elsewhere"}, nil},
		{"directory", []string{"oss://" + testBucket + "/d/", "--older-than", "0s"}, 0, []string{"d/c"}, []string{"a", "ab", "elsewhere"}},
		{"all without age", []string{"oss://" + testBucket + "/"}, exitUsage, nil, []string{"a", "ab", "d/c", "elsewhere"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, &fakeoss.Options{})
			checkpoints := t.TempDir()
			for _, key := range []string{"a", "ab", "d/c"} {
				interrupted(t, server, checkpoints, file, key)
			}
			interrupted(t, server, t.TempDir(), file, "elsewhere")
			args := append([]string{"abort", "--checkpoint-dir", checkpoints}, test.args...)
			if test.code != 0 {
				fails(t, test.code, "give --older-than", server.env(), args...)
			} else if out := must(t, server.env(), args...); strings.Count(out, "aborted oss://") != len(test.aborted) {
				t.Errorf("stdout does not name %q:\n%s", test.aborted, out)
			}
			var left []string
			for line := range strings.Lines(must(t, server.env(), "pending", "--json", "--checkpoint-dir", checkpoints, "oss://"+testBucket)) {
				left = append(left, decode[pendingResult](t, line).Key)
			}
			if diff := cmp.Diff(test.left, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// An upload that a process works on is left alone.
func TestAbortInUse(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file, checkpoints := filepath.Join(t.TempDir(), "file"), t.TempDir()
	content := write(t, file, 6<<20)
	arrived, release := server.hold("partNumber", 2)
	defer release()
	putting := start(t, server.env(), "put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", checkpoints, "--threshold", "0",
		"--part-size", "1MiB", "--concurrency", "1")
	await(t, "part 2", arrived)
	fails(t, exitInUse, fmt.Sprintf("in use by process %d on ", putting.Process.Pid), server.env(),
		"abort", "oss://"+testBucket+"/k", "--checkpoint-dir", checkpoints)
	release()
	if code := putting.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &putting.err)
	}
	wantObject(t, server.env(), "k", content)
}

// fakeProcess starts tidemark fake and returns the environment that it prints.
func fakeProcess(t *testing.T, env []string, args ...string) (process *command, printed []string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c := startWith(t, w, env, append([]string{"fake", "--addr", "127.0.0.1:0"}, args...)...)
	lines := bufio.NewScanner(r)
	wanted := 4
	if env != nil {
		wanted = 2
	}
	for len(printed) < wanted && lines.Scan() {
		line, ok := strings.CutPrefix(lines.Text(), "export ")
		if !ok {
			t.Fatalf("fake printed %q", lines.Text())
		}
		printed = append(printed, line)
	}
	if len(printed) < wanted {
		c.wait(t)
		t.Fatalf("fake ended: %s", &c.err)
	}
	return c, append(printed, env...)
}

func TestFake(t *testing.T) {
	dir := t.TempDir()
	file, checkpoints, journal := filepath.Join(dir, "file"), filepath.Join(dir, "logs"), filepath.Join(dir, "journal")
	content := write(t, file, 6<<20)
	flags := []string{"--dir", filepath.Join(dir, "state"), "--bucket", testBucket, "--journal", journal}

	fake, env := fakeProcess(t, nil, flags...)
	must(t, env, "put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", checkpoints, "--threshold", "0", "--part-size", "1MiB")
	wantObject(t, env, "k", content)
	fails(t, exitInUse, "in use.*stop that process, or choose another directory", nil, "put", file, "oss://"+testBucket+"/k",
		"--checkpoint-dir", checkpoints, "--fake", filepath.Join(dir, "state"))
	stop(t, fake)

	// Another one with the same credentials has what this one had, and appends to the journal.
	var credentials []string
	for _, e := range env {
		if strings.HasPrefix(e, "OSS_ACCESS_KEY_") {
			credentials = append(credentials, e)
		}
	}
	again, env := fakeProcess(t, credentials, flags...)
	wantObject(t, env, "k", content)
	stop(t, again)

	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range bytes.Lines(text) {
		counts[decode[fakeoss.Entry](t, string(line)).Operation]++
	}
	for operation, want := range map[string]int{"InitiateMultipartUpload": 1, "UploadPart": 6, "CompleteMultipartUpload": 1, "GetObject": 2} {
		if counts[operation] != want {
			t.Errorf("the journal has %d %s, want %d", counts[operation], operation, want)
		}
	}
}

// stop ends a fake server as Ctrl-C does, where there is such a signal.
func stop(t *testing.T, c *command) {
	t.Helper()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		c.wait(t)
		return
	}
	if code := c.wait(t); code != exitDone || c.err.String() != "" {
		t.Errorf("exit code %d: %s", code, &c.err)
	}
}

func TestHelp(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--help"}, []string{"put ", "pending ", "abort ", "fake ", "OSS_ACCESS_KEY_SECRET", " 9 the object exists"}},
		{[]string{"put", "--help"}, []string{"--part-size=SIZE", "--if-absent", "--location=NAME", "stdout stays empty", "public-read-write", "choose a smaller --part-size"}},
		{[]string{"pending", "--help"}, []string{"--json", "--location=NAME"}},
		{[]string{"abort", "--help"}, []string{"--older-than=AGE", "--location=NAME"}},
		{[]string{"fake", "--help"}, []string{"--journal=FILE", "--location"}},
		{[]string{"--version"}, []string{"tidemark "}},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			got := strings.Join(strings.Fields(must(t, nil, test.args...)), " ") // however the lines are wrapped
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("stdout lacks %q:\n%s", want, got)
				}
			}
		})
	}
	for _, args := range [][]string{nil, {"copy"}, {"put"}, {"put", "--no-such-flag"}, {"put", "f", "oss://abc/k", "--fake", "d", "--region", "r"}} {
		fails(t, exitUsage, "; see tidemark.* --help$", nil, args...)
	}
}
