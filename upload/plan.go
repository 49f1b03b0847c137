package upload

import (
	"fmt"

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

// plan returns the slots of a source, in order.
func plan(size, partSize int64) []slot {
	slots := make([]slot, parts(size, partSize))
	for i := range slots {
		offset := int64(i) * partSize
		slots[i] = slot{number: i + 1, offset: offset, size: min(partSize, size-offset)}
	}
	return slots
}
