package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// tornRecords is how many records a log has that is torn or damaged. The last is the one in flight.
const tornRecords = 3

// logFile is a log whose writer died, as bytes in its file.
type logFile struct {
	id      string
	path    string
	records [][]byte
	from    int   // where the log begins: 0 unless other logs are in the same file
	ends    []int // where each record ends, at the latest
	bytes   []byte
}

func (c *check) size(path string) int {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	c.must("look at the log's file", err)
	return int(info.Size())
}

// died makes the log number n through writers that are not used again: all but the last of its records through one, the last through
// another. Logs with other numbers below ten thousand have the same size.
func (c *check) died(s stores, writer, last checkpoint.Store, n int) logFile {
	id := fmt.Sprintf("log %04d", n)
	l := logFile{id: id, path: s.fixture.LogFile(id), records: recordsOf(id, tornRecords)}
	l.from = c.size(l.path)
	for at, rec := range l.records {
		h := writer
		if at == tornRecords-1 {
			h = last
		}
		c.fill(h, id, at, rec)
		l.ends = append(l.ends, c.size(l.path))
	}
	var err error
	l.bytes, err = os.ReadFile(l.path)
	c.must("read the log's file", err)
	return l
}

// overwrite puts other bytes in the log's file.
func (c *check) overwrite(l logFile, bytes []byte) {
	c.must("write the log's file", os.WriteFile(l.path, bytes, 0o600))
}

// wholeBefore is how many records end at or before a byte of the file.
func (l logFile) wholeBefore(cut int) int {
	n := 0
	for n < len(l.ends) && l.ends[n] <= cut {
		n++
	}
	return n
}

// hasLogFile reports whether s can be examined by cutting its files.
func hasLogFile(c *check, s stores) bool {
	switch {
	case s.fixture.LogFile == nil:
		c.t.Log("the fixture has no LogFile")
	case s.fixture.OneProcess:
		c.t.Log("the store has one handle only, and a crash ends it")
	default:
		return true
	}
	return false
}

func cutShort(c *check, s stores) {
	c.tear(s, func(l logFile, cut int) []byte { return l.bytes[:cut] }, "cut short")
}

// cutShortWithZeros: some file systems have the new length of a file after a crash, and not its bytes.
func cutShortWithZeros(c *check, s stores) {
	c.tear(s, func(l logFile, cut int) []byte {
		return append(slices.Clone(l.bytes[:cut]), make([]byte, len(l.bytes)-cut)...)
	}, "zero from there on")
}

func (c *check) tear(s stores, torn func(l logFile, cut int) []byte, how string) {
	if !hasLogFile(c, s) {
		return
	}
	for n, size := 0, 1; n <= size; n++ {
		writer := s.open()
		l := c.died(s, writer, writer, n)
		size = len(l.bytes) - l.from
		cut := min(l.from+n, len(l.bytes))
		c.overwrite(l, torn(l, cut))
		what := fmt.Sprintf("the file of %d bytes, with records that end at %v, is %s at %d", len(l.bytes), l.ends, how, cut)

		h := s.open()
		got, err := h.Load(c.ctx, l.id)
		if err != nil && !errors.Is(err, checkpoint.ErrDamaged) {
			c.Errorf("%s: Load: %v", what, err)
			continue
		}
		if !isPrefix(got, l.records) || len(got) < l.wholeBefore(cut) {
			c.Errorf("%s: Load returns %q, want the first %d records or one more", what, got, l.wholeBefore(cut))
			continue
		}
		c.goesOn(h, s.first, what, l.id, got)
	}
}

// goesOn appends to a log that was repaired, first less than may be left of what was torn, and deletes it.
func (c *check) goesOn(h, other checkpoint.Store, what, id string, got [][]byte) {
	want := slices.Clone(got)
	for _, next := range []string{"7", `"a longer record, appended after the repair"`} {
		if err := h.Append(c.ctx, id, len(want), []byte(next)); err != nil {
			c.Errorf("%s: Append at %d, to go on with what Load returned: %v", what, len(want), err)
			return
		}
		want = append(want, []byte(next))
		c.wantLog(h, what+", and a record is appended", id, want)
	}
	c.wantLog(other, what+", and records are appended, through another handle", id, want)
	if err := h.Delete(c.ctx, id, len(want), want[len(want)-1]); err != nil {
		c.Errorf("%s: Delete of the log that went on: %v", what, err)
	}
}

// otherDied: a process dies while it appends, and another lives on that has the log open, so to speak.
func otherDied(c *check, s stores) {
	if !hasLogFile(c, s) {
		return
	}
	survivor := s.open()
	for n, size := 0, 1; n <= size; n++ {
		l := c.died(s, survivor, s.open(), n)
		from := l.ends[tornRecords-2]
		size = len(l.bytes) - from
		cut := min(from+n, len(l.bytes))
		c.overwrite(l, l.bytes[:cut])
		what := fmt.Sprintf("the last record, in bytes %d to %d of the file, is cut short at %d, which another handle was appending", from, len(l.bytes), cut)

		all := append(slices.Clone(l.records[:tornRecords-1]), []byte(`"appended in its place"`))
		if n%2 == 0 { // without a look at the log: its record may count as whole, or not
			err := survivor.Append(c.ctx, l.id, tornRecords-1, all[tornRecords-1])
			if err == nil {
				c.wantLog(survivor, what+", and a record is appended in its place", l.id, all)
				c.wantLog(s.first, what+", and a record is appended in its place", l.id, all)
				continue
			}
			if !errors.Is(err, checkpoint.ErrConflict) {
				c.Errorf("%s: Append in its place: %v", what, err)
			}
		}
		got, err := survivor.Load(c.ctx, l.id)
		if err != nil && !errors.Is(err, checkpoint.ErrDamaged) {
			c.Errorf("%s: Load: %v", what, err)
			continue
		}
		if !isPrefix(got, l.records) || len(got) < tornRecords-1 {
			c.Errorf("%s: Load returns %q, want the first %d records or one more", what, got, tornRecords-1)
			continue
		}
		c.goesOn(survivor, s.first, what, l.id, got)
	}
}
