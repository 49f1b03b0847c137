package upload

import (
	"context"
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
	watch   *watch // of the parts under way

	mu    sync.Mutex
	parts map[int]part // by number; in the end those of all slots are equal to the source
	racy  []slot       // read at a time when the version proved nothing
	send  []slot
	has   map[int]bool // numbers of parts that need nothing more
}

// read makes the parts on the store equal to the source. errMoved if the source turned out to be another one meanwhile.
func (p *pass) read(ctx context.Context) error {
	p.slots, p.has = p.session.layout.plan(p.version.size), map[int]bool{}
	var compare []slot
	var stored, reused int64
	for _, s := range p.slots {
		switch have, ok := p.parts[s.number]; {
		case !ok || have.Size != s.size:
			p.send = append(p.send, s)
		case have.version != "" && have.version == p.version.digest:
			p.has[s.number] = true
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
	if err := p.sendAll(ctx); err != nil {
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
	p.has[s.number] = true
}

// divide returns the plan for a line that is cut after so many bytes; nil if there is none. All behind the first part that is missing is
// divided, since a part's number says where it belongs. Parts are sent in order, so that not much behind it can be there already.
func (p *pass) divide(s slot, passed int64) *segment {
	info := p.backend.Info()
	size := p.session.layout.smaller(s.number, passed, info)
	if size == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if p.has[s.number] {
			continue
		}
		to := segment{s.number, s.offset, size}
		if l, ok := p.session.layout.divided(to); ok && l.fits(p.version.size, info) {
			return &to
		}
		return nil
	}
	return nil
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

// readers are places for parts that are read at once, when nothing is sent: on all processors, unless one thing at a time was asked for.
func (r *run) readers() *member {
	n := 1
	if r.opts.Concurrency != 1 {
		n = max(r.opts.Concurrency, runtime.GOMAXPROCS(0))
	}
	return &member{window: newWindow(n, nil)}
}

// each calls do for all slots in order, as many at once as m has places, until one fails, and waits for those under way. The error is
// that of the first that failed.
func (r *run) each(ctx context.Context, m *member, slots []slot, do func(context.Context, slot) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	var wg sync.WaitGroup
	m.begin()
	over := sync.OnceFunc(m.end)
	defer over()
	for i, s := range slots {
		if m.enter(ctx) != nil {
			break
		}
		if i == len(slots)-1 {
			over()
		}
		wg.Go(func() {
			defer m.leave()
			if err := do(ctx, s); err != nil {
				cancel(err) // the first call decides the cause
			}
		})
	}
	wg.Wait()
	if outer.Err() != nil {
		return ended(outer)
	}
	return context.Cause(ctx)
}
