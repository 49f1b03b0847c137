package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestDifferential runs one random sequence of calls against backend/memory and against backend/oss over fakeoss: the two
// were written apart from each other, by the same facts, and must give the same answers. The seeds are 1 to 20, of 200
// steps each; TIDEMARK_SEED=n runs that one alone, TIDEMARK_SEEDS and TIDEMARK_STEPS change the numbers.
func TestDifferential(t *testing.T) {
	first, last := uint64(1), number(t, "TIDEMARK_SEEDS", 20)
	if one := number(t, "TIDEMARK_SEED", 0); one != 0 {
		first, last = one, one
	}
	steps := number(t, "TIDEMARK_STEPS", 200)
	var seen outcomes
	t.Cleanup(func() {
		if one := first == last; !one && !t.Failed() {
			seen.check(t)
		}
	})
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("TIDEMARK_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			d := newDifferential(t, seed, steps)
			d.seen = &seen
			for range steps {
				d.advance()
				d.step()
			}
			for i := range d.uploads {
				d.listParts(i, 0)
			}
			for _, key := range d.keys {
				d.stat(key)
			}
			d.listUploads("")
		})
	}
}

func number(t *testing.T, name string, def uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestDifferentialPages compares lists that need several pages: of parts, and of uploads.
func TestDifferentialPages(t *testing.T) {
	d := newDifferential(t, 1, 0)
	d.create("many")
	for n := 1; n <= 2003; n += 2 { // 1002 parts, with gaps
		d.uploadPart(0, n, 1)
	}
	for _, after := range []int{0, 1, 2, 3, 4, 1998, 2002, 2003, 2004, 9999, 10000} {
		d.listParts(0, after)
	}
	for range 1001 {
		d.create("many")
	}
	d.create("other")
	d.listUploads("")
	d.listUploads("many")
	d.listUploads("o")
}

// differential is two stores, and what was done to both.
type differential struct {
	t   *testing.T
	rnd *rand.Rand

	memory *memory.Backend
	oss    *oss.Backend

	clock   atomic.Pointer[time.Time] // of both; the server reads it from goroutines of its own
	every   uint64                    // steps for a second
	steps   uint64
	keys    []string
	uploads []pairOfUploads
	parts   map[int][]int // the numbers that were tried, by upload
	log     []string
	seen    *outcomes // may be nil
}

// outcomes counts what the calls came to, by the name of the call.
type outcomes struct {
	mu    sync.Mutex
	count map[string]int
}

func (o *outcomes) add(call, outcome string) {
	name, _, _ := strings.Cut(call, "(")
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.count[name+": "+outcome]++
}

// check fails the test if the sequences were poorer than they are meant to be: two stores that refuse all would agree.
func (o *outcomes) check(t *testing.T) {
	t.Logf("outcomes: %v", o.count)
	for call, wants := range map[string][]error{
		"Create":     {nil, backend.ErrInvalid},
		"UploadPart": {nil, backend.ErrNoSuchUpload, backend.ErrInvalid},
		"ListParts":  {nil, backend.ErrNoSuchUpload},
		"Complete":   {nil, backend.ErrNoSuchUpload, backend.ErrInvalidPart, backend.ErrInvalid, backend.ErrExists},
		"Abort":      {nil, backend.ErrNoSuchUpload},
		"Stat":       {nil, backend.ErrNotFound, backend.ErrInvalid},
		"Put":        {nil, backend.ErrExists, backend.ErrInvalid},
	} {
		for _, want := range wants {
			if n := o.count[call+": "+outcome(want)]; n == 0 {
				t.Errorf("%s: %s: never", call, outcome(want))
			}
		}
	}
}

// pairOfUploads is one upload in both stores.
type pairOfUploads struct{ memory, oss backend.Upload }

func newDifferential(t *testing.T, seed, steps uint64) *differential {
	d := &differential{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), parts: map[int][]int{},
		keys: []string{"a", "a/b", "a//b", key, "ü/日本", "+ %2B&<>\"'"},
		// The clock runs ahead by less than ten minutes in all: the SDK signs with the real one.
		every: steps/500 + 1}
	start := time.Now().Truncate(time.Second)
	d.clock.Store(&start)
	now := func() time.Time { return *d.clock.Load() }
	d.memory = memory.New(&memory.Options{Now: now})
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"tide"}, Clock: now})
	d.oss = client(t, srv, srv.Credential(), []string{"", "cn-hangzhou"}[seed%2])
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the calls, in their order:\n%s", strings.Join(d.log, "\n"))
		}
	})
	return d
}

