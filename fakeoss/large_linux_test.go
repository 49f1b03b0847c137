package fakeoss_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// peakMemory is the largest resident memory that a process has had, in bytes.
func peakMemory(t *testing.T, p *os.Process) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmHWM in %s", b)
	}
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

// diskUse is how many bytes the files below a directory have.
func diskUse(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargeUpload: an upload costs neither memory in proportion nor, at Complete, a copy. FAKEOSS_LARGE is its size in MiB
// (default 384, less under the race detector). The parts are above and below the size that stays in memory.
func TestLargeUpload(t *testing.T) {
	size := int64(384 / raceFactor)
	if s := os.Getenv("FAKEOSS_LARGE"); s != "" {
		var err error
		if size, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	size <<= 20
	for _, store := range []string{"memory", "directory"} {
		for _, part := range []int64{max(512<<10, (size+9999)/10000), 32 << 20} {
			t.Run(fmt.Sprintf("%s/%dKiB", store, part>>10), func(t *testing.T) { testLargeUpload(t, store, size, part) })
		}
	}
}

func testLargeUpload(t *testing.T, store string, size, part int64) {
	temp := t.TempDir()
	dir := inMemory
	if store == "directory" {
		dir = t.TempDir()
		temp = dir
	}
	process, url, _ := startProcess(t, dir, "TMPDIR="+temp)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	srv := &fakeoss.TestServer{URL: url, AccessKeyID: childID, AccessKeySecret: childSecret}
	ask := func(method, path string, body io.Reader, length int64) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		signV1(r, childID, childSecret)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("x-oss-object-type") != "" && method == "GET" {
			return resp, ""
		}
		b, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
		}
		return resp, string(b)
	}
	before := peakMemory(t, process)
	resp, doc := ask("POST", "/bucket/k?uploads", nil, 0)
	id := response{resp, doc}.element("UploadId")
	var list strings.Builder
	begun := time.Now()
	for n, left := 1, size; left > 0; n, left = n+1, left-part {
		resp, _ := ask("PUT", fmt.Sprintf("/bucket/k?partNumber=%d&uploadId=%s", n, id), io.LimitReader(zeros{}, min(part, left)), min(part, left))
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, resp.Header.Get("ETag"))
	}
	sent := time.Since(begun)
	document := []byte("<CompleteMultipartUpload>" + list.String() + "</CompleteMultipartUpload>")
	begun = time.Now()
	ask("POST", "/bucket/k?uploadId="+id, bytes.NewReader(document), int64(len(document)))
	completed := time.Since(begun)
	if used := diskUse(t, temp); used > size+size/10+1<<20 {
		t.Errorf("%d bytes on the disk after Complete, for an object of %d", used, size)
	}
	resp, _ = ask("GET", "/bucket/k", nil, 0)
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err := io.Copy(sum, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || n != size || strconv.FormatUint(sum.Sum64(), 10) != resp.Header.Get("x-oss-hash-crc64ecma") {
		t.Errorf("read back %d bytes, CRC %d, %v; want %d and %v", n, sum.Sum64(), err, size, resp.Header)
	}
	peak := peakMemory(t, process)
	t.Logf("%d MiB in parts of %d KiB: sent in %v, completed in %v; resident memory %d MiB, at the beginning %d MiB",
		size>>20, part>>10, sent, completed, peak>>20, before>>20)
	// 64 MiB of bodies in memory, doubled by the garbage collector, and what a Go program needs.
	if limit := int64(220 << 20 * raceFactor); peak > limit {
		t.Errorf("the server had %d bytes of resident memory, want at most %d", peak, limit)
	}
	ask("DELETE", "/bucket/k", nil, 0)
	if used := diskUse(t, temp); used > 1<<20 {
		t.Errorf("%d bytes on the disk after the object was deleted", used)
	}
}
