package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/conformance/fault"
)

// one returns a process with whose first call of op this goes wrong.
func one(op string, kind fault.Kind) (*fault.Faults, *fault.Process) {
	faults := fault.New(fault.Schedule{{Op: op, N: 1, Kind: kind}}, nil)
	return faults, faults.Process()
}

// plain hides all optional interfaces of a backend, and what it wraps.
type plain struct{ backend.MultipartBackend }

// TestOptionalInterfaces: the wrapper has exactly those of what it wraps, in all combinations, and they lead there.
func TestOptionalInterfaces(t *testing.T) {
	inner := memory.New(nil)
	base := plain{inner}
	for put := range 2 {
		for list := range 2 {
			for tag := range 2 {
				var b backend.MultipartBackend = base
				switch put + 2*list + 4*tag {
				case 1:
					b = struct {
						plain
						backend.Putter
					}{base, inner}
				case 2:
					b = struct {
						plain
						backend.UploadLister
					}{base, inner}
				case 3:
					b = struct {
						plain
						backend.Putter
						backend.UploadLister
					}{base, inner, inner}
				case 4:
					b = struct {
						plain
						backend.ETagger
					}{base, inner}
				case 5:
					b = struct {
						plain
						backend.Putter
						backend.ETagger
					}{base, inner, inner}
				case 6:
					b = struct {
						plain
						backend.UploadLister
						backend.ETagger
					}{base, inner, inner}
				case 7:
					b = inner
				}
				t.Run(fmt.Sprintf("Putter=%d/UploadLister=%d/ETagger=%d", put, list, tag), func(t *testing.T) {
					p := fault.New(nil, nil).Process()
					for _, w := range []backend.MultipartBackend{p.Backend(b), p.Backend(p.Backend(b))} {
						_, putter := backend.As[backend.Putter](w)
						_, lister := backend.As[backend.UploadLister](w)
						tagger, tags := backend.As[backend.ETagger](w)
						if putter != (put == 1) || lister != (list == 1) || tags != (tag == 1) {
							t.Errorf("found: %t, %t, %t", putter, lister, tags)
						}
						if _, past := backend.As[*memory.Backend](w); past {
							t.Error("As reaches past the wrapper")
						}
						if diff := cmp.Diff(inner.Info(), w.Info()); diff != "" {
							t.Error(diff)
						}
						if tags {
							parts := []backend.Part{{Number: 1, ETag: "A"}}
							want, _ := inner.ETag(parts)
							if got, ok := tagger.ETag(parts); got != want || !ok {
								t.Errorf("ETag: %q, %t", got, ok)
							}
						}
					}
				})
			}
		}
	}
}

func TestUploadsEndsWithTheProcess(t *testing.T) {
	r := newRig(t)
	if _, err := r.objects.Backend.Create(t.Context(), key, backend.Attributes{}); err != nil {
		t.Fatal(err)
	}
	_, p := one("Stat", fault.CrashBefore)
	b := p.Backend(r.objects)
	list, _ := backend.As[backend.UploadLister](b)
	var got []error
	for _, err := range list.Uploads(t.Context(), "") {
		got = append(got, err)
		_, _ = b.Stat(t.Context(), key)
	}
	if len(got) != 2 || got[0] != nil || !errors.Is(got[1], fault.ErrInjected) {
		t.Errorf("%v", got)
	}
	for range list.Uploads(t.Context(), "") {
		break // the loop's body may end it
	}
}

// body notes how far it is read and how often it is rewound.
type body struct {
	*bytes.Reader
	read, rewound int
}

func newBody() *body { return &body{Reader: bytes.NewReader(content)} }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p[:min(len(p), 3)]) // in small steps
	b.read += n
	return n, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.rewound++
	return b.Reader.Seek(offset, whence)
}