// advance moves the clock of both stores. No request is under way.
func (d *differential) advance() {
	if d.steps++; d.steps%d.every == 0 {
		next := d.clock.Load().Add(time.Second)
		d.clock.Store(&next)
	}
}

func pick[T any](d *differential, from ...T) T { return from[d.rnd.IntN(len(from))] }

// size is a size of a part or an object: often at the least size that a part must have unless it is the last.
func (d *differential) size() int {
	return pick(d, 0, 1, 100, 102399, 102400, 102400, 102400, 102401, 150000)
}

func (d *differential) key() string {
	if d.rnd.IntN(30) == 0 {
		return pick(d, "", "/a", `\a`, "\xff", strings.Repeat("k", 1023), strings.Repeat("k", 1024))
	}
	return pick(d, d.keys...)
}

// step makes one random call.
func (d *differential) step() {
	n := d.rnd.IntN(100)
	if len(d.uploads) == 0 || n < 8 {
		d.create(d.key())
		return
	}
	// Mostly one of the latest uploads: the others are over.
	i := d.rnd.IntN(len(d.uploads))
	if d.rnd.IntN(4) > 0 {
		i = max(0, len(d.uploads)-1-d.rnd.IntN(4))
	}
	switch {
	case n < 50:
		d.uploadPart(i, d.partNumber(), d.size())
	case n < 60:
		d.listParts(i, pick(d, 0, 0, 1, 2, 3, 10, 10000))
	case n < 78:
		d.complete(i)
	case n < 81:
		d.abort(i)
	case n < 90:
		d.stat(d.key())
	case n < 96:
		d.put(d.key(), d.size())
	case n < 98:
		d.listUploads(pick(d, "", "a", "a/", "ü", "nothing", "%"))
	default:
		d.strange(i)
	}
}

func (d *differential) partNumber() int {
	if d.rnd.IntN(30) == 0 {
		return pick(d, -1, 0, 10000, 10001)
	}
	return 1 + d.rnd.IntN(6)
}

// compare fails the test if two answers differ.
func (d *differential) compare(call string, memory, oss any) {
	d.t.Helper()
	if d.seen != nil {
		switch a := memory.(type) {
		case string:
			d.seen.add(call, a)
		case createAnswer:
			d.seen.add(call, a.Outcome)
		case partAnswer:
			d.seen.add(call, a.Outcome)
		case objectAnswer:
			d.seen.add(call, a.Outcome)
		}
	}
	d.log = append(d.log, fmt.Sprintf("%4d %s: %+v", len(d.log)+1, call, memory))
	if diff := cmp.Diff(memory, oss); diff != "" {
		d.t.Fatalf("call %d, %s: answers differ (-memory +oss):\n%s", len(d.log), call, diff)
	}
}

// outcome names the sentinel of an error.
func outcome(err error) string {
	if err == nil {
		return "done"
	}
	for _, s := range []error{backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart,
		backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled} {
		if errors.Is(err, s) {
			return s.Error()
		}
	}
	return "unknown"
}

type createAnswer struct {
	Outcome, Key string
	Initiated    time.Time
}

type partAnswer struct {
	Outcome string
	Parts   []partSeen
}

type partSeen struct {
	Number int
	Size   int64
	ETag   string
	CRC64  uint64
}

func seePart(p backend.Part) partSeen {
	s := partSeen{Number: p.Number, Size: p.Size, ETag: p.ETag}
	if p.CRC64 != nil {
		s.CRC64 = *p.CRC64
	}
	return s
}

type objectAnswer struct {
	Outcome   string
	Key, ETag string
	Size      int64
	CRC64     string
	Modified  time.Time
}

func seeObject(o backend.Object, err error) objectAnswer {
	if err != nil {
		return objectAnswer{Outcome: outcome(err)}
	}
	a := objectAnswer{Outcome: "done", Key: o.Key, ETag: o.ETag, Size: o.Size, CRC64: "none"}
	if o.CRC64 != nil {
		a.CRC64 = fmt.Sprint(*o.CRC64)
	}
	return a
}

