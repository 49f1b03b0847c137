package conformance

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// blackout is one power cut: a log in a new place, of which some records were appended before a Sync and some after.
type blackout struct {
	before string // what became of the place before
	synced int    // records, in so many Syncs
	late   int    // records that were appended after the last Sync
}

func (b blackout) String() string {
	return fmt.Sprintf("%s; %d records, a Sync after each; %d records without", b.before, b.synced, b.late)
}

const (
	untouched  = "a place never used"
	deleted    = "a synced log deleted and begun anew"
	beside     = "beside another log, which was synced"
	lockedOnce = "a place where only a Lock was taken"
	inherited  = "a log begun by another handle, which did not sync"
)

// powerCuts examines what power cuts leave. A cut takes as it likes: so every case is tried again and again.
func (c *check) powerCuts(s stores, judge func(what string, h checkpoint.Store, b blackout, all, got [][]byte)) {
	if s.fixture.PowerCut == nil {
		c.t.Log("the fixture has no PowerCut")
		return
	}
	const again = 4
	for range again {
		for _, before := range []string{untouched, deleted, beside, lockedOnce, inherited} {
			for synced := range 4 {
				for late := range 3 {
					b := blackout{before, synced, late}
					h, all := c.blackOut(s.fresh(), b)
					got, err := h.Load(c.ctx, "id")
					if err != nil && !errors.Is(err, checkpoint.ErrDamaged) {
						c.Errorf("%v; power cut: Load: %v", b, err)
						continue
					}
					judge(fmt.Sprintf("%v; power cut: Load returns %d records, %q", b, len(got), got), h, b, all, got)
				}
			}
		}
	}
}

// blackOut lets it happen and returns a handle on what is left, and all records that were appended.
func (c *check) blackOut(s stores, b blackout) (h checkpoint.Store, all [][]byte) {
	syncer, _ := s.first.(checkpoint.Syncer)
	sync := func(id string) {
		if syncer != nil {
			c.must("Sync", syncer.Sync(c.ctx, id))
		}
	}
	all = recordsOf("id", b.synced+b.late)
	begun := 0
	switch b.before {
	case deleted:
		old := recordsOf("old", 3)
		c.fill(s.first, "id", 0, old...)
		sync("id")
		c.must("Delete", s.first.Delete(c.ctx, "id", len(old), old[len(old)-1]))
	case beside:
		c.fill(s.first, "other", 0, recordsOf("other", 2)...)
		sync("other")
	case lockedOnce:
		if l, ok := s.first.(checkpoint.Locker); ok {
			c.must("unlock", c.lock(l, "id")())
		}
	case inherited:
		if syncer != nil && b.synced > 0 {
			c.fill(s.open(), "id", 0, all[0])
			begun = 1
			sync("id")
		}
	}
	for at := begun; at < len(all); at++ {
		c.fill(s.first, "id", at, all[at])
		if at < b.synced {
			sync("id")
		}
	}
	return s.fixture.PowerCut(), all
}

func syncedSurvives(c *check, s stores) {
	_, isSyncer := s.first.(checkpoint.Syncer)
	c.powerCuts(s, func(what string, _ checkpoint.Store, b blackout, all, got [][]byte) {
		durable := all[:b.synced]
		if !isSyncer {
			durable = all
		}
		if len(durable) > 0 && !isPrefix(durable, got) {
			c.Errorf("%s, want at least the %d that were durable", what, len(durable))
		}
	})
}

func unsyncedIsAPrefix(c *check, s stores) {
	c.powerCuts(s, func(what string, h checkpoint.Store, b blackout, all, got [][]byte) {
		// A Delete is not synced: until the new log is, the old one may be back.
		back := b.before == deleted && b.synced == 0 && len(got) > 0 && isPrefix(got, recordsOf("old", 3))
		if !back && !isPrefix(got, all) {
			c.Errorf("%s, want the first of those appended", what)
			return
		}
		next := []byte(`"appended after the power cut"`)
		if err := h.Append(c.ctx, "id", len(got), next); err != nil {
			c.Errorf("%s; Append at %d, to go on: %v", what, len(got), err)
			return
		}
		c.wantLog(h, what+"; a record is appended", "id", append(slices.Clone(got), next))
	})
}
