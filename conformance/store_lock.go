package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// atOnce is how long a Lock may take that is to return at once. It waits for nobody, but may ask a service far away on a bad day.
const atOnce = 5 * time.Second

// lease is how long after the death of its process a lock may be seen: one that others keep by a lease, and not by the operating system,
// needs some time to be sure.
const lease = 10 * time.Second

// lockers are handles that can lock.
func (s stores) lockers(c *check, handles ...checkpoint.Store) (lockers []checkpoint.Locker, ok bool) {
	for _, h := range handles {
		l, ok := h.(checkpoint.Locker)
		if !ok {
			c.t.Log("the store is no Locker")
			return nil, false
		}
		lockers = append(lockers, l)
	}
	return lockers, true
}

// lock takes a lock that nobody has.
func (c *check) lock(l checkpoint.Locker, id string) (unlock func() error) {
	unlock, err := l.Lock(c.ctx, id)
	if err != nil {
		c.Fatalf("cannot be examined: Lock(%q), which nobody holds: %v", id, err)
	}
	return unlock
}

// wantRefused tries to take a lock that somebody has.
func (c *check) wantRefused(l checkpoint.Locker, who, id string) {
	ctx, cancel := context.WithTimeout(c.ctx, atOnce)
	defer cancel()
	unlock, err := l.Lock(ctx, id)
	if err == nil {
		c.Errorf("Lock by %s of what is locked returned nil, want an *InUseError", who)
		c.must("unlock", unlock())
		return
	}
	if ctx.Err() != nil {
		c.Fatalf("Lock by %s of what is locked waited: after %v, when its context was done, it returned: %v; want an *InUseError at once", who, atOnce, err)
	}
	if refused := refusal(err, id); refused != inUse {
		c.Errorf("Lock by %s of what is locked: %s", who, refused)
	}
}

// inUse is the refusal as it should be.
const inUse = "in use"

// refusal says what is wrong with the error of a Lock of what is locked.
func refusal(err error, id string) string {
	var e *checkpoint.InUseError
	switch {
	case !errors.As(err, &e):
		return fmt.Sprintf("%v (%T), want an *InUseError", err, err)
	case !errors.Is(err, checkpoint.ErrInUse):
		return fmt.Sprintf("%v is not ErrInUse", err)
	case e.ID != id:
		return fmt.Sprintf("the *InUseError names the ID %q, want %q", e.ID, id)
	case e.Since.After(time.Now().Add(24 * time.Hour)): // clocks of machines differ, not that much
		return fmt.Sprintf("the *InUseError says that it is locked since %v", e.Since)
	}
	return inUse
}

func lockRefusesOneHandle(c *check, s stores) {
	if l, ok := s.lockers(c, s.first); ok {
		defer c.lock(l[0], "id")()
		c.wantRefused(l[0], "the same handle", "id")
		c.wantRefused(l[0], "the same handle again", "id")
	}
}

func lockRefusesTwoHandles(c *check, s stores) {
	l, ok := s.lockers(c, s.first, s.open())
	if !ok {
		return
	}
	defer c.lock(l[0], "id")()
	c.wantRefused(l[1], "another handle", "id")
	if after, ok := s.lockers(c, s.open()); ok {
		c.wantRefused(after[0], "a handle opened after", "id")
	}
}

func lockRefusesProcesses(c *check, s stores) {
	l, ok := s.lockers(c, s.first)
	if !ok {
		return
	}
	if s.fixture.OneProcess {
		c.t.Log("the store lives in one process")
		return
	}
	defer c.lock(l[0], "id of this process")()
	other := c.start(s, role{Play: "lock", ID: "id of this process"})
	defer other.end()
	if a := other.hear(); a.Lock == "" {
		c.Errorf("Lock in another process of what this one has locked returned nil, want an *InUseError")
	} else if a.Lock != inUse {
		c.Errorf("Lock in another process of what this one has locked: %s", a.Lock)
	}

	holder := c.start(s, role{Play: "lock", ID: "id of another"})
	defer holder.end()
	if a := holder.hear(); a.Lock != "" {
		c.Fatalf("Lock in another process of what nobody has locked: %s", a.Lock)
	}
	c.wantRefused(l[0], "this process while another has it", "id of another")
}

func unlockFrees(c *check, s stores) {
	l, ok := s.lockers(c, s.first, s.open())
	if !ok {
		return
	}
	for i := range 6 { // by the same handle and by the other one
		unlock, err := l[i/2%2].Lock(c.ctx, "id")
		if err != nil {
			c.Fatalf("Lock after unlock, the lock number %d: %v", i+1, err)
		}
		if err := unlock(); err != nil {
			c.Errorf("unlock: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(c.ctx)
	unlock, err := l[0].Lock(ctx, "id")
	c.must("Lock", err)
	cancel()
	if err := unlock(); err != nil {
		c.Errorf("unlock after the context of Lock was done: %v", err)
	}
	if unlock, err = l[1].Lock(c.ctx, "id"); err != nil {
		c.Fatalf("Lock after unlock, which was called when the context of Lock was done: %v", err)
	}
	c.must("unlock", unlock())
}

func lockOfOneID(c *check, s stores) {
	l, ok := s.lockers(c, s.first, s.open())
	if !ok {
		return
	}
	defer c.lock(l[0], "id")()
	for i, id := range []string{"i", "id2", "other"} {
		unlock, err := l[i%2].Lock(c.ctx, id)
		if err != nil {
			c.Errorf("Lock(%q) while %q is locked: %v", id, "id", err)
			continue
		}
		defer unlock()
	}
}

func lockDiesWithItsProcess(c *check, s stores) {
	l, ok := s.lockers(c, s.first)
	if !ok {
		return
	}
	if s.fixture.OneProcess {
		c.t.Log("the store lives in one process")
		return
	}
	holder := c.start(s, role{Play: "lock", ID: "id"})
	defer holder.end()
	if a := holder.hear(); a.Lock != "" {
		c.Fatalf("cannot be examined: Lock in another process of what nobody has locked: %s", a.Lock)
	}
	holder.kill()
	ctx, cancel := context.WithTimeout(c.ctx, lease)
	defer cancel()
	again := time.NewTicker(lease / 100)
	defer again.Stop()
	for {
		unlock, err := l[0].Lock(ctx, "id")
		if err == nil {
			c.must("unlock", unlock())
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			c.Fatalf("Lock %v after the process that had it was killed: %v", lease, err)
		}
	}
}

func holderWorks(c *check, s stores) {
	l, ok := s.lockers(c, s.first)
	if !ok {
		return
	}
	unlock := c.lock(l[0], "id")
	defer func() {
		if unlock != nil {
			unlock()
		}
	}()
	c.wantLog(s.first, "by the holder of the lock, with no log", "id", nil)
	c.wantIDs(s.first, "by the holder of the lock, with no log")
	var want [][]byte
	for at := range 3 {
		want = append(want, record("id", at))
		if err := s.first.Append(c.ctx, "id", at, want[at]); err != nil {
			c.Fatalf("Append by the holder of the lock: %v", err)
		}
	}
	c.wantLog(s.first, "by the holder of the lock", "id", want)
	c.wantIDs(s.first, "by the holder of the lock", "id")
	if err := s.first.Delete(c.ctx, "id", 3, want[2]); err != nil {
		c.Errorf("Delete by the holder of the lock: %v", err)
	}
	c.wantLog(s.first, "after Delete by the holder of the lock", "id", nil)
	err := unlock()
	unlock = nil
	if err != nil {
		c.Errorf("unlock after the log was deleted: %v", err)
	}
	c.wantIDs(s.first, "after the log was deleted and unlocked")
}
