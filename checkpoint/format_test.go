package checkpoint

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormat pins the bytes of format 1. If it fails, logs of the last release are no longer read.
func TestFormat(t *testing.T) {
	f := newFile(t, "")
	id := "oss://bucket/key from \xff"
	for at, rec := range []string{`{"kind":"intent"}`, `{"kind":"upload","id":"A1B2"}`, `{"kind":"upload","id":"A1B2"}`} {
		if err := f.Append(t.Context(), id, at, []byte(rec)); err != nil {
			t.Fatal(err)
		}
	}
	want := `tidemark-checkpoint 1 "oss://bucket/key from \xff" 1745c0b9
{"kind":"intent"} 4404c3d0
{"kind":"upload","id":"A1B2"} 2c4dd8ff
{"kind":"upload","id":"A1B2"} 8e14522c
`
	if diff := cmp.Diff(want, string(readLog(t, f, id))); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestPlace holds the property on which a repair rests: the position can be had back from a checksum, and not from one in which a
// digit was changed.
func TestPlace(t *testing.T) {
	const c = 0x12345678
	for at := range uint32(20_000) {
		sum := c ^ at*spread
		if got := place(c, sum); got != at {
			t.Fatalf("place = %d, want %d", got, at)
		}
		for digit := range 8 {
			for flip := uint32(1); flip < 16; flip++ {
				if got := place(c, sum^flip<<(4*digit)); got < at+maxJump {
					t.Fatalf("position %d with digit %d changed by %x is taken for position %d", at, digit, flip, got)
				}
			}
		}
	}
}

// TestDamagedByte puts every wrong byte at every place of a log. Whatever it is, every record on another line is found, nothing
// that was not recorded is, and no log looks as if a newer version had written it.
func TestDamagedByte(t *testing.T) {
	want := records(4)
	sound := logBytes("id", want)
	for offset := range sound {
		line := bytes.Count(sound[:offset], []byte("\n")) - 1 // -1 is the header
		for b := range 256 {
			if byte(b) == sound[offset] {
				continue
			}
			bad := bytes.Clone(sound)
			bad[offset] = byte(b)
			s, err := decode(bytes.NewReader(bad), "id")
			if err != nil {
				t.Fatalf("byte %d is %#x: %v", offset, b, err)
			}
			others := slices.Clone(text(want))
			if line >= 0 {
				others = slices.Delete(others, line, line+1)
			}
			got := text(s.records)
			if !cmp.Equal(got, others) && !cmp.Equal(got, text(want)) {
				t.Fatalf("byte %d is %#x (-want +got):\n%s", offset, b, cmp.Diff(others, got))
			}
			if s.damage == "" && offset < len(sound)-1 { // without its newline the last line is torn
				t.Fatalf("byte %d is %#x: not seen as damage", offset, b)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	const id = "id"
	recs := records(5)
	lines := bytes.SplitAfter(logBytes(id, recs), []byte("\n"))[:6] // the header and five records
	log := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	newer := func(version string) []byte {
		text := []byte(formatMagic + version + ` "id" and more`)
		return appendSum(text, crc32.Checksum(text, castagnoli))
	}
	long := bytes.Repeat([]byte("x"), 5*maxLine)
	tests := map[string]struct {
		log     []byte
		want    []int // the records
		damaged bool
		err     error
	}{
		"nothing":                   {},
		"sound":                     {log: log(lines...), want: []int{0, 1, 2, 3, 4}},
		"header only":               {log: lines[0]},
		"torn header":               {log: lines[0][:9]},
		"header without newline":    {log: lines[0][:len(lines[0])-1]},
		"torn after a header":       {log: log(lines[0], lines[1][:9])},
		"torn with garbage":         {log: log(lines[0], lines[1], []byte("\x00\x00\x00")), want: []int{0}},
		"torn in the checksum":      {log: log(lines[0], lines[1], []byte("{} 00000000")), want: []int{0}},
		"last line wrong":           {log: log(lines[0], lines[1], []byte("{} 00000000\n")), want: []int{0}, damaged: true},
		"zeros at the end":          {log: log(lines[0], lines[1], make([]byte, 4096)), want: []int{0}}, // as a power cut may leave
		"zeros at a line's end":     {log: log(lines[0], lines[1], lines[2][:20], make([]byte, 4096)), want: []int{0}},
		"a line lost":               {log: log(lines[0], lines[1], lines[3]), want: []int{0, 2}, damaged: true},
		"many lines lost":           {log: log(lines[0], newSeal(id).appendRecord(nil, maxJump-1, recs[1])), want: []int{1}, damaged: true},
		"a line twice":              {log: log(lines[0], lines[1], lines[1], lines[2]), want: []int{0, 1}, damaged: true},
		"the last line twice":       {log: log(lines[0], lines[1], lines[2], lines[2]), want: []int{0, 1}, damaged: true},
		"lines swapped":             {log: log(lines[0], lines[2], lines[1], lines[3]), want: []int{0, 1, 2}, damaged: true},
		"two at one place, late":    {log: log(lines[0], lines[3], lines[1], newSeal(id).appendRecord(nil, 0, recs[4])), want: []int{0, 2}, damaged: true},
		"header lost":               {log: log(lines[1], lines[2]), want: []int{0, 1}, damaged: true},
		"header and all but one":    {log: lines[2], want: []int{1}, damaged: true},
		"header of another ID":      {log: log(header("other"), lines[1], lines[2]), want: []int{0, 1}, damaged: true},
		"log of another ID":         {log: logBytes("other", recs), damaged: true},
		"an empty line":             {log: log(lines[0], lines[1], []byte("\n"), lines[2]), want: []int{0, 1}, damaged: true},
		"appended to a torn line":   {log: log(lines[0], lines[1][:20], lines[2], lines[3]), want: []int{2}, damaged: true},
		"Windows line ends":         {log: bytes.ReplaceAll(log(lines...), []byte("\n"), []byte("\r\n")), want: []int{0, 1, 2, 3, 4}, damaged: true},
		"all newlines lost":         {log: bytes.ReplaceAll(log(lines...), []byte("\n"), []byte(" ")), want: []int{0, 1, 2, 3, 4}, damaged: true},
		"garbage":                   {log: []byte("garbage"), damaged: true},
		"zeros":                     {log: make([]byte, 4096), damaged: true},
		"zeros in the middle":       {log: log(lines[0], lines[1], make([]byte, 4096), []byte("\n"), lines[3]), want: []int{0, 2}, damaged: true},
		"a long line":               {log: log(lines[0], lines[1], long, []byte("\n"), lines[3]), want: []int{0, 2}, damaged: true},
		"a long tail":               {log: log(lines[0], lines[1], long), want: []int{0}, damaged: true},
		"newer":                     {log: log(newer("2"), lines[1]), err: ErrVersion},
		"much newer":                {log: log(newer("17"), []byte("anything\n")), err: ErrVersion},
		"version 0":                 {log: log(newer("0"), lines[1]), want: []int{0}, damaged: true},
		"newer, damaged":            {log: log(bytes.Replace(newer("2"), []byte("2"), []byte("3"), 1), lines[1]), want: []int{0}, damaged: true},
		"sound checksum, not JSON":  {log: log(lines[0], newSeal(id).appendRecord(nil, 0, []byte("{")), lines[2]), want: []int{1}, damaged: true},
		"checksum in upper case":    {log: log(lines[0], upperSum(lines[1]), lines[2]), want: []int{1}, damaged: true},
		"a checksum and no record":  {log: log(lines[0], newSeal(id).appendRecord(nil, 0, nil), lines[2]), want: []int{1}, damaged: true},
		"short lines between them":  {log: log(lines[0], []byte("a\n"), lines[2]), want: []int{1}, damaged: true},
		"damaged line, newline too": {log: log(lines[0], []byte("{} 00000000X"), lines[2], lines[3]), want: []int{1, 2}, damaged: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := decode(bytes.NewReader(test.log), id)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if (s.damage != "") != test.damaged {
				t.Errorf("damage %q, want damaged %t", s.damage, test.damaged)
			}
			var want [][]byte
			for _, at := range test.want {
				want = append(want, recs[at])
			}
			if diff := cmp.Diff(text(want), text(s.records)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSalvageLookalike: a record is not cut where its text looks like the end of a line.
func TestSalvageLookalike(t *testing.T) {
	recs := [][]byte{[]byte(`"a 00000000 b deadbeef c"`), []byte(`{"x": 12345678 }`)}
	log := bytes.ReplaceAll(logBytes("id", recs), []byte("\n"), []byte("\r\n"))
	s, err := decode(bytes.NewReader(log), "id")
	if err != nil || s.damage == "" {
		t.Fatalf("damage %q, %v", s.damage, err)
	}
	if diff := cmp.Diff(text(recs), text(s.records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestGap: a repair keeps every whole record after a gap, however long it is.
func TestGap(t *testing.T) {
	const before, after = 3, 100_000
	recs := records(after + 3)
	log := logBytes("id", recs)
	from, to := bytes.Index(log, recs[before]), bytes.Index(log, recs[after])
	want := text(slices.Concat(recs[:before], recs[after:]))
	for name, newline := range map[string]int{"a hole": to - 1, "a hole that lines follow": (from + to) / 2, "short lines": from + 100} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(log)
			clear(bad[from:to])
			for i := newline; i < to; i += 100 {
				bad[i] = '\n'
			}
			bad[to-1] = '\n'
			s, err := decode(bytes.NewReader(bad), "id")
			if err != nil || s.damage == "" {
				t.Fatalf("damage %q, %v", s.damage, err)
			}
			if diff := cmp.Diff(want, text(s.records)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func upperSum(line []byte) []byte {
	at := len(line) - lineOverhead
	return append(bytes.Clone(line[:at]), bytes.ToUpper(line[at:])...)
}

// TestDecodeReadError: a disk that fails in mid-read is neither the end of the log nor damage.
func TestDecodeReadError(t *testing.T) {
	broken := errors.New("broken disk")
	log := logBytes("id", records(3))
	for cut := range log {
		_, err := decode(io.MultiReader(bytes.NewReader(log[:cut]), errorReader{broken}), "id")
		if !errors.Is(err, broken) {
			t.Fatalf("after %d bytes: %v, want the disk's error", cut, err)
		}
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// TestDecodeMemory: garbage is not kept, however much of it there is, and of any shape.
func TestDecodeMemory(t *testing.T) {
	const size, limit = 16 << 20, 1 << 20
	for name, unit := range map[string]string{
		"no newline": "x", "newlines": "\n", "lines": "garbage\n", "checksums": " 00000000", "records": "{} 00000000\n", "pairs": `{} 00000000"`,
	} {
		t.Run(name, func(t *testing.T) {
			garbage := &measuredGarbage{unit: strings.Repeat(unit, 4096)}
			before := liveHeap()
			s, err := decode(io.LimitReader(garbage, size), "id")
			if err != nil || s.damage == "" || len(s.records) != 0 {
				t.Fatalf("decode = %d records, damage %q, %v", len(s.records), s.damage, err)
			}
			if garbage.peak == 0 || garbage.peak > before+limit {
				t.Errorf("%d bytes were in use, %d before", garbage.peak, before)
			}
		})
	}
}

// TestDecodeMemoryOfDoubles: of a line that is there again and again one is kept.
func TestDecodeMemoryOfDoubles(t *testing.T) {
	const size, limit = 16 << 20, 1 << 20
	line := newSeal("id").appendRecord(nil, 0, record(0))
	for name, unit := range map[string]string{"lines": string(line), "without newlines": string(line[:len(line)-1]) + "\r"} {
		t.Run(name, func(t *testing.T) {
			doubles := &measuredGarbage{unit: strings.Repeat(unit, 1000) + "\n"}
			before := liveHeap()
			s, err := decode(io.LimitReader(doubles, size), "id")
			if err != nil || s.damage == "" || len(s.records) != 1 {
				t.Fatalf("decode = %d records, damage %q, %v", len(s.records), s.damage, err)
			}
			if doubles.peak == 0 || doubles.peak > before+limit {
				t.Errorf("%d bytes were in use, %d before", doubles.peak, before)
			}
		})
	}
}

// measuredGarbage reads as unit again and again, and measures now and then what is in use.
type measuredGarbage struct {
	unit string
	read int
	peak uint64
}

func (g *measuredGarbage) Read(p []byte) (int, error) {
	n := copy(p, g.unit[g.read%len(g.unit):])
	if before := g.read; before>>22 != (before+n)>>22 {
		g.peak = max(g.peak, liveHeap())
	}
	g.read += n
	return n, nil
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// FuzzDecode: whatever is in a log, it can be read without harm, what was read can be written again, and an append after it is read
// as well.
func FuzzDecode(f *testing.F) {
	sound := logBytes("id", records(3))
	f.Add(sound)
	f.Add(sound[:len(sound)-5])
	f.Add(sound[30:])
	f.Add(bytes.ReplaceAll(sound, []byte("\n"), []byte("\r\n")))
	f.Add(logBytes("other", records(1)))
	f.Add([]byte(formatMagic + "2 \"id\" 00000000\n"))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, log []byte) {
		s, err := decode(bytes.NewReader(log), "id")
		if err != nil {
			if !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		for at, rec := range s.records {
			if err := checkRecord(rec); err != nil {
				t.Fatalf("record %d: %v", at, err)
			}
			size += len(rec) + lineOverhead
		}
		if size > len(log)+1 {
			t.Fatalf("%d bytes of records from a log of %d", size, len(log))
		}

		again := logBytes("id", s.records)
		if s.damage == "" {
			again = log[:s.end]
			if s.end == 0 {
				again = header("id")
			}
		}
		next := []byte(`"next"`)
		again = newSeal("id").appendRecord(bytes.Clone(again), len(s.records), next)
		s2, err := decode(bytes.NewReader(again), "id")
		if err != nil || s2.damage != "" {
			t.Fatalf("after an append: damage %q, %v", s2.damage, err)
		}
		if diff := cmp.Diff(text(append(s.records, next)), text(s2.records)); diff != "" {
			t.Fatalf("after an append (-want +got):\n%s", diff)
		}
	})
}
