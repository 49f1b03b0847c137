package conformance

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

func listing(c *check, s stores) {
	var want []string
	for i := range 9 {
		id := fmt.Sprintf("oss://bucket/key %d from /data/file", i)
		want = append(want, id)
		c.fill(s.first, id, 0, recordsOf(id, i%3+1)...)
	}
	c.wantIDs(s.first, "with 9 logs", want...)
	c.wantIDs(s.open(), "with 9 logs, through another handle", want...)
	for range s.first.IDs(c.ctx) {
		break
	}
	loops := 0
	for id, err := range s.first.IDs(c.ctx) {
		if err != nil {
			c.Fatalf("IDs, whose loop uses the store: %v", err)
		}
		loops++
		if len(c.load(s.first, id)) == 0 {
			c.Errorf("IDs lists %.40q, and Load returns no records of it", id)
		}
	}
	if loops != len(want) {
		c.Errorf("IDs, whose loop uses the store, lists %d logs of %d", loops, len(want))
	}
	c.wantIDs(s.first, "after a listing that was left early", want...)
}

// listingMany has more logs than a page of a listing has in the usual stores, 1000.
func listingMany(c *check, s stores) {
	const logs = 1100
	want := make([]string, logs)
	for i := range want {
		want[i] = fmt.Sprintf("log %04d", i)
	}
	const writers = 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < logs; i += writers {
				if err := s.first.Append(c.ctx, want[i], 0, record(want[i], 0)); err != nil {
					c.Errorf("cannot be examined: Append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	c.wantIDs(s.first, fmt.Sprintf("with %d logs", logs), want...)
}

// oddNames are IDs of which a store that makes a file name, a key or a line of them confuses some.
func oddNames() []string {
	long := strings.Repeat("x", 1020)
	names := []string{
		"a", "A", "a ", " a", " ", "  ", "\t", "a\t", "a.", "a..", ".", "..", "...", "./a", "a/", "a//", "a/b", "a/./b", "a/../a", "../a", "/a", "//a", "/", "//",
		`\`, `a\b`, `..\a`, `C:\a`, "C:a", "c:a", "~", "~/a", "$HOME", "%41", "%61", "a%2Fb", "a+b", "a b", "a?b", "a*b", "a|b", `a"b`, "a'b", "a<b", "a:b", "a#b", "a;b",
		"a\x00", "a\x00b", "\x00", "a\nb", "a\n", "\n", "a\r\nb", "\x7f", "\x01", "\x1b[2J", "\u0085", "\u2028", "\ufeffa", "\u200ba",
		"\u00e9", "e\u0301", "\u00c9", "\u212b", "\u00c5", "\u017f", "s", "S", "\u0131", "i", "I", "\u0130", "\ufb01", "fi", "\u00df", "ss", "\U0001f4be", "\xff", "\xfe\xff", "\xc3", "\xe9", "\ufffd",
		"con", "CON", "con.txt", "nul", "NUL", "aux", "COM1", "lpt1.log", "guard.lock", "a.log", "a.log.new", "a.lock", "a.json", "index", ".git", "desktop.ini",
		"null", "true", "0", "00", "-1", "{}", "[]", `""`, "-", "--", "-rf", "id", "oss://bucket/key from /data/big.iso", "oss://bucket/key from /data/big.iso ",
		long, long + "a", long + "A", long + "ab", long + "abcd", long + "abcD", strings.Repeat("\x00", 1024), strings.Repeat("\xff", 1024), strings.Repeat("/", 1024), strings.Repeat("\u00e9", 512),
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 100) + "/" + strings.Repeat("x", 100),
	}
	return names
}

func oddIDs(c *check, s stores) {
	names := oddNames()
	logs := make(map[string][][]byte)
	for i, id := range names {
		if _, twice := logs[id]; twice {
			c.Fatalf("cannot be examined: %q is there twice", id)
		}
		logs[id] = [][]byte{fmt.Appendf(nil, `"first of log %d"`, i), fmt.Appendf(nil, `"second of log %d"`, i)}
		for at, rec := range logs[id] {
			if err := s.first.Append(c.ctx, id, at, rec); err != nil {
				c.Errorf("Append(%.40q, %d), an ID of %d bytes: %v", id, at, len(id), err)
				break
			}
		}
	}
	check := func(when string, h checkpoint.Store) {
		exist := make([]string, 0, len(logs))
		for _, id := range names {
			c.wantLog(h, when, id, logs[id])
			if logs[id] != nil {
				exist = append(exist, id)
			}
		}
		c.wantIDs(h, when, exist...)
	}
	check("with logs of odd IDs", s.first)
	for i, id := range names {
		if i%2 == 1 {
			continue
		}
		if err := s.first.Delete(c.ctx, id, 2, logs[id][1]); err != nil {
			c.Errorf("Delete(%.40q): %v", id, err)
		}
		logs[id] = nil
	}
	check("after every other log was deleted", s.open())
}

func invalidIDs(c *check, s stores) {
	longest := strings.Repeat("x", 1024)
	c.fill(s.first, longest, 0, recordsOf("longest", 1)...)
	exist := []string{longest}
	for _, id := range []string{"", longest + "x", longest + strings.Repeat("x", 3*1024), longest + "\x00"} {
		what := fmt.Sprintf("an ID of %d bytes", len(id))
		err := s.first.Append(c.ctx, id, 0, record("invalid", 0))
		switch {
		case err == nil: // an ID like any other
			exist = append(exist, id)
			c.wantLog(s.first, "after Append took "+what, id, [][]byte{record("invalid", 0)})
		case !errors.Is(err, checkpoint.ErrInvalid):
			c.Errorf("Append with %s: %v, want ErrInvalid", what, err)
		default:
			c.refused(s.first, what, id)
		}
		c.wantLog(s.first, "after the methods were called with "+what, longest, recordsOf("longest", 1))
	}
	c.wantIDs(s.first, "after the methods were called with IDs that are empty or too long", exist...)
}

// refused calls the other methods with an ID that Append does not take.
func (c *check) refused(s checkpoint.Store, what, id string) {
	calls := map[string]func() error{
		"Load": func() error {
			recs, err := s.Load(c.ctx, id)
			if len(recs) > 0 {
				c.Errorf("Load with %s, which Append does not take, returns %d records", what, len(recs))
			}
			return err
		},
		"Delete":               func() error { return s.Delete(c.ctx, id, 0, nil) },
		"Delete of one record": func() error { return s.Delete(c.ctx, id, 1, record("longest", 0)) },
	}
	if l, ok := s.(checkpoint.Locker); ok {
		calls["Lock"] = func() error {
			unlock, err := l.Lock(c.ctx, id)
			if err == nil {
				c.must("unlock", unlock())
			}
			return err
		}
	}
	if y, ok := s.(checkpoint.Syncer); ok {
		calls["Sync"] = func() error { return y.Sync(c.ctx, id) }
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, checkpoint.ErrInvalid) {
			c.Errorf("%s with %s, which Append does not take: %v, want ErrInvalid", name, what, err)
		}
	}
}
