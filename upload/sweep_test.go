package upload_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// process is what a process has in its hands. When it dies, at a given call, none of its calls has an effect any more.
type process struct {
	left   int  // calls until it dies
	effect bool // whether the last call still has its effect
	dead   bool
	calls  int
}

var errDead = errors.New("the process is dead")

func (p *process) before(call) error {
	p.calls++
	if p.dead {
		return errDead
	}
	if p.left--; p.left == 0 && !p.effect {
		p.dead = true
		return errDead
	}
	return nil
}

func (p *process) after(_ call, err error) error {
	if p.left == 0 && p.effect {
		p.dead = true
	}
	if p.dead {
		return errDead
	}
	return err
}

// TestEveryInterruption kills the process at every call to either store, before it took effect and after, one death and two in
// a row, and resumes.
func TestEveryInterruption(t *testing.T) {
	data := bytesOf(1, 3*partSize+500)
	for _, mode := range []struct {
		name string
		opts func() *upload.Options
		req  upload.Request
	}{
		{"parts", options, upload.Request{PartSize: partSize}},
		{"parts if absent", options, upload.Request{PartSize: partSize, IfAbsent: true}},
		{"put", func() *upload.Options { return &upload.Options{Retry: quick} }, upload.Request{}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			clean := &process{left: -1}
			sweepOnce(t, data, mode.opts(), mode.req, clean)
			if clean.calls < 5 {
				t.Fatalf("only %d calls", clean.calls)
			}
			for first := 1; first <= clean.calls; first++ {
				for _, effect := range []bool{false, true} {
					t.Run(fmt.Sprintf("call=%d/effect=%t", first, effect), func(t *testing.T) {
						sweepOnce(t, data, mode.opts(), mode.req, &process{left: first, effect: effect})
						for second := 1; second <= clean.calls+4; second++ {
							sweepOnce(t, data, mode.opts(), mode.req, &process{left: first, effect: effect}, &process{left: second, effect: !effect})
						}
					})
				}
			}
		})
	}
}

func sweepOnce(t *testing.T, data []byte, opts *upload.Options, req upload.Request, deaths ...*process) {
	t.Helper()
	objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
	var sent int64
	ended := false
	for _, p := range append(deaths, &process{left: -1}) {
		b := &tap{inner: objects, before: p.before, after: p.after}
		l := &logTap{inner: logs, before: p.before, after: p.after}
		res, err := upload.New(b, l, opts).Upload(t.Context(), key, src, &req)
		if err != nil && !p.dead {
			t.Fatalf("after %v: %v", deathsOf(deaths), err)
		}
		sent += res.Sent
		// One that deleted the log had ended, whether it lived to say so or not; the next call would be another upload.
		if _, err := objects.Stat(t.Context(), key); err == nil && !logLeft(logs) {
			ended = true
			break
		}
	}
	if !ended {
		t.Fatalf("after %v: the object is not there, or a log is left", deathsOf(deaths))
	}
	checkObject(t, objects, data)
	if limit := int64(len(data) + len(deaths)*partSize); opts.Threshold < 0 && sent > limit {
		t.Errorf("after %v: %d bytes sent of %d, and one part may be lost with each death", deathsOf(deaths), sent, len(data))
	}
	left := unfinished(t, objects)
	for _, id := range left {
		parts, _, err := objects.ListParts(t.Context(), backend.Upload{Key: key, ID: id}, 0)
		if err != nil || len(parts) > 0 {
			t.Errorf("after %v: an upload with %d parts is left: %v", deathsOf(deaths), len(parts), err)
		}
	}
	if len(left) > len(deaths) {
		t.Errorf("after %v: %d empty uploads are left", deathsOf(deaths), len(left))
	}
}

func deathsOf(deaths []*process) (s []string) {
	for _, p := range deaths {
		s = append(s, fmt.Sprintf("{calls %d, effect of the last %t}", p.calls, p.effect))
	}
	return s
}

func logLeft(logs *checkpoint.Memory) bool {
	for range logs.IDs(context.Background()) {
		return true
	}
	return false
}
