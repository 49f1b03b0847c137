package upload

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// part is a part that the store has.
type part struct {
	backend.Part
	crc     hex64  // of its bytes; nil if not known
	version string // digest of the version of the source that it is proven to be of; empty if none
	reused  bool   // it was there when the call began
}

// pass is one whole reading of the source under one version.
type pass struct {
	*run
	session *session
	version snapshot
	slots   []slot

	mu    sync.Mutex
	parts map[int]part // by number; in the end those of all slots are equal to the source
	racy  []slot       // read at a time when the version proved nothing
	send  []slot
}

// read makes the parts on the store equal to the source. errMoved if the source turned out to be another one meanwhile.
func (p *pass) read(ctx context.Context) error {
	p.slots = plan(p.version.size, p.session.partSize)
	var compare []slot
	var stored, reused int64
	for _, s := range p.slots {
		switch have, ok := p.parts[s.number]; {
		case !ok || have.Size != s.size:
			p.send = append(p.send, s)
		case have.version != "" && have.version == p.version.digest:
			stored += s.size
			if have.reused {
				reused += s.size
			}
		case !have.crc.IsZero():
			compare = append(compare, s)
		default:
			p.send = append(p.send, s)
		}
	}
	p.meter.planned(p.version.size, len(p.slots), len(p.slots)-len(p.send)-len(compare), stored, reused)

	p.meter.change(func(m *Progress) { m.Verifying = true })
	err := p.each(ctx, p.readers(), compare, p.compare)
	p.meter.change(func(m *Progress) { m.Verifying = false })
	if err != nil {
		return err
	}
	if err := p.each(ctx, p.opts.Concurrency, p.send, p.sendPart); err != nil {
		return err
	}

	// What was read while a write might have left the time stamps as they were is read a second time, now that all is
	// sent. Bytes that are the same both times were so at the moment between, whatever the stamps say.
	return p.each(ctx, p.readers(), p.racy, func(ctx context.Context, s slot) error {
		crc, err := p.sum(ctx, s.offset, s.size)
		if err == nil && crc != *p.parts[s.number].crc.uint64 {
			err = errMoved
		}
		return err
	})
}

// compare reads a part's bytes from the source. A part that is not equal is sent.
func (p *pass) compare(ctx context.Context, s slot) error {
	proven := p.version.proves(time.Now())
	crc, err := p.sum(ctx, s.offset, s.size)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	have := p.parts[s.number]
	if crc != *have.crc.uint64 {
		p.send = append(p.send, s)
		return nil
	}
	p.stands(s, have, proven)
	p.meter.kept(s.size, have.reused)
	return nil
}

// stands is called with the lock held.
func (p *pass) stands(s slot, have part, proven bool) {
	have.version = ""
	if proven {
		have.version = p.version.digest
	} else {
		p.racy = append(p.racy, s)
	}
	p.parts[s.number] = have
}

// sendPart sends a part until the store has it, holds the answer against what was sent, and records it.
func (p *pass) sendPart(ctx context.Context, s slot) error {
	var proven bool
	have := part{}
	err := p.retry(ctx, fmt.Sprintf("UploadPart %d", s.number), p.meter.done, func() (err error) {
		proven = p.version.proves(time.Now())
		b := &body{ctx: ctx, src: p.src, offset: s.offset, size: s.size, limiter: p.opts.Limiter, meter: p.meter}
		p.meter.begin()
		defer func() { p.meter.end(b.flying, s.size, err == nil) }()
		have.Part, err = p.backend.UploadPart(ctx, p.session.Upload, s.number, b, s.size)
		crc, whole := b.sum()
		switch {
		case b.err != nil:
			return b.err
		case err != nil:
			return err
		case !whole:
			return errors.New("the backend answered without having read the part")
		case have.CRC64 != nil && *have.CRC64 != crc:
			return fmt.Errorf("%w: the store has %016x, sent was %016x", ErrChecksum, *have.CRC64, crc)
		case have.Size != s.size:
			return fmt.Errorf("%w: the store has %d bytes, sent were %d", ErrChecksum, have.Size, s.size)
		}
		have.crc = sumOf(crc)
		return nil
	})
	if err != nil {
		if errors.Is(err, errMoved) || ctx.Err() != nil {
			return err
		}
		return &Error{Op: "send", Key: p.key, Part: s.number, Err: err}
	}
	p.mu.Lock()
	p.stands(s, have, proven)
	have = p.parts[s.number]
	p.mu.Unlock()
	return p.journal.append(ctx, record{
		Kind: kindPart, Upload: p.session.ID, Number: s.number, Offset: s.offset, Size: s.size,
		ETag: have.ETag, CRC64: have.crc, Version: have.version,
	})
}

