package conformance

import (
	"fmt"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func handlesSee(c *check, s stores) {
	before := s.open()
	for name, h := range map[string]checkpoint.Store{"the first handle": s.first, "a handle opened before": before} {
		c.wantLog(h, "before anything was appended, through "+name, "id", nil)
		c.wantIDs(h, "before anything was appended, through "+name)
	}
	var want [][]byte
	for at := range 4 {
		want = append(want, record("id", at))
		c.fill([]checkpoint.Store{s.first, before}[at%2], "id", at, want[at])
		for name, h := range map[string]checkpoint.Store{"the first handle": s.first, "a handle opened before": before, "one opened after": s.open()} {
			when := fmt.Sprintf("after Append at %d, through %s", at, name)
			c.wantLog(h, when, "id", want)
			c.wantIDs(h, when, "id")
		}
	}
	c.must("Delete", before.Delete(c.ctx, "id", len(want), want[len(want)-1]))
	for name, h := range map[string]checkpoint.Store{"the first handle": s.first, "a handle opened before": before, "one opened after": s.open()} {
		c.wantLog(h, "after Delete, through "+name, "id", nil)
		c.wantIDs(h, "after Delete, through "+name)
	}
}

func processesSee(c *check, s stores) {
	if s.fixture.OneProcess {
		c.t.Log("the store lives in one process")
		return
	}
	want := recordsOf("id", 2)
	c.wantLog(s.first, "before anything was appended", "id", nil)
	c.fill(s.first, "id", 0, want...)
	watcher := c.start(s, role{Play: "look", ID: "id"})
	defer watcher.end()
	saw := func(when string) {
		a := watcher.hear()
		if a.Err != "" {
			c.Errorf("another process, %s: %s", when, a.Err)
		}
		if diff := difference(a.Records, want); diff != "" {
			c.Errorf("another process, %s: Load returns %s", when, diff)
		}
		if len(a.IDs) != 1 || a.IDs[0] != "id" {
			c.Errorf("another process, %s: IDs lists %q, want the one log", when, a.IDs)
		}
	}
	saw("started after the Appends")

	third := c.start(s, role{Play: "append", ID: "id"})
	defer third.end()
	if a := third.hear(); a.Err != "" {
		c.Errorf("Append in another process: %s", a.Err)
	}
	want = append(want, record("id", 2))
	c.wantLog(s.first, "after an Append in another process", "id", want)

	want = append(want, record("id", 3))
	if err := s.first.Append(c.ctx, "id", 3, want[3]); err != nil {
		c.Errorf("Append behind the record of another process: %v", err)
	}
	watcher.goOn()
	saw("started before the last Appends")
}
