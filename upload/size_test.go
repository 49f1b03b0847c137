package upload_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// TestCheckpointSize: the checkpoint of 10,000 parts grows by at most 300 bytes a part, as much for the last as for the first.
func TestCheckpointSize(t *testing.T) {
	const parts, size = 10000, 1000
	src := upload.NewSource(bytes.NewReader(make([]byte, parts*size)), parts*size, "/home/someone/a file with a name of common length.iso",
		"size=1234567890 mtime=1790000000123456789 ctime=1790000000123456789 dev=65024 inode=12345678")
	dir := t.TempDir()
	logs, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &longNames{tap: &tap{inner: newStore(), before: stopAt("Complete", 0)}}
	opts := options()
	opts.Concurrency = 4
	if _, err := upload.New(b, logs, opts).Upload(t.Context(), key, src, &upload.Request{PartSize: size}); err == nil {
		t.Fatal("want a failure, so that the checkpoint stays")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && len(b) > len(text) {
			text = b
		}
	}
	var lines [][]byte
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(`"kind":"part"`)) {
			lines = append(lines, line)
		}
	}
	// In the order of the parts: which of the first four is recorded first is chance.
	slices.SortStableFunc(lines, func(a, b []byte) int { return cmp.Compare(partNumber(t, a), partNumber(t, b)) })
	if len(lines) != parts {
		t.Fatalf("%d lines of parts", len(lines))
	}
	longest := 0
	for _, line := range lines {
		longest = max(longest, len(line))
	}
	t.Logf("%d bytes in all, %.1f a part; the first has %d, the second %d, the longest %d",
		len(text), float64(len(text))/parts, len(lines[0]), len(lines[1]), longest)
	const digits = 12 // more than here in the offset and size of a part of 5 GB in an object of 48 TB
	if longest+digits > 300 {
		t.Errorf("a part takes %d bytes:\n%s", longest+digits, lines[parts-1])
	}
	// One of the first two at least has an offset, whichever of the parts under way was the first to be stored.
	if grown := longest - max(len(lines[0]), len(lines[1])); grown > 4+3 {
		t.Errorf("the last parts take %d bytes more than the second, beyond the digits of number and offset:\n%s%s", grown, lines[1], lines[parts-1])
	}
}

func partNumber(t *testing.T, line []byte) int {
	t.Helper()
	_, rest, _ := bytes.Cut(line, []byte(`"number":`))
	digits, _, _ := bytes.Cut(rest, []byte(","))
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		t.Fatalf("no number in %s", line)
	}
	return n
}

// longNames makes sure that upload IDs and ETags are as long as those of OSS.
type longNames struct{ *tap }

func (l *longNames) UploadPart(ctx context.Context, u backend.Upload, n int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if len(u.ID) != 32 {
		return backend.Part{}, fmt.Errorf("the ID %s is not as long as one of OSS", u.ID)
	}
	return l.tap.UploadPart(ctx, u, n, body, size)
}