// inOrder returns the parts of the object.
func (p *pass) inOrder() []part {
	list := make([]part, len(p.slots))
	for i, s := range p.slots {
		list[i] = p.parts[s.number]
	}
	return list
}

// combine returns what Complete is to publish, and a record that describes it as a whole.
func (r *run) combine(parts []part) ([]backend.Part, record) {
	list := make([]backend.Part, len(parts))
	whole := record{Number: len(parts), Version: parts[0].version}
	var crc uint64
	for i, p := range parts {
		list[i] = p.Part
		whole.Size += p.Size
		crc = crc64.Combine(crc, *p.crc.uint64, p.Size)
		if p.version != whole.Version {
			whole.Version = ""
		}
	}
	whole.CRC64 = sumOf(crc)
	if tagger, ok := backend.As[backend.ETagger](r.backend); ok {
		whole.ETag, _ = tagger.ETag(list)
	}
	return list, whole
}

// comparable says that obj tells enough of its content to be held against what was sent.
func comparable(obj backend.Object, whole record) bool {
	return obj.CRC64 != nil || obj.ETag != "" && whole.ETag != ""
}

// matches says that obj has the content of whole, and that this is proven.
func matches(obj backend.Object, whole record) bool {
	return comparable(obj, whole) && differs(obj, whole) == ""
}

// differs says in what obj differs from whole, in all that can be compared.
func differs(obj backend.Object, whole record) string {
	switch {
	case obj.Size != whole.Size:
		return fmt.Sprintf("the object has %d bytes, sent were %d", obj.Size, whole.Size)
	case obj.CRC64 != nil && *obj.CRC64 != *whole.CRC64.uint64:
		return fmt.Sprintf("the object's CRC-64 is %016x, that of what was sent %016x", *obj.CRC64, *whole.CRC64.uint64)
	case obj.CRC64 == nil && obj.ETag != "" && whole.ETag != "" && obj.ETag != whole.ETag:
		return fmt.Sprintf("the object's ETag is %s, that of what was sent %s", obj.ETag, whole.ETag)
	}
	return ""
}

// readers is how many parts are read at once, when nothing is sent: on all processors, unless one thing at a time was asked for.
func (r *run) readers() int {
	if r.opts.Concurrency == 1 {
		return 1
	}
	return max(r.opts.Concurrency, runtime.GOMAXPROCS(0))
}

// each calls do for all slots, so many at once, until one fails, and waits for those under way. The error is that of the first that
// failed.
func (r *run) each(ctx context.Context, workers int, slots []slot, do func(context.Context, slot) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	queue := make(chan slot)
	var wg sync.WaitGroup
	for range min(workers, len(slots)) {
		wg.Go(func() {
			for s := range queue {
				if err := do(ctx, s); err != nil {
					cancel(err) // the first call decides the cause
					return
				}
			}
		})
	}
feed:
	for _, s := range slots {
		select {
		case queue <- s:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	wg.Wait()
	if outer.Err() != nil {
		return ended(outer)
	}
	return context.Cause(ctx)
}
