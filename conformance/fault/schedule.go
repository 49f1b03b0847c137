package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind is what goes wrong with a call, or happens just before it.
type Kind string

// What goes wrong with a call. "Unknown" is an error that is no sentinel: the third of the three answers of package backend.
const (
	// Refused: no connection. A backend answers ErrUnreachable; a checkpoint store or a source an error. No effect.
	Refused Kind = "refused"

	// Denied: a backend answers ErrDenied, as with credentials that have expired. No effect.
	Denied Kind = "denied"

	// Throttled: a backend answers ErrThrottled, with a RetryAfter. No effect.
	Throttled Kind = "throttled"

	// Torn: the call is cut off half-way: half of a body is read, half of what a ReadAt asks for is given. Unknown, without effect.
	Torn Kind = "torn"

	// Lost: the call takes effect, and its answer is lost. Unknown.
	Lost Kind = "lost"

	// Late: the answer is lost, and the call takes effect later: before the n-th call to a store after it, or at [Faults.Settle].
	Late Kind = "late"

	// Retried: an SDK below makes the call a second time, after the first took effect and its answer was lost; a body is rewound and
	// sent again. The answer is that of the second. Where that is a sentinel, which would speak for both, it is unknown; but for
	// ErrNoSuchUpload, which is true whatever the first did.
	Retried Kind = "retried"

	// CrashBefore: the process dies, and the call has no effect. After each of the three ways to crash all calls of the process fail
	// without effect, those that stall end, and its locks are released.
	CrashBefore Kind = "crash-before"

	// CrashAfter: the call takes effect, and the process dies before the answer.
	CrashAfter Kind = "crash-after"

	// CrashLate: the process dies, and the call that it had under way takes effect later, as for Late.
	CrashLate Kind = "crash-late"

	// Stalled: no answer until the call's context is done, and no effect then or later. The error is that of the context.
	Stalled Kind = "stalled"

	// Stale: ListParts leaves out the part that was stored last through the same Faults, if that part is on the page asked for. (The
	// contract forbids that; stores have done it.)
	Stale Kind = "stale"

	// Altered: one bit of the body, in its first byte, is flipped on its way into the backend. The answer is the backend's.
	Altered Kind = "altered"
)

// What happens just before a call, which then goes its way. [Options].Event makes it happen; a [Source] can do the first five.
const (
	Edited    Kind = "edited"    // one byte of the source
	Truncated Kind = "truncated" // the source
	Grown     Kind = "grown"     // the source
	Touched   Kind = "touched"   // the source has another version and the same bytes
	Replaced  Kind = "replaced"  // all bytes of the source, in the same size
	Expired   Kind = "expired"   // the store aborts the unfinished uploads
	Occupied  Kind = "occupied"  // somebody else puts an object under the key
)

// events in the order above.
var events = []Kind{Edited, Truncated, Grown, Touched, Replaced, Expired, Occupied}

// Events returns the kinds that happen beside a call, rather than go wrong with it.
func Events() []Kind { return slices.Clone(events) }

// failures says what can go wrong with a call of each operation, and makes a difference there. That an answer which says nothing new is
// lost is no different from a call that is torn.
var failures = map[string][]Kind{
	"Create":     {Refused, Denied, Throttled, Torn, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled},
	"UploadPart": {Refused, Denied, Throttled, Torn, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled, Altered},
	"ListParts":  {Refused, Denied, Throttled, Torn, CrashBefore, Stalled, Stale},
	"Complete":   {Refused, Denied, Throttled, Torn, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled},
	"Abort":      {Refused, Denied, Throttled, Torn, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled},
	"Stat":       {Refused, Denied, Throttled, Torn, CrashBefore, Stalled},
	"Put":        {Refused, Denied, Throttled, Torn, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled, Altered},
	"Load":       {Refused, CrashBefore, Stalled},
	"Append":     {Refused, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled},
	"Delete":     {Refused, Lost, Late, Retried, CrashBefore, CrashAfter, CrashLate, Stalled},
	"Sync":       {Refused, CrashBefore, CrashAfter, Stalled},
	"Lock":       {Refused, CrashBefore, CrashAfter},
	"ReadAt":     {Refused, Torn, CrashBefore, CrashAfter},
	"Version":    {Refused, CrashBefore, CrashAfter},
}

// Failures returns the kinds that can go wrong with a call of op, which is the name of a method of a backend, a checkpoint store or
// a source. It is empty if calls of op are not counted.
func Failures(op string) []Kind { return slices.Clone(failures[op]) }

// Fault is one thing that goes wrong.
type Fault struct {
	Op   string // the method: "UploadPart", "Append", "ReadAt", …
	N    int    // which call of it: the N-th, from 1, that begins after the fault before this one fired
	Kind Kind

	// In is for Late and CrashLate: the effect comes just before the In-th call to a store after this one; 0 is at Settle.
	In int
}

// String is OP#N KIND, with +IN where that counts: "UploadPart#2 late+3".
func (f Fault) String() string {
	s := fmt.Sprintf("%s#%d %s", f.Op, f.N, f.Kind)
	if f.In > 0 {
		s += fmt.Sprintf("+%d", f.In)
	}
	return s
}

// check says what is wrong with f, if something is.
func (f Fault) check() error {
	kinds, known := failures[f.Op]
	switch {
	case !known:
		return fmt.Errorf("no calls of %.20q are counted; those of %v are", f.Op, slices.Sorted(maps.Keys(failures)))
	case f.N < 1:
		return fmt.Errorf("call %d of %s: calls count from 1", f.N, f.Op)
	case !slices.Contains(kinds, f.Kind) && !slices.Contains(events, f.Kind):
		return fmt.Errorf("%.20q is nothing that goes wrong with %s; that is one of %v, or of %v before it", f.Kind, f.Op, kinds, events)
	case f.In < 0, f.In > 0 && f.Kind != Late && f.Kind != CrashLate:
		return fmt.Errorf("%s %s does not come +%d calls later", f.Op, f.Kind, f.In)
	}
	return nil
}

// Schedule is what goes wrong, in order: each fault waits for the one before it. It prints itself, and [Parse] reads that.
type Schedule []Fault

// String joins the faults by "; ".
func (s Schedule) String() string {
	list := make([]string, len(s))
	for i, f := range s {
		list[i] = f.String()
	}
	return strings.Join(list, "; ")
}

// Parse reads a Schedule as String writes it; space around a fault and more of it within does not matter. An empty text is an empty
// Schedule. The error is one line, and names the fault that is wrong and what it could be.
func Parse(text string) (Schedule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var s Schedule
	for item := range strings.SplitSeq(text, ";") {
		f, err := parseFault(item)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			return nil, fmt.Errorf("fault: %.80q: %w", strings.TrimSpace(item), err)
		}
		s = append(s, f)
	}
	return s, nil
}

func parseFault(item string) (f Fault, err error) {
	words := strings.Fields(item)
	if len(words) != 2 {
		return f, errors.New(`want OP#N KIND, such as "UploadPart#2 lost"`)
	}
	op, n, _ := strings.Cut(words[0], "#")
	f.Op = op
	if f.N, err = count(n); err != nil {
		return f, err
	}
	kind, in, delayed := strings.Cut(words[1], "+")
	f.Kind = Kind(kind)
	if delayed {
		f.In, err = count(in)
	}
	return f, err
}

// count reads a number from 1, without a sign.
func count(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%.20q is no number from 1; want OP#N KIND, such as \"UploadPart#2 late+3\"", text)
	}
	return int(n), nil
}
