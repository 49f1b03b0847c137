package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func noLog(c *check, s stores) {
	for _, others := range []int{0, 1} { // a store that was never written to, and one that was
		if others > 0 {
			c.fill(s.first, "other", 0, recordsOf("other", 2)...)
		}
		recs, err := s.first.Load(c.ctx, "never")
		if len(recs) != 0 || err != nil {
			c.Errorf("Load of a log that never was returns %d records, %v", len(recs), err)
		}
		for _, at := range []int{0, 1, 3} {
			if err := s.first.Delete(c.ctx, "never", at, record("never", at-1)); err != nil {
				c.Errorf("Delete, at %d, of a log that never was: %v", at, err)
			}
		}
		c.wantIDs(s.first, "after Load and Delete of a log that never was", []string{"other"}[:others]...)
	}
}

func roundTrip(c *check, s stores) {
	want := [][]byte{
		[]byte(`{"a":1}`), []byte(` { "a" : 1 } `), []byte(`{"b":2,"a":1.0,"a":1e0}`), []byte("[1,\t\"zwei\"]"), []byte(`"\u00e9é\n\\"`),
		[]byte(`null`), []byte(`0`), []byte(`{"html":"<a href='x'>&amp;</a>"}`), []byte(`{"text":"{\"a\":1} 00000000"}`), []byte(`{"a":1}`),
		[]byte(`12345678901234567890123456789012345678901234567890`), []byte(`"\ud800"`), []byte(`""`),
	}
	for at, rec := range want {
		if err := s.first.Append(c.ctx, "id", at, rec); err != nil {
			c.Fatalf("Append(%d, %s): %v", at, show(rec), err)
		}
		c.wantLog(s.first, "after Append", "id", want[:at+1])
	}
	c.wantLog(s.first, "loaded again", "id", want)
	c.wantLog(s.open(), "through another handle (if there can be none, the fixture should say OneProcess)", "id", want)
}

func loadedIsTheCallers(c *check, s stores) {
	want := recordsOf("id", 3)
	c.fill(s.first, "id", 0, want...)
	recs := c.load(s.first, "id")
	for i := range recs {
		clear(recs[i][:cap(recs[i])]) // what lies behind a record is the caller's as well: it may append there
	}
	clear(recs)
	c.wantLog(s.first, "after a caller overwrote what Load had returned", "id", want)
	again := c.load(s.first, "id")
	next := record("id", 3)
	if err := s.first.Append(c.ctx, "id", 3, next); err != nil {
		c.Errorf("Append after a caller overwrote what Load had returned: %v", err)
	}
	if diff := difference(again, want); diff != "" {
		c.Errorf("what Load had returned was changed by a later Append: it is now %s", diff)
	}
}

func appendedIsTheCallers(c *check, s stores) {
	want := recordsOf("id", 3)
	for at := range want {
		rec := bytes.Clone(want[at])
		c.fill(s.first, "id", at, rec)
		if !bytes.Equal(rec, want[at]) {
			c.Errorf("Append changed the record that it was given to %s", show(rec))
		}
		copy(rec, "overwritten by the caller")
	}
	c.wantLog(s.first, "after the caller overwrote what Append had been given", "id", want)
}

func wrongPositions(c *check, s stores) {
	other := []byte(`"appended at a wrong position"`)
	for n := range 4 {
		want := recordsOf("id", n)
		if n > 0 {
			c.fill(s.first, "id", n-1, want[n-1])
		}
		for _, h := range []checkpoint.Store{s.first, s.open()} { // one that knows the log, and one that has yet to read it
			for _, at := range []int{n - 1, n + 1, 0, -1, n + 2, n + 1000, -n, -n - 1, math.MaxInt32, math.MaxInt, math.MinInt} {
				if at == n {
					continue
				}
				if err := h.Append(c.ctx, "id", at, other); !errors.Is(err, checkpoint.ErrConflict) {
					c.Errorf("Append at %d to a log of %d records: %v, want ErrConflict", at, n, err)
				}
				c.wantLog(h, "after an Append at a wrong position", "id", want)
			}
			if n == 0 {
				c.wantIDs(h, "after Appends at wrong positions to no log")
			}
		}
	}
}

