package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// scenario is one kind of upload, and what is made to go wrong with it.
type scenario struct {
	name string
	size int64 // bytes
	part int64 // size in bytes of a part; 0: one Put
	crc  bool  // the store computes CRC-64s of parts
	old  bool  // there is an object under the key, which the upload replaces
	req  upload.Request

	// first and second say what may go wrong with a call of op, as the first thing that does and as the second. second is nil if
	// there is no second.
	first, second func(op string) []fault.Kind

	racers   int  // processes at once; 0: one after the other
	unlocked bool // the store's locks are not used, so that several drivers meet
	atOnce   int  // parts that are sent at once; 0 is 1

	provable bool // the store tells enough to recognise an object
	attempts int  // of a request; 0 is 3
	farLate  bool // as the first of two, what is late comes after any number of calls

	// attrs are the attributes that process n asks for, from 1; nil: those of req.
	attrs func(n int) backend.Attributes
}

// scenarios for a store. Without a CRC-64 of the store's, bytes that were altered above the adapter cannot be noticed.
func scenarios(b backend.MultipartBackend, can abilities) []*scenario {
	whatFails, putFails := whatFails, whatFails
	if !can.crc {
		whatFails = notAltered
	}
	if !can.objectCRC {
		putFails = notAltered
	}
	part := max(b.Info().MinPartSize, 1000)
	three := 2*part + part/2 + 1
	list := []*scenario{
		{name: "parts", size: three, part: part, old: true, first: whatFails, second: whatFails},
		{name: "if-absent", size: three, part: part, req: upload.Request{IfAbsent: true}, first: whatFails, second: crashes},
		{name: "no-retries", size: three, part: part, old: true, attempts: 1, first: whatFails, second: whatFails},
		{name: "events", size: three, part: part, old: true, first: whatHappens, second: crashes},
		{name: "events-after-crash", size: three, part: part, old: true, first: crashes, second: whatHappens},
		{name: "edited-before-late", size: three, part: part, first: lateParts, second: edited, farLate: true},
		{name: "occupied", size: three, part: part, req: upload.Request{IfAbsent: true}, first: occupied, second: whatFailsOrExpires},
		{name: "race-2", size: three, part: part, racers: 2, unlocked: true},
		{name: "race-2-if-absent", size: three, part: part, racers: 2, unlocked: true, req: upload.Request{IfAbsent: true}},
		{name: "race-2-locked", size: three, part: part, racers: 2},
		{name: "race-3", size: three, part: part, racers: 3, unlocked: true},
		{name: "at-once", size: 5*part + part/2, part: part, atOnce: 3, first: whatFails},
		{name: "empty", size: 0, part: part, first: whatFails},
	}
	if _, ok := backend.As[backend.Putter](b); ok {
		list = append(list,
			&scenario{name: "put", size: 1500, old: true, first: putFails, second: putFails},
			&scenario{name: "put-if-absent", size: 1500, req: upload.Request{IfAbsent: true}, first: notAltered, second: crashes},
			&scenario{name: "put-occupied", size: 1500, req: upload.Request{IfAbsent: true}, first: occupied, second: notAltered},
			&scenario{name: "put-events", size: 1500, old: true, first: changes, second: crashes},
			&scenario{name: "put-events-after-crash", size: 1500, req: upload.Request{IfAbsent: true}, first: crashes, second: changes},
		)
	}
	if can.types {
		list = append(list, &scenario{name: "attributes", size: three, part: part, first: crashes, second: whatFails, attrs: contentTypes})
	}
	list = slices.DeleteFunc(list, func(sc *scenario) bool { return sc.req.IfAbsent && !can.absent })
	for _, sc := range list {
		sc.crc = can.crc
		sc.provable = can.objectCRC || can.etags && sc.part > 0 // the ETag of a Put cannot be computed
	}
	return list
}

// notAltered is for a Put under IfAbsent: what the store took of it is noticed, and stays, since nothing may replace it.
func notAltered(op string) []fault.Kind {
	return slices.DeleteFunc(whatFails(op), func(k fault.Kind) bool { return k == fault.Altered })
}

// abilities are what a store can do beside what each must.
type abilities struct {
	crc       bool // it computes CRC-64s of parts
	objectCRC bool // and of objects
	etags     bool // the ETags of objects can be computed
	types     bool // it keeps a content type
	absent    bool // it publishes with IfAbsent
}