// TestBodies: what is read of a body, and what the store has in the end.
func TestBodies(t *testing.T) {
	altered := append([]byte{content[0] ^ 1}, content[1:]...)
	for _, op := range []string{"UploadPart", "Put"} {
		for _, c := range []struct {
			kind          fault.Kind
			read, rewound int
			stored        []byte
		}{
			{fault.Refused, 0, 0, nil},
			{fault.Torn, len(content) / 2, 0, nil},
			{fault.Lost, len(content), 0, content},
			{fault.Late, len(content), 0, content},
			{fault.Retried, 2 * len(content), 1, content},
			{fault.CrashBefore, 0, 0, nil},
			{fault.CrashAfter, len(content), 0, content},
			{fault.CrashLate, len(content), 0, content},
			{fault.Altered, len(content), 0, altered},
		} {
			t.Run(op+" "+string(c.kind), func(t *testing.T) {
				r, sent := newRig(t), newBody()
				faults, p := one(op, c.kind)
				b := p.Backend(r.objects)
				if op == "UploadPart" {
					_, _ = b.UploadPart(t.Context(), r.up, 1, sent, int64(len(content)))
				} else {
					put, _ := backend.As[backend.Putter](b)
					_, _ = put.Put(t.Context(), key, sent, int64(len(content)), backend.Attributes{}, backend.CompleteOptions{})
				}
				if sent.read != c.read || sent.rewound != c.rewound {
					t.Errorf("%d bytes were read, %d rewinds; want %d, %d", sent.read, sent.rewound, c.read, c.rewound)
				}
				faults.Settle()
				if sent.read != c.read {
					t.Error("the body was touched after the call had returned")
				}
				if op == "UploadPart" && c.stored != nil {
					parts, _, err := r.objects.Backend.ListParts(t.Context(), r.up, 0)
					if err == nil {
						_, err = r.objects.Backend.Complete(t.Context(), r.up, parts, backend.CompleteOptions{})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if got := stored(t, r); !bytes.Equal(got, c.stored) {
					t.Errorf("stored: %q, want %q", got, c.stored)
				}
			})
		}
	}
}

func stored(t *testing.T, r *rig) []byte {
	t.Helper()
	from, _, err := r.objects.Open(key)
	if errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// twice reads a body to its end, rewinds it, and reads it again, as one does that computes a checksum first.
type twice struct {
	backend.MultipartBackend
	first, second []byte
}

func (b *twice) UploadPart(_ context.Context, _ backend.Upload, _ int, body io.ReadSeeker, _ int64) (p backend.Part, err error) {
	if b.first, err = io.ReadAll(body); err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err == nil {
		b.second, err = io.ReadAll(body)
	}
	return p, err
}

// An altered body is the same at each reading, so that a checksum which the backend computes beforehand does not see it.
func TestAlteredAlike(t *testing.T) {
	inner := &twice{MultipartBackend: memory.New(nil)}
	_, p := one("UploadPart", fault.Altered)
	if _, err := p.Backend(inner).UploadPart(t.Context(), backend.Upload{}, 1, newBody(), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(inner.first, content) || !bytes.Equal(inner.first, inner.second) {
		t.Errorf("first %q, then %q", inner.first, inner.second)
	}
}

// A body that fails by itself: the call is not made later, and who was to crash crashes.
func TestBodyThatEndsEarly(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Late, fault.CrashLate} {
		r := newRig(t)
		faults, p := one("UploadPart", kind)
		_, err := p.Backend(r.objects).UploadPart(t.Context(), r.up, 2, newBody(), 1<<50)
		if err == nil || sentinel(err) != nil || p.Dead() != (kind == fault.CrashLate) {
			t.Errorf("%s: %v; dead: %t", kind, err, p.Dead())
		}
		if err := faults.Unfired(); err != nil {
			t.Error(err)
		}
	}
}

// A process that dies while a body is being read has sent nothing.
func TestCrashWithinABody(t *testing.T) {
	for _, op := range []string{"UploadPart", "Put"} {
		for _, kind := range []fault.Kind{fault.CrashBefore, fault.CrashAfter} {
			r := newRig(t)
			_, p := one("ReadAt", kind)
			b := p.Backend(r.objects)
			sent := io.NewSectionReader(p.Source(r.source), 0, int64(len(content)))
			var err error
			if op == "UploadPart" {
				_, err = b.UploadPart(t.Context(), r.up, 2, sent, sent.Size())
			} else {
				put, _ := backend.As[backend.Putter](b)
				_, err = put.Put(t.Context(), key, sent, sent.Size(), backend.Attributes{}, backend.CompleteOptions{})
			}
			if !errors.Is(err, fault.ErrInjected) || sentinel(err) != nil || !p.Dead() || r.of(op) != 0 {
				t.Errorf("%s, %s: %v; dead: %t; %d took effect", op, kind, err, p.Dead(), r.of(op))
			}
		}
	}
}

func TestRetriedCreateLeavesTwo(t *testing.T) {
	r := newRig(t)
	_, p := one("Create", fault.Retried)
	u, err := p.Backend(r.objects).Create(t.Context(), "another key", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for left := range r.objects.Uploads(t.Context(), "another key") {
		ids = append(ids, left.ID)
	}
	if len(ids) != 2 || ids[1] != u.ID {
		t.Errorf("uploads %v; the answer is %v", ids, u.ID)
	}
}

func TestStaleLeavesOutTheNewest(t *testing.T) {
	for _, c := range []struct {
		sent, stale, next []int
	}{
		{nil, []int{1}, []int{1}}, // part 1 was stored by somebody else
		{[]int{2, 3}, []int{1, 2}, []int{1, 2, 3}},
		{[]int{3, 2}, []int{1, 3}, []int{1, 2, 3}},
		{[]int{2, 1}, []int{2}, []int{1, 2}},
	} {
		r := newRig(t)
		faults, p := one("ListParts", fault.Stale)
		b := p.Backend(r.objects)
		for _, n := range c.sent {
			if _, err := b.UploadPart(t.Context(), r.up, n, newBody(), int64(len(content))); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range [][]int{c.stale, c.next} {
			parts, _, err := b.ListParts(t.Context(), r.up, 0)
			var got []int
			for _, part := range parts {
				got = append(got, part.Number)
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("after %v: %v (-want +got):\n%s", c.sent, err, diff)
			}
		}
		if err := faults.Unfired(); err != nil {
			t.Error(err)
		}
	}
}

// A part that did not get there is not the newest.
func TestStaleAfterATornPart(t *testing.T) {
	r := newRig(t)
	faults := fault.New(fault.Schedule{{Op: "UploadPart", N: 2, Kind: fault.Torn}, {Op: "ListParts", N: 1, Kind: fault.Stale}}, nil)
	b := faults.Process().Backend(r.objects)
	for _, n := range []int{2, 1} {
		_, _ = b.UploadPart(t.Context(), r.up, n, newBody(), int64(len(content)))
	}
	if parts, _, err := b.ListParts(t.Context(), r.up, 0); len(parts) != 1 || parts[0].Number != 1 || err != nil {
		t.Errorf("%v, %v", parts, err)
	}
}

// An error of what is wrapped is passed on as it is, with no effect and no value.
func TestOwnErrors(t *testing.T) {
	r := newRig(t)
	faults := fault.New(nil, nil)
	b := faults.Process().Backend(r.objects)
	gone := backend.Upload{Key: key, ID: "gone"}
	if _, err := b.UploadPart(t.Context(), gone, 1, newBody(), 10); !errors.Is(err, backend.ErrNoSuchUpload) {
		t.Errorf("%v", err)
	}
	if parts, more, err := b.ListParts(t.Context(), gone, 0); !errors.Is(err, backend.ErrNoSuchUpload) || parts != nil || more {
		t.Errorf("%v, %t, %v", parts, more, err)
	}
	for _, c := range faults.Calls() {
		if c.Effect || c.Kind != "" || c.Upload != "gone" || c.Key != key || !errors.Is(c.Err, backend.ErrNoSuchUpload) {
			t.Errorf("%+v", c)
		}
	}
}
