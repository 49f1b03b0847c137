package store

import "io"

// Share returns the bytes of an object as bodies of their own, for Link to make another object of, or the same one with more
// at its end. No byte is copied.
func (m *Memory) Share(bucket, key string) ([]Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.find(bucket, key)
	if err != nil {
		return nil, err
	}
	bodies := make([]Body, len(o.bodies))
	for i, b := range o.bodies {
		b.refs++
		bodies[i] = b
	}
	return bodies, nil
}

// Open reads the body, which must have been taken over by SavePart, or shared.
func (b *spoolBody) Open() (io.ReadCloser, error) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.refs++
	one := []*spoolBody{b}
	return &spoolReader{m: b.m, bodies: one, all: one, left: b.size}, nil
}
