package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// Where the service is not what the user said it is, each command says what to check.
func TestServiceRemedy(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close() // its port refuses connections
	file, checkpoints := filepath.Join(t.TempDir(), "file"), t.TempDir()
	write(t, file, 100)
	for _, test := range []struct {
		name, env string
		code      int
		want      string
	}{
		{"scheme", "OSS_ENDPOINT=" + strings.Replace(server.url, "http:", "https:", 1), exitTrouble, `check the scheme of OSS_ENDPOINT \(or --endpoint\)`},
		{"refused", "OSS_ENDPOINT=" + gone.URL, exitTrouble, `; (nothing was lost: )?check OSS_ENDPOINT \(or --endpoint\)`},
		{"no such host", "OSS_ENDPOINT=http://no-such-host.invalid", exitTrouble, `; (nothing was lost: )?check OSS_ENDPOINT \(or --endpoint\)`},
		{"region", "OSS_REGION=cn-elsewhere", exitDenied, `; (nothing was lost: )?check OSS_REGION \(or --region\)`},
	} {
		for _, args := range [][]string{
			{"put", file, "oss://" + testBucket + "/k", "--attempts", "1", "-q"},
			{"pending", "oss://" + testBucket}, {"pending"},
			{"abort", "oss://" + testBucket + "/k"},
		} {
			t.Run(test.name+" "+args[0], func(t *testing.T) {
				want := test.want
				if args[0] == "put" {
					want += ", and run the same command to go on$"
				} else {
					want += "$"
				}
				fails(t, test.code, want, append(server.env(), test.env), append(args, "--checkpoint-dir", checkpoints)...)
			})
		}
	}
}

// What goes wrong with the checkpoint is not taken for an error of the source, even where both have one path.
func TestCheckpointDirectory(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, 100)
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		args := []string{"put", file, "oss://" + testBucket + "/k", "--checkpoint-dir", dir, "-q"}
		fails(t, exitCheckpoint, `^tidemark: the checkpoint directory cannot be made: .*; choose another --checkpoint-dir$`, server.env(), args...)
	}
}

// What only asks makes nothing.
func TestQueriesMakeNothing(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	dir := t.TempDir()
	fake, none, file := filepath.Join(dir, "fake"), filepath.Join(dir, "none"), filepath.Join(dir, "file")
	write(t, file, 100)
	must(t, nil, "put", file, "oss://"+testBucket+"/k", "--fake", fake, "--checkpoint-dir", filepath.Join(dir, "logs"), "-q")
	for _, command := range []string{"pending", "abort"} {
		url := "oss://" + testBucket + "/k"
		fails(t, exitUsage, "--fake: .*none: .*; check the path$", nil, command, url, "--fake", none, "--checkpoint-dir", dir)
		fails(t, exitUsage, "--checkpoint-dir: .*none: .*; check the path$", server.env(), command, url, "--checkpoint-dir", none)
		fails(t, exitUsage, "--checkpoint-dir: .*file is not a directory; check the path$", server.env(), command, url, "--checkpoint-dir", file)
		for range 2 { // the first does not make it
			fails(t, exitUsage, "NoSuchBucket", nil, command, "oss://other-bucket/k", "--fake", fake, "--checkpoint-dir", dir)
		}
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was made: %v", none, err)
	}
}

// Under one location, an upload goes on at another address, and is listed and aborted there.
func TestLocation(t *testing.T) {
	server := serve(t, &fakeoss.Options{Buckets: []string{"another-bucket"}})
	moved := httptest.NewServer(server.Handler)
	t.Cleanup(moved.Close)
	dir := t.TempDir()
	file, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "logs")
	content := write(t, file, 6<<20)
	begin := func() {
		t.Helper()
		if err := server.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 4}); err != nil {
			t.Fatal(err)
		}
		fails(t, exitTrouble, "3.0 MiB of 6.0 MiB are stored", server.env(), "put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", checkpoints,
			"--threshold", "0", "--part-size", "1MiB", "--concurrency", "1", "--attempts", "1", "-q", "--location", "here")
	}
	there := append(server.env(), "OSS_ENDPOINT="+moved.URL)
	flags := []string{"--checkpoint-dir", checkpoints, "--location", "here"}

	begin()
	listed := must(t, there, append([]string{"pending", "--json"}, flags...)...)
	if p := decode[pendingResult](t, listed); !p.Checkpoint || p.Missing || p.Bucket != testBucket {
		t.Errorf("at another address the upload is listed as %+v", p)
	}
	r := decode[putResult](t, must(t, there, append([]string{"put", file, "oss://" + testBucket + "/k", "--threshold", "0", "--json", "-q"}, flags...)...))
	if r.Reused != 3<<20 {
		t.Errorf("reused %d bytes, want 3 MiB", r.Reused)
	}
	wantObject(t, server.env(), "k", content)

	begin()
	must(t, there, append([]string{"abort", "oss://" + testBucket + "/k"}, flags...)...)
	if left := logs(t, checkpoints); len(left) > 0 {
		t.Errorf("the abort left checkpoints: %q", left)
	}
}

