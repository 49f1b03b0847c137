package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// contended is how many positions the writers race for, each at every position.
const contended = 100

func contender(writer, at int) []byte { return fmt.Appendf(nil, `{"at":%d,"by":%d}`, at, writer) }

// contend appends at every position and returns those that it won. It cannot get ahead of the log's end: when it goes on to the next
// position, the log has a record at this one, its own or another's. So no writer needs to Load, and none ever waits.
func contend(ctx context.Context, s checkpoint.Store, id string, writer int) (won []int, err error) {
	for at := range contended {
		switch err := s.Append(ctx, id, at, contender(writer, at)); {
		case err == nil:
			won = append(won, at)
		case !errors.Is(err, checkpoint.ErrConflict):
			return won, fmt.Errorf("position %d: %w", at, err)
		}
	}
	return won, nil
}

// judge compares what each writer says that it won with the log.
func (c *check) judge(s checkpoint.Store, id string, won [][]int) {
	recs := c.load(s, id)
	if len(recs) != contended {
		c.Errorf("%d writers appended at every position from 0 to %d, and the log has %d records", len(won), contended-1, len(recs))
	}
	for at := range contended {
		var winners []int
		for w := range won {
			if slices.Contains(won[w], at) {
				winners = append(winners, w)
			}
		}
		switch {
		case len(winners) != 1:
			c.Errorf("at position %d Append returned nil to %d of %d writers: %v", at, len(winners), len(won), winners)
		case at < len(recs) && string(recs[at]) != string(contender(winners[0], at)):
			c.Errorf("at position %d Append returned nil to writer %d only, and the log has %s there", at, winners[0], show(recs[at]))
		}
	}
}

// race runs n goroutines that begin together, and waits for them.
func race(n int, run func(i int)) {
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			run(i)
		})
	}
	close(begin)
	wg.Wait()
}

func (c *check) contendThrough(s stores, handles []checkpoint.Store) {
	const writers = 8
	won := make([][]int, writers)
	race(writers, func(w int) {
		var err error
		if won[w], err = contend(c.ctx, handles[w%len(handles)], "id", w); err != nil {
			c.Errorf("Append by writer %d of %d: %v", w, writers, err)
		}
	})
	c.judge(s.open(), "id", won)
}

func goroutinesContend(c *check, s stores) { c.contendThrough(s, []checkpoint.Store{s.first}) }

func handlesContend(c *check, s stores) {
	c.contendThrough(s, []checkpoint.Store{s.first, s.open(), s.open(), s.open()})
}

// processesContend also has a writer in this process.
func processesContend(c *check, s stores) {
	if s.fixture.OneProcess {
		c.t.Log("the store lives in one process: goroutines contend instead")
		goroutinesContend(c, s)
		return
	}
	const processes = 4
	children := make([]*child, processes)
	for w := range children {
		children[w] = c.start(s, role{Play: "contend", ID: "id", Writer: w})
		defer children[w].end()
		children[w].hear() // it has its handle
	}
	for _, ch := range children {
		ch.goOn()
	}
	won := make([][]int, processes+1)
	var err error
	if won[processes], err = contend(c.ctx, s.first, "id", processes); err != nil {
		c.Errorf("Append by the process that started the others: %v", err)
	}
	for w, ch := range children {
		a := ch.hear()
		if a.Err != "" {
			c.Errorf("Append by process %d of %d: %s", w, processes, a.Err)
		}
		won[w] = a.Won
	}
	c.judge(s.first, "id", won)
}

// duels is how many times an Append and a Delete meet.
const duels = 60

func appendAgainstDelete(c *check, s stores) { c.duel(s, s.first, s.first) }

func appendAgainstDeleteOfAnother(c *check, s stores) { c.duel(s, s.first, s.open()) }

func (c *check) duel(s stores, appender, deleter checkpoint.Store) {
	for i := range duels {
		id := fmt.Sprintf("log %d", i)
		log := recordsOf(id, 2)
		next := record(id, 2)
		c.fill(s.first, id, 0, log...)
		var errs [2]error
		race(2, func(k int) {
			if k == i%2 {
				errs[0] = appender.Append(c.ctx, id, 2, next)
			} else {
				errs[1] = deleter.Delete(c.ctx, id, 2, log[1])
			}
		})
		var want [][]byte
		switch {
		case errs[0] == nil && errors.Is(errs[1], checkpoint.ErrConflict):
			want = append(log, next)
		case errs[1] == nil && errors.Is(errs[0], checkpoint.ErrConflict):
		default:
			c.Errorf("Append returned %v and Delete, at the same time and the same end, %v: want nil for one and ErrConflict for the other", errs[0], errs[1])
			continue
		}
		c.wantLog(s.open(), fmt.Sprintf("Append returned %v and Delete, at the same time, %v", errs[0], errs[1]), id, want)
	}
}

// readers load a log while another goroutine appends to it.
func readers(c *check, s stores) {
	const readers, positions = 3, 100
	want := recordsOf("id", positions)
	handles := []checkpoint.Store{s.first, s.open()}
	done := make(chan struct{})
	var loading sync.WaitGroup
	for i := range readers {
		loading.Go(func() {
			before := 0
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				recs, err := handles[i%len(handles)].Load(c.ctx, "id")
				if err != nil || !isPrefix(recs, want) || len(recs) < before {
					c.Errorf("Load while another appends: %v, %d records, which end in %q; before, it returned %d", err, len(recs), recs[max(0, len(recs)-2):], before)
					return
				}
				before = len(recs)
				runtime.Gosched() // else, where there is one processor, the appender would get a turn every 30 ms
			}
		})
	}
	for at, rec := range want {
		if err := s.first.Append(c.ctx, "id", at, rec); err != nil {
			c.Errorf("Append at %d while others load: %v", at, err)
			break
		}
	}
	close(done)
	loading.Wait()
}

// manyLogs has one writer for each log, so that no two meet in one.
func manyLogs(c *check, s stores) {
	const logs, records = 50, 12
	handles := []checkpoint.Store{s.first, s.open(), s.open()}
	id := func(i int) string { return fmt.Sprintf("log %d", i) }
	race(logs, func(i int) {
		for at := range records {
			if err := handles[i%len(handles)].Append(c.ctx, id(i), at, record(id(i), at)); err != nil {
				c.Errorf("Append at %d to log %d of %d that are written at the same time: %v", at, i, logs, err)
				return
			}
		}
		if i%3 == 0 {
			if err := handles[i%len(handles)].Delete(c.ctx, id(i), records, record(id(i), records-1)); err != nil {
				c.Errorf("Delete of log %d while others are written: %v", i, err)
			}
		}
	})
	for i := range logs {
		var want [][]byte
		if i%3 != 0 {
			want = recordsOf(id(i), records)
		}
		c.wantLog(s.open(), fmt.Sprintf("after %d logs were written at the same time", logs), id(i), want)
	}
}
