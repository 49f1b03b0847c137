package conformance

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// stores leads a probe to its logs, through as many handles as it takes.
type stores struct {
	t          *testing.T
	dir        string
	newFixture NewStore

	fixture Store            // as it was made first
	first   checkpoint.Store // its handle
}

// newStores makes the logs of one subtest. In a process that such a subtest started it plays that process's role instead and does not return.
func newStores(t *testing.T, newFixture NewStore) stores {
	if r, ok := assigned(t); ok {
		r.play(t, newFixture)
		os.Exit(0) // without clean-up, which is the starting process's
	}
	return storesIn(t, t.TempDir(), newFixture)
}

func storesIn(t *testing.T, dir string, newFixture NewStore) stores {
	f := newFixture(t, dir)
	return stores{t, dir, newFixture, f, f.Store}
}

// open returns another handle on the same logs, if there can be one.
func (s stores) open() checkpoint.Store {
	if s.fixture.OneProcess {
		return s.first
	}
	return s.newFixture(s.t, s.dir).Store
}

// fresh makes logs in another place.
func (s stores) fresh() stores { return storesIn(s.t, s.t.TempDir(), s.newFixture) }

// record is a short record that tells who wrote it.
func record(id string, at int) []byte { return fmt.Appendf(nil, `{"of":%q,"at":%d}`, id, at) }

// recordsOf are the first n records that a probe appends to id, if nothing about their content matters.
func recordsOf(id string, n int) [][]byte {
	var recs [][]byte
	for at := range n {
		recs = append(recs, record(id, at))
	}
	return recs
}

// fill appends records to a log that has from of them. That this works is other rules' matter: if it does not, the check ends.
func (c *check) fill(s checkpoint.Store, id string, from int, recs ...[]byte) {
	for i, rec := range recs {
		if err := s.Append(c.ctx, id, from+i, rec); err != nil {
			c.Fatalf("cannot be examined: Append(%.40q, %d, %s): %v", id, from+i, show(rec), err)
		}
	}
}

// load returns the records of a log that can be read.
func (c *check) load(s checkpoint.Store, id string) [][]byte {
	recs, err := s.Load(c.ctx, id)
	if err != nil {
		c.Fatalf("cannot be examined: Load(%.40q): %v", id, err)
	}
	return recs
}

// wantLog loads id and compares. when says what was done before.
func (c *check) wantLog(s checkpoint.Store, when, id string, want [][]byte) {
	got, err := s.Load(c.ctx, id)
	if err != nil {
		c.Errorf("%s: Load(%.40q): %v", when, id, err)
		return
	}
	if diff := difference(got, want); diff != "" {
		c.Errorf("%s: Load(%.40q) returns %s", when, id, diff)
	}
}

// list returns what IDs yields, sorted.
func (c *check) list(s checkpoint.Store) []string {
	var ids []string
	for id, err := range s.IDs(c.ctx) {
		if err != nil {
			c.Errorf("IDs: %v", err)
			break
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// wantIDs lists and compares. want need not be sorted.
func (c *check) wantIDs(s checkpoint.Store, when string, want ...string) {
	got := c.list(s)
	slices.Sort(want)
	for len(got) > 0 || len(want) > 0 {
		switch {
		case len(want) == 0 || len(got) > 0 && got[0] < want[0]:
			c.Errorf("%s: IDs lists %.40q, or lists it too often", when, got[0])
			got = got[1:]
		case len(got) == 0 || want[0] < got[0]:
			c.Errorf("%s: IDs does not list %.40q", when, want[0])
			want = want[1:]
		default:
			got, want = got[1:], want[1:]
		}
	}
}

// difference says in what two logs differ, and nothing if they do not.
func difference(got, want [][]byte) string {
	for at := range min(len(got), len(want)) {
		if !bytes.Equal(got[at], want[at]) {
			return fmt.Sprintf("as record %d %s, want %s", at, show(got[at]), show(want[at]))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d records, want %d", len(got), len(want))
	}
	return ""
}

// show prints a record, shortened.
func show(rec []byte) string {
	const most = 80
	if len(rec) > most {
		return fmt.Sprintf("%q… (%d bytes)", rec[:most], len(rec))
	}
	return fmt.Sprintf("%q", rec)
}

// isPrefix reports whether got are the first records of want.
func isPrefix(got, want [][]byte) bool {
	return len(got) <= len(want) && difference(got, want[:len(got)]) == ""
}
