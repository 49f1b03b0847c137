package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// maxJump is how many positions may be missing between two lines that a repair keeps, wherever in the log; more where the log has
// room for them, see reach. A damaged line passes by chance if its wrong checksum happens to lead to a position in reach: with some
// thousand in reach of 2^32, one in a million does, and it would have to be JSON as well.
const maxJump = 4096

// minLine is the shortest line of a record.
const minLine = 1 + lineOverhead

// scan is what the bytes of a log hold.
type scan struct {
	records [][]byte
	end     int64  // offset after the last whole line: where the next record goes. Only if there is no damage
	damage  string // what is wrong, for a person. Empty: nothing, or a torn last line, which a crash leaves and an append cuts off
}

// decode reads a log of id. Its memory is bounded by the records that it returns and two lines, whatever the input is. The error
// is ErrVersion or the reader's.
func decode(r io.Reader, id string) (scan, error) {
	d := decoder{
		// Room for two lines: one whose newline was damaged is followed by a whole one.
		r:      bufio.NewReaderSize(r, 2*maxLine),
		seal:   newSeal(id),
		header: header(id),
	}
	if err := d.run(); err != nil {
		return scan{}, err
	}
	return d.result(), nil
}

// found is a record and its position.
type found struct {
	at  int
	rec []byte
}

type decoder struct {
	r      *bufio.Reader
	seal   seal
	header []byte // that the log should have

	found  []found        // the records, each at a higher position than the one before
	late   map[int][]byte // those that came after one of a higher position, as only damage makes them
	next   int            // the position after the highest
	start  int64          // offset of the line that is looked at
	end    int64
	damage string
}

func (d *decoder) run() error {
	for number := 1; ; number++ {
		line, err := d.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			d.damaged(number, "it is too long")
			switch err := d.skipLine(); err {
			case nil:
				continue
			case io.EOF:
				return nil
			default:
				return err
			}
		}
		if err != nil && err != io.EOF {
			return err
		}
		whole := err == nil
		switch {
		case len(line) == 0: // the end, after a newline
		case number == 1 && bytes.Equal(line, d.header), number > 1 && whole && d.isNext(line):
			d.end += int64(len(line))
		default:
			if number == 1 && whole {
				if version, ok := headerVersion(line[:len(line)-1]); ok && version > formatVersion {
					return fmt.Errorf("%w: the log has format %d, this program knows %d", ErrVersion, version, formatVersion)
				}
			}
			d.badLine(number, line, whole)
		}
		if !whole {
			return nil
		}
		d.start += int64(len(line))
	}
}

// isNext takes a line, with its newline, if it is the next record, as every line of a sound log is.
func (d *decoder) isNext(line []byte) bool {
	rec, sum, ok := splitSum(line[:len(line)-1])
	if !ok || sum != d.seal.sum(d.next, rec) || checkRecord(rec) != nil {
		return false
	}
	d.take(d.next, rec)
	return true
}

// take keeps a record, and of several at one position the first.
func (d *decoder) take(at int, rec []byte) {
	if at >= d.next {
		d.found = append(d.found, found{at, bytes.Clone(rec)})
		d.next = at + 1
		return
	}
	if _, ok := slices.BinarySearchFunc(d.found, at, func(f found, at int) int { return cmp.Compare(f.at, at) }); ok || d.late[at] != nil {
		return
	}
	if d.late == nil {
		d.late = make(map[int][]byte)
	}
	d.late[at] = bytes.Clone(rec)
}

// reach is the position that no record can have that begins at offset: not even if all lines before it were the shortest, or if so
// many lines had left the file altogether.
func (d *decoder) reach(offset int64) int64 { return max(int64(d.next)+maxJump, offset/minLine) }

// badLine deals with a line that is not what should be there: it is the torn end of the log, or damage out of which the whole
// records are taken. A process that dies in an append leaves a beginning of what it wrote, which has no newline: a last line
// that has one was written whole, and changed since.
func (d *decoder) badLine(number int, line []byte, whole bool) {
	// The first line is torn only where it is the beginning of a header. A file that begins with anything else is not ours.
	torn := !whole && (number > 1 || bytes.HasPrefix(d.header, line))
	if d.salvage(line) || !torn {
		d.damaged(number, "it is not what was written")
	}
}

// salvage takes every whole record out of a line, wherever in the log it belongs, and reports whether there was one. A record
// ends in a space, a checksum and one more byte, which was a newline, perhaps. It begins where the line does, or after the end of
// another record or of something that looks like one, such as a damaged record or the header.
func (d *decoder) salvage(line []byte) bool {
	salvaged := false
	starts := [2]int{} // of the line, or after what was taken last; after what looked like an end last
	sums := [2]uint32{uint32(d.seal), uint32(d.seal)}
	done := 0 // sums cover the line up to here, so that the whole is linear in the line's length
	for i := 0; i+lineOverhead <= len(line); i++ {
		sum, ok := parseSum(line[i : i+1+sumSize])
		if !ok {
			continue
		}
		after := i + lineOverhead
		for k := range starts {
			if starts[k] > i {
				continue
			}
			sums[k] = crc32.Update(sums[k], castagnoli, line[max(done, starts[k]):i])
			rec := line[starts[k]:i]
			if at := place(sums[k], sum); int64(at) < d.reach(d.start+int64(starts[k])) && checkRecord(rec) == nil {
				d.take(int(at), rec)
				salvaged = true
				starts[0], sums[0] = after, uint32(d.seal)
				break
			}
		}
		starts[1], sums[1] = after, uint32(d.seal)
		done = i
	}
	return salvaged
}

func (d *decoder) damaged(number int, what string) {
	if d.damage == "" {
		d.damage = fmt.Sprintf("line %d: %s", number, what)
	}
}

// skipLine reads to the end of a line, of which the buffer was full, without keeping it. At the end of the input it returns io.EOF.
func (d *decoder) skipLine() error {
	d.start += int64(d.r.Size())
	for {
		line, err := d.r.ReadSlice('\n')
		d.start += int64(len(line))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// result puts what was found in order.
func (d *decoder) result() scan {
	for at, rec := range d.late {
		d.found = append(d.found, found{at, rec})
	}
	if d.late != nil {
		slices.SortFunc(d.found, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	}
	s := scan{end: d.end, damage: d.damage, records: slices.Grow([][]byte(nil), len(d.found))}
	for _, f := range d.found {
		s.records = append(s.records, f.rec)
	}
	return s
}
