package conformance

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hang is how long a check may take before it is taken for one that hangs. It is far beyond what any needs: a slow store under the
// race detector stays below a tenth of it.
const hang = 2 * time.Minute

// probe examines one rule, with a fixture of its own.
type probe[F any] struct {
	rule string // the ID
	name string // of the subtest; unique within the rule
	run  func(c *check, f F)
}

// check is one run of a probe.
type check struct {
	t     *testing.T // for fixtures, temporary directories and clean-up; violations go through Errorf
	ctx   context.Context
	rule  Rule
	name  string // RULE/name
	found func(violation)
}

// violation is what a check saw against its rule.
type violation struct {
	rule Rule
	name string
	saw  string

	again string // what plays it again, for TestResume
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s\n\t(stated in %s)\n\tseen: %s", v.rule.ID, v.rule.Sentence, v.rule.Stated, v.saw)
}

// Errorf notes a violation of the rule; the check goes on.
func (c *check) Errorf(format string, args ...any) {
	c.found(violation{rule: c.rule, name: c.name, saw: fmt.Sprintf(format, args...)})
}

// Fatalf notes a violation and ends the check. Call it from the check's own goroutine.
func (c *check) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	runtime.Goexit()
}

// must ends the check if a step that only prepares it failed.
func (c *check) must(step string, err error) {
	if err != nil {
		c.Fatalf("cannot be examined: %s: %v", step, err)
	}
}

// examine runs a probe and passes on what it finds. It returns false if the probe hangs.
func examine[F any](t *testing.T, p probe[F], newFixture func(*testing.T) F, found func(violation)) (ended bool) {
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var mu sync.Mutex
	c := &check{t: t, ctx: ctx, rule: ruleOf(p.rule), name: p.rule + "/" + p.name, found: func(v violation) {
		mu.Lock()
		defer mu.Unlock()
		found(v)
	}}
	f := newFixture(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(c, f)
	}()
	watchdog := time.NewTimer(hang + hang/4) // after the context had its say
	defer watchdog.Stop()
	select {
	case <-done:
		return true
	case <-watchdog.C:
		stacks := make([]byte, 1<<20)
		c.Errorf("still running after %v, and %v after its context was done; all goroutines:\n%s", hang+hang/4, hang/4, stacks[:runtime.Stack(stacks, true)])
		return false
	}
}

// mostShown is how many violations one subtest prints: a store that is wrong at one byte of a log is often wrong at hundreds.
const mostShown = 5

// runProbes makes a subtest of each probe, by rule.
func runProbes[F any](t *testing.T, probes []probe[F], newFixture func(*testing.T) F) {
	t.Helper()
	again := replay(t)
	for _, p := range probes {
		t.Run(p.rule+"/"+p.name, func(t *testing.T) {
			seen := 0
			examine(t, p, newFixture, func(v violation) {
				if seen++; seen <= mostShown {
					t.Errorf("%v\n\tagain: %s", v, again(t.Name()))
				}
			})
			if seen > mostShown {
				t.Errorf("and %d more", seen-mostShown)
			}
		})
	}
}

// replay returns what makes the command that runs one test of the caller's package again.
func replay(t *testing.T) func(name string) string {
	pkg := "."
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	own := reflect.TypeFor[Rule]().PkgPath() + "."
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "testing.") {
			break // a test of this package
		}
		if f.Function != "" && !strings.HasPrefix(f.Function, own) {
			slash := strings.LastIndexByte(f.Function, '/') + 1
			dot := strings.IndexByte(f.Function[slash:], '.')
			pkg = strings.TrimSuffix(f.Function[:slash+max(dot, 0)], "_test")
			break
		}
		if !more {
			break
		}
	}
	return func(name string) string { return fmt.Sprintf("go test -run '%s' %s", pattern(name), pkg) }
}

// pattern is the value of go test's -run that matches the test of that name only.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
