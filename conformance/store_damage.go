package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// flippedByte damages each byte of a log in its file, one at a time.
func flippedByte(c *check, s stores) {
	if !hasLogFile(c, s) {
		return
	}
	masks := []byte{0x01, 0x20, 0x80} // another digit or letter, the other case, no ASCII
	var ids []string
	for n, size := 0, 1; n < size; n++ {
		writer := s.open()
		l := c.died(s, writer, writer, n)
		size = len(l.bytes) - l.from
		i, mask := l.from+n, masks[n%len(masks)]
		if i >= len(l.bytes) {
			break
		}
		damaged := slices.Clone(l.bytes)
		damaged[i] ^= mask
		c.overwrite(l, damaged)
		what := fmt.Sprintf("byte %d of the file, with records that end at %v, is %q and was %q", i, l.ends, damaged[i], l.bytes[i])

		h := s.open()
		got, err := h.Load(c.ctx, l.id)
		switch {
		case err != nil && !errors.Is(err, checkpoint.ErrDamaged):
			c.Errorf("%s: Load: %v, want ErrDamaged", what, err)
			continue
		case !isSubsequence(got, l.records):
			c.Errorf("%s: Load returns %q, which are not records that were appended, in their order", what, got)
			continue
		case err == nil && (len(got) < tornRecords-1 || !isPrefix(got, l.records)):
			c.Errorf("%s: Load returns %d of %d records, %q, and no error, want ErrDamaged", what, len(got), tornRecords, got)
		}
		c.wantLog(h, what+", and it is loaded again", l.id, got)
		next := []byte(`"appended after the repair"`)
		if err := h.Append(c.ctx, l.id, len(got), next); err != nil {
			c.Errorf("%s: Append at %d, to go on with what Load returned: %v", what, len(got), err)
			continue
		}
		ids = append(ids, l.id)
		c.wantLog(s.first, what+", and a record is appended", l.id, append(slices.Clone(got), next))
	}
	c.wantIDs(s.first, "after damaged logs were set aside and continued", ids...)
}

// isSubsequence reports whether got are some of want, in their order.
func isSubsequence(got, want [][]byte) bool {
	for _, rec := range want {
		if len(got) > 0 && bytes.Equal(got[0], rec) {
			got = got[1:]
		}
	}
	return len(got) == 0
}