// looksAt tries them out.
func (g *stage) looksAt(t *testing.T) (can abilities) {
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	begin := func(attrs backend.Attributes, then func(backend.Upload) error) bool {
		u, err := g.b.Backend.Create(ctx, g.prefix+"abilities", attrs)
		if errors.Is(err, backend.ErrInvalid) {
			return false
		}
		if err == nil {
			err = then(u)
		}
		if err == nil {
			if err = g.b.Backend.Abort(ctx, u); errors.Is(err, backend.ErrNoSuchUpload) {
				err = nil
			}
		}
		if err != nil {
			t.Fatalf("begin an upload, send a part, complete and abort: %v", err)
		}
		return true
	}
	begin(backend.Attributes{}, func(u backend.Upload) error {
		p, err := g.b.Backend.UploadPart(ctx, u, 1, strings.NewReader("x"), 1)
		if err != nil {
			return err
		}
		_, err = g.b.Backend.Complete(ctx, u, []backend.Part{p}, backend.CompleteOptions{IfAbsent: true})
		if can.absent = !errors.Is(err, backend.ErrInvalid); !can.absent {
			t.Log("the store refuses IfAbsent, so that no upload asks for it")
			return nil
		}
		return err
	})
	can.types = begin(contentTypes(1), func(backend.Upload) error { return nil })
	begin(backend.Attributes{}, func(u backend.Upload) error {
		p, err := g.b.Backend.UploadPart(ctx, u, 1, strings.NewReader("x"), 1)
		if err != nil {
			return err
		}
		can.crc = p.CRC64 != nil
		parts := []backend.Part{p}
		if _, err = g.b.Backend.Complete(ctx, u, parts, backend.CompleteOptions{}); err != nil {
			return err
		}
		obj, err := g.b.Backend.Stat(ctx, u.Key)
		can.objectCRC = obj.CRC64 != nil
		if tagger, ok := backend.As[backend.ETagger](g.b.Backend); ok && obj.ETag != "" {
			_, can.etags = tagger.ETag(parts)
		}
		return err
	})
	return can
}

// contentTypes are what process n asks for: the first one thing, all others another.
func contentTypes(n int) backend.Attributes {
	return backend.Attributes{ContentType: []string{"text/plain", "text/html"}[min(n, 2)-1]}
}

// whatFails is all that can go wrong with a call. Abort and Delete do not stall: the engine makes them with a time limit of its own of
// 30 s, when its caller has given up or has what it wants.
func whatFails(op string) []fault.Kind {
	kinds := fault.Failures(op)
	if op == "Abort" || op == "Delete" {
		kinds = slices.DeleteFunc(kinds, func(k fault.Kind) bool { return k == fault.Stalled })
	}
	return kinds
}

// crashes are the failures after which another process goes on.
func crashes(op string) []fault.Kind {
	return slices.DeleteFunc(fault.Failures(op), func(k fault.Kind) bool {
		return k != fault.CrashBefore && k != fault.CrashAfter && k != fault.CrashLate
	})
}

func whatHappens(string) []fault.Kind {
	return slices.DeleteFunc(fault.Events(), func(k fault.Kind) bool { return k == fault.Occupied })
}

// changes are what happens to a source.
func changes(op string) []fault.Kind {
	return slices.DeleteFunc(whatHappens(op), func(k fault.Kind) bool { return k == fault.Expired })
}

func occupied(string) []fault.Kind { return []fault.Kind{fault.Occupied} }

func edited(string) []fault.Kind { return []fault.Kind{fault.Edited} }

func whatFailsOrExpires(op string) []fault.Kind { return append(whatFails(op), fault.Expired) }

// lateParts: the bytes of a part come late, after others may have taken their place.
func lateParts(op string) []fault.Kind {
	if op != "UploadPart" {
		return nil
	}
	return []fault.Kind{fault.Late, fault.CrashLate}
}

// faultsAt lists what may go wrong with the calls from a position on. in are the distances at which what is late takes effect; nil:
// all that make a difference, of which those beyond the calls here are in the next process.
func faultsAt(calls []fault.Call, from int, kinds func(op string) []fault.Kind, in []int) fault.Schedule {
	seen := map[string]int{}
	var list fault.Schedule
	for i, c := range calls[from:] {
		seen[c.Op]++
		distances := in
		if distances == nil {
			distances = upTo(storeCalls(calls[from+i:]) + storeCalls(calls))
		}
		for _, kind := range kinds(c.Op) {
			f := fault.Fault{Op: c.Op, N: seen[c.Op], Kind: kind}
			list = append(list, f)
			if kind == fault.Late || kind == fault.CrashLate {
				for _, f.In = range distances {
					list = append(list, f)
				}
			}
		}
	}
	return list
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// storeCalls counts the calls that time is measured in.
func storeCalls(calls []fault.Call) (n int) {
	for _, c := range calls {
		if c.Op != "ReadAt" && c.Op != "Version" {
			n++
		}
	}
	return n
}
