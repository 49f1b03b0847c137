package conformance

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// ofSize is a record of n bytes.
func ofSize(n int) []byte {
	if n == 1 {
		return []byte("7")
	}
	rec := bytes.Repeat([]byte("x"), n)
	rec[0], rec[n-1] = '"', '"'
	return rec
}

func recordSizes(c *check, s stores) {
	var want [][]byte
	sizes := []int{1, 2, checkpoint.MaxRecordSize, 3, checkpoint.MaxRecordSize - 1, 4095, 4096, 4097, 65535, 1, checkpoint.MaxRecordSize, checkpoint.MaxRecordSize, 250}
	for at, n := range sizes {
		want = append(want, ofSize(n))
		if err := s.first.Append(c.ctx, "id", at, want[at]); err != nil {
			c.Fatalf("Append of a record of %d bytes: %v", n, err)
		}
	}
	c.wantLog(s.first, "with records of 1 byte to MaxRecordSize", "id", want)
	c.wantLog(s.open(), "with records of 1 byte to MaxRecordSize, through another handle", "id", want)
	if err := s.first.Delete(c.ctx, "id", len(want), want[len(want)-1]); err != nil {
		c.Errorf("Delete of a log with records of MaxRecordSize: %v", err)
	}

	first := ofSize(checkpoint.MaxRecordSize)
	if err := s.first.Append(c.ctx, "large first", 0, first); err != nil {
		c.Fatalf("Append of a first record of %d bytes: %v", len(first), err)
	}
	c.wantLog(s.open(), "with a first record of MaxRecordSize", "large first", [][]byte{first})
	if err := s.first.Delete(c.ctx, "large first", 1, first); err != nil {
		c.Errorf("Delete of a log that ends in a record of MaxRecordSize: %v", err)
	}
}

func invalidRecords(c *check, s stores) {
	for i, rec := range []string{
		"", " ", "\n", "\r", "\x00", "{", "{}{}", "1 2", "no JSON", "{\n}", "1\n", "\n1", "1\r", "1\r\n", "1\n2", "\"a\nb\"", "\"a\x00b\"", "1\x00", "\x001", "'a'", "{a:1}", "[1,]", "\"\xff\"", "\ufeff1", "1 00000000", "\"\u2028\"",
		string(ofSize(checkpoint.MaxRecordSize + 1)), string(ofSize(2*checkpoint.MaxRecordSize + 100)), string(ofSize(checkpoint.MaxRecordSize)) + "\n",
	} {
		id := fmt.Sprintf("log %d", i)
		var want [][]byte
		for _, before := range []int{0, 2} { // as the first record, and later
			if before > 0 {
				c.fill(s.first, id, len(want), recordsOf(id, before)...)
				want = append(want, recordsOf(id, before)...)
			}
			err := s.first.Append(c.ctx, id, len(want), []byte(rec))
			switch {
			case err == nil:
				want = append(want, []byte(rec))
			case !errors.Is(err, checkpoint.ErrInvalid):
				c.Errorf("Append of %s: %v, want nil or ErrInvalid", show([]byte(rec)), err)
			}
			when := fmt.Sprintf("after Append of %s returned %v", show([]byte(rec)), err)
			c.wantLog(s.first, when, id, want)
			c.wantLog(s.open(), when+", through another handle", id, want)
		}
		if err := s.first.Append(c.ctx, id, len(want), record(id, 9)); err != nil {
			c.Errorf("the next Append, after one of %s: %v", show([]byte(rec)), err)
		}
		c.wantLog(s.open(), fmt.Sprintf("continued after Append of %s", show([]byte(rec))), id, append(want, record(id, 9)))
	}
}
