package conformance

import (
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/backend"
)

func putSizes(s *subject) {
	p, ok := backend.As[backend.Putter](s.b)
	if !ok {
		s.without("Putter")
		return
	}
	limit := s.info.MaxPutSize
	sizes := []int64{0, 1, min(s.size, max(limit, s.size))}
	if limit > 0 && limit <= affordable {
		sizes = append(sizes, limit)
	}
	for _, n := range sizes {
		if limit > 0 && n > limit {
			continue
		}
		data := content(n, n)
		key := s.key(fmt.Sprint(n))
		o, err := p.Put(s.ctx, key, plainBody(data), n, backend.Attributes{}, backend.CompleteOptions{})
		if err != nil {
			s.Errorf("Put of %d bytes returned %v (MaxPutSize is %d)", n, err, limit)
			continue
		}
		if o.Size != n {
			s.Errorf("Put of %d bytes returned an object of %d", n, o.Size)
		}
		s.holds("after Put", key, data)
	}

	key := s.key("kept")
	old := s.object(key, 1)
	refused := []int64{-1}
	if limit > 0 {
		refused = append(refused, limit+1)
	}
	for _, n := range refused {
		_, err := p.Put(s.ctx, key, &zeros{size: max(n, 0)}, n, backend.Attributes{}, backend.CompleteOptions{})
		if !errors.Is(err, backend.ErrInvalid) {
			s.Errorf("Put of %d bytes returned %v; want ErrInvalid, before much is read (MaxPutSize is %d)", n, err, limit)
		}
		s.holds("after Put of a size out of range", key, old)
	}
}
