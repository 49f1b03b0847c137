package upload

import (
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/backend"
)

// slot is the place of a part in the source.
type slot struct {
	number       int // from 1
	offset, size int64
}

// choosePartSize returns the part size for a source of size bytes: what was asked (0: the default), doubled until the parts
// fit.
func choosePartSize(size, asked int64, info backend.Info) (int64, error) {
	partSize := asked
	switch {
	case partSize == 0:
		partSize = max(DefaultPartSize, info.MinPartSize)
		if info.MaxPartSize > 0 {
			partSize = min(partSize, info.MaxPartSize)
		}
	case partSize < info.MinPartSize:
		return 0, fmt.Errorf("the part size %d is below the store's minimum of %d bytes: %w", partSize, info.MinPartSize, backend.ErrInvalid)
	case info.MaxPartSize > 0 && partSize > info.MaxPartSize:
		return 0, fmt.Errorf("the part size %d is above the store's maximum of %d bytes: %w", partSize, info.MaxPartSize, backend.ErrInvalid)
	}
	for !fits(size, partSize, info) {
		if info.MaxPartSize > 0 && partSize > info.MaxPartSize/2 {
			if partSize = info.MaxPartSize; fits(size, partSize, info) {
				break
			}
			return 0, fmt.Errorf("%d bytes do not fit into %d parts of %d bytes, the most that the store takes: %w",
				size, info.MaxParts, info.MaxPartSize, backend.ErrInvalid)
		}
		partSize *= 2
	}
	return partSize, nil
}

func fits(size, partSize int64, info backend.Info) bool {
	return info.MaxParts == 0 || parts(size, partSize) <= int64(info.MaxParts)
}

// parts is the number of parts of a source; an empty one has one empty part.
func parts(size, partSize int64) int64 { return max(1, (size+partSize-1)/partSize) }

// segment is a run of parts of one size, from a part on.
type segment struct {
	number       int // of the first part
	offset, size int64
}

// layout is how a source is cut into parts: the segments ascend, and each ends where the next begins.
type layout []segment

func evenly(partSize int64) layout { return layout{{number: 1, size: partSize}} }

// at returns the segment of a part.
func (l layout) at(number int) segment {
	for i := len(l) - 1; i > 0; i-- {
		if l[i].number <= number {
			return l[i]
		}
	}
	return l[0]
}

// offset is where a part begins.
func (l layout) offset(number int) int64 {
	in := l.at(number)
	return in.offset + int64(number-in.number)*in.size
}

// divided returns l with parts of another size from a part on. It is not ok if that part begins elsewhere, or does not get smaller.
func (l layout) divided(s segment) (layout, bool) {
	in := l.at(s.number)
	if s.number < 1 || s.size < 1 || in.size <= s.size || (s.offset-in.offset)%in.size != 0 ||
		(s.offset-in.offset)/in.size != int64(s.number-in.number) { // no product: that of a log with any numbers overflows
		return l, false
	}
	n := len(l)
	for n > 0 && l[n-1].number >= s.number {
		n--
	}
	return append(l[:n:n], s), true
}

// fits says whether a source of size bytes needs no more parts than the store takes.
func (l layout) fits(size int64, info backend.Info) bool {
	last := l[len(l)-1]
	return info.MaxParts == 0 || int64(last.number-1)+parts(max(0, size-last.offset), last.size) <= int64(info.MaxParts)
}

// plan returns the slots of a source of size bytes, in order.
func (l layout) plan(size int64) []slot {
	var slots []slot
	for i, in := range l {
		end := size
		if i+1 < len(l) {
			end = min(end, l[i+1].offset)
		}
		if i > 0 && end <= in.offset {
			break
		}
		n := parts(end-in.offset, in.size)
		slots = slices.Grow(slots, int(n))
		for k := range n {
			offset := in.offset + k*in.size
			slots = append(slots, slot{number: in.number + int(k), offset: offset, size: min(in.size, end-offset)})
		}
	}
	return slots
}

// smaller returns the size for parts on a line that was cut after so many bytes: the part size halved until four such parts pass, so that
// little of what passes is lost with the next one, or two where the store takes none so small; zero if there is none.
func (l layout) smaller(number int, passed int64, info backend.Info) int64 {
	size := l.at(number).size
	for size > passed/4 && size/2 >= smallest(info) {
		size /= 2
	}
	if size > passed/2 || size == l.at(number).size {
		return 0
	}
	return size
}

// smallest is how small parts are made. Below 64 KiB it is round trips that are sent, not bytes.
func smallest(info backend.Info) int64 { return max(info.MinPartSize, 64<<10) }
