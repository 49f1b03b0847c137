package upload

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// sendAll sends the parts that are missing.
func (p *pass) sendAll(ctx context.Context) error {
	if len(p.send) == 0 {
		return nil
	}
	m := &member{window: p.window}
	p.watch = &watch{window: p.window, member: m}
	defer p.watch.start()()
	return p.each(ctx, m, p.send, func(ctx context.Context, s slot) error { return p.sendPart(ctx, m, s) })
}

// sendPart sends a part until the store has it, and records it.
func (p *pass) sendPart(ctx context.Context, m *member, s slot) error {
	var have part
	var proven bool
	t := tries{stored: p.meter.done(), passed: math.MaxInt64}
	err := p.retry(ctx, fmt.Sprintf("UploadPart %d", s.number), p.meter.done, func() (err error) {
		var moved int64
		have, proven, moved, err = p.try(ctx, m, s, t.patient)
		if err != nil {
			err = p.failed(s, &t, moved, err)
		}
		return err
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

// landing is how a flight ended.
type landing struct {
	have   part
	proven bool // it was read when the version of the source proved something
	moved  int64
	err    error
}

// try sends a part once or, if the first try lags behind at the end, twice at the same time: the first answer wins. Both send the same
// place of the source, so that it does not matter which one the store has in the end: if it is not the one whose ETag is passed to
// Complete, Complete refuses it, and what is stored is compared. moved is how much of the part went, at most.
func (p *pass) try(ctx context.Context, m *member, s slot, patient bool) (have part, proven bool, moved int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	landings := make(chan landing)
	first := p.launch(ctx, s, patient, landings, nil)
	wanted, up, won := first.wanted, 1, false
	for up > 0 {
		select {
		case l := <-landings:
			up--
			moved = max(moved, l.moved)
			switch {
			case won:
			case l.err == nil:
				have, proven, err, won = l.have, l.proven, nil, true
				cancel()
			default:
				if err == nil || !final(err) {
					err = l.err
				}
				if final(l.err) {
					cancel()
				}
			}
		case <-wanted:
			wanted = nil
			up++
			p.log.InfoContext(ctx, "a part lags behind; sending it a second time", "part", s.number)
			p.meter.hedged()
			p.launch(ctx, s, true, landings, m.leave)
		}
	}
	select {
	case <-wanted: // too late
		m.leave()
	default:
	}
	if won {
		p.meter.landed(s.size)
	}
	return have, proven, moved, err
}

// launch begins a flight, which ends by a landing. The second one of a part has a place of its own, which it leaves.
func (p *pass) launch(ctx context.Context, s slot, patient bool, landings chan<- landing, leave func()) *flight {
	f := newFlight(p.watch, s)
	f.patient, f.hedged = patient, leave != nil
	go func() {
		var l landing
		l.have, l.proven, l.moved, l.err = p.fly(ctx, f)
		if leave != nil {
			leave()
		}
		landings <- l
	}()
	return f
}

// fly sends a part, and holds the answer against what was sent.
func (p *pass) fly(ctx context.Context, f *flight) (have part, proven bool, moved int64, err error) {
	proven = p.version.proves(time.Now())
	b := &body{src: p.src, offset: f.offset, size: f.size}
	moved, err = p.carry(ctx, f, b, func(ctx context.Context) (err error) {
		have.Part, err = p.backend.UploadPart(ctx, p.session.Upload, f.number, b, f.size)
		return err
	})
	if err != nil {
		return have, false, moved, err
	}
	crc, whole := b.sum()
	switch {
	case !whole:
		err = errors.New("the backend answered without having read the part")
	case have.CRC64 != nil && *have.CRC64 != crc:
		err = fmt.Errorf("%w: the store has %016x, sent was %016x", ErrChecksum, *have.CRC64, crc)
	case have.Size != f.size:
		err = fmt.Errorf("%w: the store has %d bytes, sent were %d", ErrChecksum, have.Size, f.size)
	}
	have.crc = sumOf(crc)
	return have, proven, moved, err
}

// carry makes a request with a body, which ends early if nothing moves. moved is how much of the body went, at most.
func (r *run) carry(ctx context.Context, f *flight, b *body, do func(context.Context) error) (moved int64, err error) {
	ctx, f.cancel = context.WithCancelCause(ctx)
	defer f.cancel(nil)
	b.ctx, b.limiter, b.pace, b.meter, b.flight = ctx, r.opts.Limiter, r.pace, r.meter, f
	r.meter.begin()
	f.watch.add(f)
	err = do(ctx)
	moved = f.watch.remove(f, err == nil && b.err == nil)
	r.meter.end(b.flying)
	stall := (*stalled)(nil)
	switch {
	case err != nil && errors.As(context.Cause(ctx), &stall):
		return moved, stall
	case b.err != nil:
		return moved, b.err
	}
	return moved, err
}

// tries is what became of the tries of one part.
type tries struct {
	patient bool
	cuts    int   // in a row, since any part was stored
	passed  int64 // bytes that went before the cut, the least of them
	stored  int64 // parts stored when that was counted
}

// maxCuts is how often a part is cut, while no other gets through, before parts are made smaller.
const maxCuts = 3

// failed looks at why a try failed. It returns err, or a *division if the line does not last for parts of this size.
func (p *pass) failed(s slot, t *tries, moved int64, err error) error {
	if done := p.meter.done(); done != t.stored {
		t.cuts, t.passed, t.stored = 0, math.MaxInt64, done
	}
	if errors.As(err, new(*stalled)) {
		t.patient = true
	}
	why, _ := away(err)
	if why != "" || answered(err) { // it was not the line
		t.cuts = 0
		return err
	}
	p.window.tell((*control).failed)
	if p.backend.Info().EqualParts || moved < 2*smallest(p.backend.Info()) {
		return err
	}
	t.passed = min(t.passed, moved)
	if t.cuts++; t.cuts < maxCuts {
		return err
	}
	if to := p.divide(s, t.passed); to != nil {
		return &division{*to, err}
	}
	return err
}

// division is a changed plan: from a part on, parts have another size.
type division struct {
	segment
	cause error
}

func (d *division) Error() string {
	return fmt.Sprintf("the line does not last for a part; from part %d on they have %d bytes: %v", d.number, d.size, d.cause)
}
