package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestKilledTenTimes uploads 512 MiB in parts of 1 MiB with 4 workers under a rate limit to a server of its own process, kills the
// command with SIGKILL at random moments ten times in a row, and lets it finish. The seed is fixed; TIDEMARK_SEED sets another.
func TestKilledTenTimes(t *testing.T) {
	const (
		size, part, workers = 512 << 20, 1 << 20, 4
		kills               = 10
		allowance           = 40 << 20 // ten times the parts in flight
	)
	seed := uint64(20261122)
	if s := os.Getenv("TIDEMARK_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TIDEMARK_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	file := filepath.Join(dir, "big.bin")
	want := writeRandom(t, file, size, rnd)
	journal := filepath.Join(dir, "journal.jsonl")
	env, stop := separateFake(t, dir, journal)
	put := []string{"put", "--checkpoint-dir", filepath.Join(dir, "checkpoints"), "--part-size", "1MiB", "--concurrency", strconv.Itoa(workers),
		"--limit", "200MiB", "--json", file, "oss://" + testBucket + "/big.bin"}

	tail := follower{path: journal}
	for range kills {
		c := start(t, env, put...)
		// The moment is where the server has answered so many more requests; where the command is then is left to chance.
		tail.lines(t, 1+rnd.IntN(2*size/part/(kills+4)))
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if code := c.wait(t); code != -1 {
			t.Fatalf("exit code %d: the command ended before it was killed\n%s", code, &c.err)
		}
	}
	var report struct {
		Sent, Reused int64
		Resumed      bool
		CRC64        string
	}
	if err := json.Unmarshal([]byte(must(t, env, put...)), &report); err != nil {
		t.Fatal(err)
	}

	// Read back with the SDK, which takes its own CRC of what it downloads.
	b := bucket(t, env)
	body, err := b.GetObject("big.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got := sha256.New()
	if n, err := io.Copy(got, body); err != nil || n != size || !bytes.Equal(got.Sum(nil), want) {
		t.Errorf("the object is not the file: %d bytes, %v", n, err)
	}
	left, err := b.ListMultipartUploads()
	if err != nil || len(left.Uploads) > 0 {
		t.Errorf("unfinished uploads: %v, %v", left.Uploads, err)
	}
	stop()

	// A request that was in flight when its process died may be answered, to nobody, after the next process has asked what
	// is there: begun before that ListParts, and ended after it. All others that were acknowledged count.
	entries := readJournal(t, journal)
	slices.SortFunc(entries, func(a, b fakeoss.Entry) int { return cmp.Compare(a.Begun, b.Begun) })
	var total int64
	var parts, again int
	var asked uint64 // when the latest ListParts arrived
	acknowledged, stored := map[string]fakeoss.Entry{}, map[string]bool{}
	for _, e := range entries {
		if e.Operation == "ListParts" {
			asked = e.Begun
		}
		if e.Operation != "UploadPart" {
			continue
		}
		parts++
		total += e.BodyBytes
		id := fmt.Sprint(e.UploadID, " part ", e.PartNumber)
		stored[id] = stored[id] || e.Effect
		first, ok := acknowledged[id]
		if orphan := first.Begun < asked && asked < first.Ended; ok && first.Ended < e.Begun && !orphan {
			again++
			t.Errorf("%s was acknowledged and sent again: %+v", id, e)
		} else if e.Acknowledged && e.Status == http.StatusOK && !ok {
			acknowledged[id] = e
		}
	}
	if len(stored) != size/part {
		t.Errorf("%d parts were received, want %d of one upload", len(stored), size/part)
	}
	t.Logf("killed %d times: %d bytes received of %d, %.2f MiB beyond the file, in %d requests for %d parts; %d acknowledged parts sent again; "+
		"the last run sent %d and reused %d bytes", kills, total, size, float64(total-size)/(1<<20), parts, size/part, again, report.Sent, report.Reused)
	if total > size+allowance {
		t.Errorf("%d bytes were sent, want at most %d", total, size+allowance)
	}
	if !report.Resumed || report.Sent+report.Reused < size {
		t.Errorf("%+v", report)
	}
}

// writeRandom makes a file of random bytes and returns its SHA-256.
func writeRandom(t *testing.T, path string, size int64, rnd *rand.Rand) []byte {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rnd.Uint32())
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8(seed), size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return sum.Sum(nil)
}

// separateFake runs `tidemark fake` as a process and returns what its clients need.
func separateFake(t *testing.T, dir, journal string) (env []string, stop func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := startWith(t, w, nil, "fake", "--addr", "127.0.0.1:0", "--dir", filepath.Join(dir, "oss"), "--bucket", testBucket, "--journal", journal)
	lines := bufio.NewScanner(r)
	for len(env) < 4 && lines.Scan() {
		if variable, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			env = append(env, strings.ReplaceAll(variable, "'", ""))
		}
	}
	if len(env) < 4 {
		t.Fatalf("the fake server said too little: %q, %s", env, &c.err)
	}
	return env, func() {
		t.Helper()
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if code := c.wait(t); code != exitDone && code != exitInterrupted {
			t.Errorf("the fake server ended with %d: %s", code, &c.err)
		}
	}
}

// follower reads what another process appends to a file.
type follower struct {
	path string
	seen int64
}

// lines waits until n more lines are there.
func (f *follower) lines(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%d more lines of %s did not come", n, f.path)
		}
		file, err := os.Open(f.path)
		if err != nil {
			continue // not made yet
		}
		text, err := io.ReadAll(io.NewSectionReader(file, f.seen, 1<<30))
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		f.seen += int64(len(text))
		if n -= bytes.Count(text, []byte("\n")); n <= 0 {
			return
		}
	}
}

func readJournal(t *testing.T, path string) (entries []fakeoss.Entry) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e fakeoss.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		entries = append(entries, e)
	}
	return entries
}
