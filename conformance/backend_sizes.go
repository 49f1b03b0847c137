package conformance

import (
	"errors"
	"io"

	"github.com/tidemark-go/tidemark/backend"
)

// affordable is the largest size in bytes that the suite sends, and reads.
const affordable = 64 << 20

func smallestParts(s *subject) {
	size := max(s.info.MinPartSize, 1)
	u := s.create(s.key("a"))
	sizes := []int64{size, size, 1}
	var parts []backend.Part
	var all []byte
	for i, n := range sizes {
		data := content(int64(i), n)
		p, err := s.b.UploadPart(s.ctx, u, i+1, plainBody(data), n)
		if err != nil {
			s.Fatalf("UploadPart of part %d of parts of %d bytes returned %v (MinPartSize is %d)", i+1, sizes, err, s.info.MinPartSize)
		}
		parts, all = append(parts, p), append(all, data...)
	}
	if _, err := s.b.Complete(s.ctx, u, parts, backend.CompleteOptions{}); err != nil {
		s.Fatalf("Complete of parts of %d bytes returned %v (MinPartSize is %d)", sizes, err, s.info.MinPartSize)
	}
	s.holds("after Complete of the smallest parts", u.Key, all)
}

func emptyPart(s *subject) {
	u := s.create(s.key("a"))
	p, err := s.b.UploadPart(s.ctx, u, 1, plainBody(nil), 0)
	if err != nil {
		s.Fatalf("UploadPart of a single part of 0 bytes returned %v", err)
	}
	if p.Size != 0 {
		s.Errorf("UploadPart of 0 bytes returned a part of %d", p.Size)
	}
	o, err := s.b.Complete(s.ctx, u, []backend.Part{p}, backend.CompleteOptions{})
	if err != nil {
		s.Fatalf("Complete of a single part of 0 bytes returned %v", err)
	}
	if o.Size != 0 {
		s.Errorf("Complete of 0 bytes returned an object of %d", o.Size)
	}
	s.holds("after Complete of a single part of 0 bytes", u.Key, []byte{})
}

func largestPart(s *subject) {
	n := s.info.MaxPartSize
	if n == 0 || n > affordable {
		s.t.Logf("MaxPartSize is %d bytes, more than the %d that are sent here", n, affordable)
		return
	}
	u := s.create(s.key("a"))
	p, err := s.b.UploadPart(s.ctx, u, 1, plainBody(content(1, n)), n)
	if err != nil {
		s.Fatalf("UploadPart of %d bytes, which is MaxPartSize, returned %v", n, err)
	}
	if _, err := s.b.Complete(s.ctx, u, []backend.Part{p}, backend.CompleteOptions{}); err != nil {
		s.Fatalf("Complete of a part of %d bytes, which is MaxPartSize, returned %v", n, err)
	}
	s.holds("after Complete of one part of MaxPartSize", u.Key, content(1, n))
}

func numberOutOfRange(s *subject) {
	u := s.create(s.key("a"))
	stored, _ := s.uploads(u, 1)
	numbers := []int{0, -1}
	if s.info.MaxParts > 0 {
		numbers = append(numbers, s.info.MaxParts+1)
	}
	for _, n := range numbers {
		if _, err := s.b.UploadPart(s.ctx, u, n, plainBody(s.bytesOf(2)), s.size); !errors.Is(err, backend.ErrInvalid) {
			s.Errorf("UploadPart of part %d returned %v; want ErrInvalid (MaxParts is %d)", n, err, s.info.MaxParts)
		}
	}
	s.unchanged("after UploadPart with numbers out of range", u, stored)
	if n := s.info.MaxParts; n > 0 {
		if _, err := s.b.UploadPart(s.ctx, u, n, plainBody(s.bytesOf(2)), s.size); err != nil {
			s.Errorf("UploadPart of part %d, which is MaxParts, returned %v", n, err)
		}
	}
}

func sizeOutOfRange(s *subject) {
	u := s.create(s.key("a"))
	stored, _ := s.uploads(u, 1)
	sizes := []int64{-1}
	if s.info.MaxPartSize > 0 {
		sizes = append(sizes, s.info.MaxPartSize+1)
	}
	for _, n := range sizes {
		if _, err := s.b.UploadPart(s.ctx, u, 2, &zeros{size: max(n, 0)}, n); !errors.Is(err, backend.ErrInvalid) {
			s.Errorf("UploadPart of %d bytes returned %v; want ErrInvalid, before much is read (MaxPartSize is %d)", n, err, s.info.MaxPartSize)
		}
	}
	s.unchanged("after UploadPart with sizes out of range", u, stored)
}

// zeros is a large body that takes no memory. It fails once more than what is affordable was read: a store that has a limit knows
// the size before it reads.
type zeros struct{ at, size int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.at >= z.size {
		return 0, io.EOF
	}
	if z.at > affordable {
		return 0, errBody
	}
	n := min(int64(len(p)), z.size-z.at)
	clear(p[:n])
	z.at += n
	return int(n), nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += z.at
	case io.SeekEnd:
		offset += z.size
	}
	if offset < 0 {
		return 0, errors.New("conformance: seek to before the start")
	}
	z.at = offset
	return offset, nil
}