func (d *differential) ctx() context.Context { return d.t.Context() }

func (d *differential) data(size int) []byte {
	b := make([]byte, size)
	for i := 0; i < len(b); i += 64 {
		b[i] = byte(d.rnd.Uint32())
	}
	return b
}

func (d *differential) create(key string) {
	d.t.Helper()
	m, err1 := d.memory.Create(d.ctx(), key, backend.Attributes{})
	o, err2 := d.oss.Create(d.ctx(), key, backend.Attributes{})
	d.compare(fmt.Sprintf("Create(%.20q)", key), createAnswer{outcome(err1), m.Key, m.Initiated.UTC()}, createAnswer{outcome(err2), o.Key, o.Initiated.UTC()})
	if err1 == nil {
		d.uploads = append(d.uploads, pairOfUploads{m, o})
	}
}

func (d *differential) uploadPart(i, number, size int) {
	d.t.Helper()
	data := d.data(size)
	m, err1 := d.memory.UploadPart(d.ctx(), d.uploads[i].memory, number, bytes.NewReader(data), int64(size))
	o, err2 := d.oss.UploadPart(d.ctx(), d.uploads[i].oss, number, bytes.NewReader(data), int64(size))
	a1, a2 := partAnswer{Outcome: outcome(err1)}, partAnswer{Outcome: outcome(err2)}
	if err1 == nil {
		a1.Parts = []partSeen{seePart(m)}
		d.parts[i] = append(d.parts[i], number)
	}
	if err2 == nil {
		a2.Parts = []partSeen{seePart(o)}
	}
	d.compare(fmt.Sprintf("UploadPart(upload %d, part %d, %d bytes)", i, number, size), a1, a2)
}

// listParts compares the whole list after a number. The pages need not be alike.
func (d *differential) listParts(i, after int) {
	d.t.Helper()
	m, err1 := allParts(d.ctx(), d.memory, d.uploads[i].memory, after)
	o, err2 := allParts(d.ctx(), d.oss, d.uploads[i].oss, after)
	d.compare(fmt.Sprintf("ListParts(upload %d, after %d)", i, after),
		partAnswer{Outcome: outcome(err1), Parts: m}, partAnswer{Outcome: outcome(err2), Parts: o})
}

func allParts(ctx context.Context, b backend.MultipartBackend, u backend.Upload, after int) ([]partSeen, error) {
	var all []partSeen
	for {
		page, more, err := b.ListParts(ctx, u, after)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			all = append(all, seePart(p))
		}
		if !more {
			return all, nil
		}
		if len(page) == 0 {
			return nil, errors.New("an empty page, and more to come")
		}
		after = page[len(page)-1].Number
	}
}

// complete lists some of the parts, now and then wrongly.
func (d *differential) complete(i int) {
	d.t.Helper()
	stored, err := allParts(d.ctx(), d.memory, d.uploads[i].memory, 0)
	var parts []backend.Part
	for _, p := range stored {
		parts = append(parts, backend.Part{Number: p.Number, Size: p.Size, ETag: p.ETag, CRC64: &p.CRC64})
	}
	what := "all parts"
	if err != nil {
		what = "a part of once"
		parts = []backend.Part{{Number: 1, Size: 1, ETag: strings.Repeat("0", 32)}}
	} else if len(parts) > 0 {
		at := d.rnd.IntN(len(parts))
		switch d.rnd.IntN(14) {
		case 0:
			what = "an ETag of other bytes"
			parts[at].ETag = strings.Repeat("0", 32)
		case 1:
			what = "a part that is not there"
			parts = append(parts, backend.Part{Number: 9999, Size: 1, ETag: parts[at].ETag, CRC64: parts[at].CRC64})
		case 2:
			what = "a wrong order"
			slices.Reverse(parts)
		case 3:
			what = "a part twice"
			parts = slices.Insert(parts, at, parts[at])
		case 4:
			what = "no part"
			parts = nil
		case 5, 6, 7:
			what = "a subset"
			parts = slices.Delete(parts, at, at+1)
		case 8, 9, 10:
			what = "those that are large enough, and the last"
			parts = slices.DeleteFunc(parts, func(p backend.Part) bool {
				return p.Size < memory.DefaultMinPartSize && p.Number != stored[len(stored)-1].Number
			})
		}
	}
	opts := backend.CompleteOptions{IfAbsent: d.rnd.IntN(4) == 0}
	before := slices.Clone(parts)
	m, err1 := d.memory.Complete(d.ctx(), d.uploads[i].memory, parts, opts)
	o, err2 := d.oss.Complete(d.ctx(), d.uploads[i].oss, parts, opts)
	d.compare(fmt.Sprintf("Complete(upload %d, %s, IfAbsent %v)", i, what, opts.IfAbsent), seeObject(m, err1), seeObject(o, err2))
	if diff := cmp.Diff(before, parts); diff != "" {
		d.t.Fatalf("Complete modified the parts (-before +after):\n%s", diff)
	}
	d.stat(d.uploads[i].memory.Key)
}

