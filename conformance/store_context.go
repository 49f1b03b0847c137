package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func contextDone(c *check, s stores) {
	cancelled, cancel := context.WithCancel(c.ctx)
	cancel()
	expired, cancel := context.WithTimeout(c.ctx, 0)
	defer cancel()
	want := recordsOf("id", 2)
	c.fill(s.first, "id", 0, want...)
	for name, ctx := range map[string]context.Context{"was cancelled": cancelled, "has expired": expired} {
		calls := map[string]func() error{
			"Load": func() error {
				recs, err := s.first.Load(ctx, "id")
				if len(recs) > 0 && err != nil {
					c.Errorf("Load with a context that %s returns %d records and %v", name, len(recs), err)
				}
				return err
			},
			"Append":           func() error { return s.first.Append(ctx, "id", 2, record("id", 2)) },
			"Append at 0":      func() error { return s.first.Append(ctx, "new", 0, record("new", 0)) },
			"Delete":           func() error { return s.first.Delete(ctx, "id", 2, want[1]) },
			"IDs, its loop's,": func() (last error) { return lastError(s.first, ctx) },
		}
		if l, ok := s.first.(checkpoint.Locker); ok {
			calls["Lock"] = func() error {
				unlock, err := l.Lock(ctx, "id")
				if err == nil {
					c.must("unlock", unlock())
				}
				return err
			}
		}
		if y, ok := s.first.(checkpoint.Syncer); ok {
			calls["Sync"] = func() error { return y.Sync(ctx, "id") }
		}
		for call, run := range calls {
			if err := run(); !errors.Is(err, ctx.Err()) {
				c.Errorf("%s with a context that %s: the error is %v, want one that is the context's", call, name, err)
			}
		}
		when := fmt.Sprintf("after calls with a context that %s", name)
		c.wantLog(s.first, when, "id", want)
		c.wantLog(s.first, when, "new", nil)
		c.wantIDs(s.first, when, "id")
	}
	if l, ok := s.first.(checkpoint.Locker); ok {
		unlock, err := l.Lock(c.ctx, "id")
		if err != nil {
			c.Fatalf("Lock after one with a context that was done: %v", err)
		}
		c.must("unlock", unlock())
	}
}

func lastError(s checkpoint.Store, ctx context.Context) (last error) {
	for _, err := range s.IDs(ctx) {
		last = err
	}
	return last
}

// contextDoneWhileListing: IDs may go on with what it has, or end with the error.
func contextDoneWhileListing(c *check, s stores) {
	const logs = 20
	for i := range logs {
		id := fmt.Sprintf("log %d", i)
		c.fill(s.first, id, 0, record(id, 0))
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	listed := 0
	var last error
	for _, err := range s.first.IDs(ctx) {
		cancel()
		if last != nil {
			c.Errorf("IDs goes on after an error")
		}
		if last = err; err == nil {
			listed++
		}
	}
	switch {
	case last == nil && listed < logs:
		c.Errorf("IDs, whose context was cancelled after the first of %d logs, ends after %d without an error", logs, listed)
	case last != nil && !errors.Is(last, context.Canceled):
		c.Errorf("IDs, whose context was cancelled after the first of %d logs: the error is %v, want one that is the context's", logs, last)
	}
}