// A source that was moved away is noted.
func TestPendingSourceGone(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	dir := t.TempDir()
	file, checkpoints := filepath.Join(dir, "file"), filepath.Join(dir, "logs")
	write(t, file, 6<<20)
	interrupted(t, server, checkpoints, file, "a")
	list := []string{"pending", "oss://" + testBucket, "--checkpoint-dir", checkpoints}
	const note = "source is gone; --source-id helps if it was moved"
	if got := must(t, server.env(), list...); strings.Contains(got, note) {
		t.Errorf("the source is there:\n%s", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := must(t, server.env(), list...); !strings.Contains(got, note) {
		t.Errorf("the table lacks %q:\n%s", note, got)
	}
}

// The log tells of a beginning, a resumption, the part size and the end.
func TestVerbose(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file, checkpoints := filepath.Join(t.TempDir(), "file"), t.TempDir()
	write(t, file, 6<<20)
	args := []string{"put", file, "oss://" + testBucket + "/k", "--checkpoint-dir", checkpoints, "--threshold", "0", "--part-size", "1MiB",
		"--concurrency", "1", "--attempts", "1", "-v"}
	if err := server.Inject(fakeoss.Fault{Kind: fakeoss.Refuse, Operation: "UploadPart", Nth: 4}); err != nil {
		t.Fatal(err)
	}
	first, second := start(t, server.env(), args...), (*command)(nil)
	if code := first.wait(t); code != exitTrouble {
		t.Fatalf("exit code %d: %s", code, &first.err)
	}
	second = start(t, server.env(), args...)
	if code := second.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &second.err)
	}
	for _, test := range []struct {
		log  *transcript
		want string
	}{
		{&first.err, `msg=put .*part_size=1048576`}, {&first.err, `msg=begun .*upload=`}, {&first.err, `msg="not done" .*stored=3145728`},
		{&second.err, `msg=resuming .*part_size=1048576`}, {&second.err, `completing and verifying" .*parts=6`},
		{&second.err, `msg="done and verified" resumed=true .*crc64=.*reused=3145728`},
	} {
		if !regexp.MustCompile(test.want).MatchString(test.log.String()) {
			t.Errorf("the log lacks %q:\n%s", test.want, test.log)
		}
	}
}

// What an interruption costs is not glossed over.
func TestExplainKept(t *testing.T) {
	con := &console{args: []string{"tidemark", "put"}}
	for _, test := range []struct {
		name string
		err  error
		res  upload.Result
		last upload.Progress
		want string
	}{
		{"interrupted early", errInterrupted, upload.Result{}, upload.Progress{Total: 4 << 20}, "interrupted; no part was complete yet; go on with: tidemark put"},
		{"interrupted", errInterrupted, upload.Result{}, upload.Progress{Stored: 1 << 20, Total: 4 << 20}, "interrupted; 1.0 MiB of 4.0 MiB are stored and kept; go on with: tidemark put"},
		{"resumed and interrupted", errInterrupted, upload.Result{Resumed: true}, upload.Progress{}, "interrupted; what was stored is kept; go on with: tidemark put"},
		{"away for long", backend.ErrUnreachable, upload.Result{}, upload.Progress{Stored: 1 << 20, Total: 4 << 20, Parts: 4, Waiting: "why", WaitingFor: 2*time.Hour + 300*time.Millisecond},
			"backend: store cannot be reached; given up after 2h0m0s of waiting, which --outage bounds; 1.0 MiB of 4.0 MiB are stored and kept: run the same command to go on"},
		{"never there", backend.ErrUnreachable, upload.Result{}, upload.Progress{Total: 4 << 20, Waiting: "why", WaitingFor: 40 * time.Second},
			"backend: store cannot be reached; given up after 40s of waiting; nothing was lost: check OSS_ENDPOINT (or --endpoint), and run the same command to go on"},
		{"disk", mark(errors.New("full; nothing recorded before was lost")), upload.Result{}, upload.Progress{}, "full; nothing recorded before was lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := new(putCommand).explain(con, test.err, &test.res, test.last).Error(); got != test.want {
				t.Errorf("got %q\nwant %q", got, test.want)
			}
		})
	}
}