func (d *differential) abort(i int) {
	d.t.Helper()
	d.compare(fmt.Sprintf("Abort(upload %d)", i), outcome(d.memory.Abort(d.ctx(), d.uploads[i].memory)), outcome(d.oss.Abort(d.ctx(), d.uploads[i].oss)))
}

func (d *differential) stat(key string) {
	d.t.Helper()
	m, err1 := d.memory.Stat(d.ctx(), key)
	o, err2 := d.oss.Stat(d.ctx(), key)
	a1, a2 := seeObject(m, err1), seeObject(o, err2)
	a1.Modified, a2.Modified = m.Modified.UTC(), o.Modified.UTC()
	d.compare(fmt.Sprintf("Stat(%.20q)", key), a1, a2)
}

func (d *differential) put(key string, size int) {
	d.t.Helper()
	data := d.data(size)
	opts := backend.CompleteOptions{IfAbsent: d.rnd.IntN(2) == 0}
	m, err1 := d.memory.Put(d.ctx(), key, bytes.NewReader(data), int64(size), backend.Attributes{}, opts)
	o, err2 := d.oss.Put(d.ctx(), key, bytes.NewReader(data), int64(size), backend.Attributes{}, opts)
	d.compare(fmt.Sprintf("Put(%.20q, %d bytes, IfAbsent %v)", key, size, opts.IfAbsent), seeObject(m, err1), seeObject(o, err2))
	d.stat(key)
}

// listUploads compares the lists by key and by the number of the upload here: the IDs differ.
func (d *differential) listUploads(prefix string) {
	d.t.Helper()
	var of [2][]string
	for which, b := range []backend.UploadLister{d.memory, d.oss} {
		last := ""
		var seen []int
		for u, err := range b.Uploads(d.ctx(), prefix) {
			if err != nil {
				of[which] = append(of[which], outcome(err))
				break
			}
			if u.Key < last {
				d.t.Fatalf("Uploads(%q) of store %d: %q after %q", prefix, which, u.Key, last)
			}
			last = u.Key
			seen = append(seen, slices.IndexFunc(d.uploads, func(p pairOfUploads) bool {
				mine := [2]backend.Upload{p.memory, p.oss}[which]
				return u.ID == mine.ID && u.Key == mine.Key && u.Initiated.Equal(mine.Initiated)
			}))
		}
		slices.Sort(seen)
		for _, i := range seen {
			of[which] = append(of[which], fmt.Sprint("upload ", i))
		}
	}
	d.compare(fmt.Sprintf("Uploads(%q)", prefix), of[0], of[1])
}

// strange makes a call that no sound client makes.
func (d *differential) strange(i int) {
	d.t.Helper()
	wrong := d.uploads[i]
	switch d.rnd.IntN(3) {
	case 0:
		wrong.memory.ID, wrong.oss.ID = strings.Repeat("0", 32), strings.Repeat("0", 32)
	case 1:
		wrong.memory.ID, wrong.oss.ID = "not an ID", "not an ID"
	case 2:
		wrong.memory.Key, wrong.oss.Key = "another", "another"
	}
	d.uploads = append(d.uploads, wrong)
	j := len(d.uploads) - 1
	d.uploadPart(j, 1, 10)
	d.listParts(j, 0)
	d.complete(j)
	d.abort(j)
	d.uploads = d.uploads[:j]
}