func wrongDeletes(c *check, s stores) {
	want := [][]byte{record("id", 0), record("id", 1), record("id", 2)}
	c.fill(s.first, "id", 0, want...)
	c.fill(s.first, "same end", 0, want[1:]...)
	last := want[2]
	for _, h := range []checkpoint.Store{s.first, s.open()} {
		for _, wrong := range []struct {
			at   int
			last []byte
		}{
			{0, nil}, {0, last}, {1, want[0]}, {2, want[1]}, {2, last}, {4, last}, {1003, last}, {-1, last}, {math.MaxInt, last}, {math.MinInt, last},
			{3, nil}, {3, want[1]}, {3, last[:len(last)-1]}, {3, append(bytes.Clone(last), ' ')}, {3, bytes.ToUpper(last)},
		} {
			if err := h.Delete(c.ctx, "id", wrong.at, wrong.last); !errors.Is(err, checkpoint.ErrConflict) {
				c.Errorf("Delete(%d, %s) of a log of 3 records that ends in %s: %v, want ErrConflict", wrong.at, show(wrong.last), show(last), err)
			}
			c.wantLog(h, "after a Delete with a wrong count or last record", "id", want)
		}
	}
	if err := s.first.Delete(c.ctx, "id", 3, last); err != nil {
		c.Errorf("Delete with the right count and last record: %v", err)
	}
	c.wantLog(s.first, "after Delete of another log", "same end", want[1:])
}

func deletedIsGone(c *check, s stores) {
	for round := range 3 {
		old, anew := recordsOf("old", 3+round), recordsOf("new", 2)
		c.fill(s.first, "id", 0, old...)
		for again := range 3 { // the answer may be lost
			if err := s.first.Delete(c.ctx, "id", len(old), old[len(old)-1]); err != nil {
				c.Errorf("Delete, call %d: %v", again+1, err)
			}
		}
		c.wantLog(s.first, "after Delete", "id", nil)
		c.wantIDs(s.first, "after Delete")
		if err := s.first.Append(c.ctx, "id", len(old), record("old", len(old))); !errors.Is(err, checkpoint.ErrConflict) {
			c.Errorf("Append at %d after Delete: %v, want ErrConflict", len(old), err)
		}
		c.wantLog(s.first, "after Delete and an Append at the old end", "id", nil)
		for at, rec := range anew {
			if err := s.first.Append(c.ctx, "id", at, rec); err != nil {
				c.Fatalf("Append at %d to begin anew after Delete: %v", at, err)
			}
		}
		c.wantLog(s.first, "written anew after Delete", "id", anew)
		c.must("Delete", s.first.Delete(c.ctx, "id", len(anew), anew[len(anew)-1]))
	}
}

// writtenAnewWithTheSameRecords: as many records and as many bytes, with others in them.
func writtenAnewWithTheSameRecords(c *check, s stores) {
	stale, other := s.first, s.open()
	c.fill(stale, "id", 0, recordsOf("old", 3)...)
	c.rewrite(other, "id", recordsOf("old", 3), recordsOf("new", 3))

	// The fence is the position: that the log is another's is not for Append to know, only that it has as many records.
	want := append(recordsOf("new", 3), record("stale", 3))
	if err := stale.Append(c.ctx, "id", 3, want[3]); err != nil {
		c.Errorf("Append at 3 to a log of 3 records that another handle wrote: %v", err)
	}
	c.wantLog(s.open(), "written anew by one handle and continued by one that knew the old log", "id", want)

	c.rewrite(other, "id", want, recordsOf("old", 4))
	if err := stale.Delete(c.ctx, "id", 4, record("old", 3)); err != nil {
		c.Errorf("Delete with the count and last record that another handle's new log has: %v", err)
	}
}

// writtenAnewWithTheSameBytes: fewer records in as many bytes, so that a file of one line per record has the same size.
func writtenAnewWithTheSameBytes(c *check, s stores) {
	for overhead := range 64 { // of a record, in whatever form the store writes it
		if s.fixture.LogFile == nil && overhead > 0 {
			break // only a size of a file can be mistaken
		}
		stale, other := s.first, s.open()
		id := fmt.Sprintf("log %d", overhead)
		old := [][]byte{[]byte(`"old 0"`), []byte(`"old 1"`), []byte(`"old 2"`), []byte(`"old 3"`)}
		c.fill(stale, id, 0, old...)
		// The new third record takes the place of the old third and fourth.
		anew := [][]byte{[]byte(`"new 0"`), []byte(`"new 1"`), []byte(`"new ` + string(bytes.Repeat([]byte("2"), 3+overhead)) + `"`)}
		c.rewrite(other, id, old, anew)
		if err := stale.Append(c.ctx, id, 4, []byte(`"stale"`)); !errors.Is(err, checkpoint.ErrConflict) {
			c.Errorf("Append at 4, where the old log ended, to a new log of 3 records: %v, want ErrConflict", err)
		}
		if err := stale.Append(c.ctx, id, 3, []byte(`"next"`)); err != nil {
			c.Errorf("Append at 3 to a new log of 3 records: %v", err)
		}
		c.wantLog(s.open(), "written anew by one handle and continued by one that knew the old log", id, append(anew, []byte(`"next"`)))
	}
}

// rewrite deletes a log that has the records old and writes it anew.
func (c *check) rewrite(s checkpoint.Store, id string, old, anew [][]byte) {
	c.must("Delete", s.Delete(c.ctx, id, len(old), old[len(old)-1]))
	c.fill(s, id, 0, anew...)
}
