package conformance

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

var resumeRules = []Rule{
	{"R01", "A completed object is, byte for byte, the source at one moment of the call that says so; until then the old object, or none, is seen.", "README, promise 1"},
	{"R02", "An interruption costs at most the parts that were in flight: what the store has acknowledged is not sent again.", "README, promise 2"},
	{"R03", "Content decides: a source that was only touched costs no part, an edited byte one.", "README, promise 3"},
	{"R04", "Of several drivers of one upload the newest goes on and the others stop, or where the store can lock, the first; the object is right whatever the order of their calls.", "README, promise 4"},
	{"R05", "No upload is left on the store but an empty one for each crash or lost answer while it was being begun.", "README, promise 5"},
	{"R06", "An upload is published once: after a lost answer the object is recognised as ours.", "README, promise 6"},
	{"R07", "The object has the attributes that the last call asked for.", "README, promise 7"},
	{"R08", "A call that fails aborts nothing that it has stored.", "README, promise 8"},
	{"R09", "Bytes that were altered on their way are noticed and sent again, where the store computes CRC-64.", "README, promise 9"},
	{"R10", "The number of calls is bounded: one record for a part, and a few calls for an interruption.", "README, promise 10"},
	{"R11", "A call whose context is done returns promptly.", "README, promise 11"},
	{"R12", "No secret of the backend is in an error or in a checkpoint.", "README, promise 12"},
	{"R13", "When the upload has ended, its checkpoint is gone.", "upload.Uploader.Upload"},
	{"R14", "Upload returns nil when the object is there, and only then; a call succeeds if nothing happens to it that it can mend itself.", "upload.Uploader.Upload"},
	{"R15", "When Upload has returned, nothing of it goes on.", "README, promise 11"},
	{"R16", "Under IfAbsent, an object of somebody else is never replaced.", "upload.Request.IfAbsent"},
}

// judgeProcess looks at what one process did, whose calls begin at a position. It says whether the upload has ended.
func (p *play) judgeProcess(proc *fault.Process, err error, from int) (ended bool) {
	calls := p.calls[from:]
	for n, end := range p.returned[:len(p.returned)-1] {
		if slices.ContainsFunc(p.calls[end:], func(c fault.Call) bool { return c.Process == n+1 }) {
			p.violate("R15", "process %d made calls after it had returned:%s", n+1, p.trace())
		}
	}
	data, _ := p.object()
	whole := data != nil && p.src.Had(data)
	dead := proc.Dead()
	switch {
	case err == nil && !dead && data == nil:
		p.violate("R14", "Upload returned nil, and there is no object")
	case err == nil && !dead && !whole && p.isNot(data):
		p.violate(p.mixed(), "Upload returned nil, and the object's %d bytes are not what the source had at any time", len(data))
	case err == nil && !dead && !whole && (p.foreign == nil || !p.published()):
		p.violate("R14", "Upload returned nil, and the object is the one that was there before")
	case err == nil && !dead && whole && p.outdated(data, calls):
		p.violate("R01", "Upload returned nil, and the object's %d bytes are what the source had before the call", len(data))
	case data != nil && !whole && p.isNot(data) && !p.noticed(err):
		p.violate(p.mixed(), "the object's %d bytes are not what the source had at any time", len(data))
	case data == nil && p.sc.old:
		p.violate("R01", "the old object is gone, and there is no new one")
	}
	if err != nil {
		if p.leaks(err.Error()) {
			p.violate("R12", "the error holds a secret of the backend")
		}
		if p.sc.req.IfAbsent && !dead && (errors.Is(err, backend.ErrExists) || errors.Is(err, upload.ErrUndecided)) && !errors.Is(err, errStalled) &&
			(p.foreign != nil || p.blind() || !p.sc.provable || whole && !bytes.Equal(data, p.src.Bytes())) {
			p.refused = true
			return true
		}
		if !dead && !p.excused(calls) && !p.lateDelete() && p.foreign == nil {
			p.violate("R14", "process %d failed, and nothing happened to it that it cannot mend: %v", len(p.returned), err)
		}
		p.judgeFailed(calls)
	}
	records := p.log()
	for _, r := range records {
		if p.leaks(string(r)) {
			p.violate("R12", "a record of the checkpoint holds a secret of the backend")
		}
	}
	p.succeeded = err == nil && !dead
	// One that deleted the log had ended, whether it lived to say so or not; the next call would be another upload.
	return p.succeeded || whole && len(records) == 0
}

// leaks says whether a text holds a secret. An empty one is a credential that the backend does not have.
func (p *play) leaks(text string) bool {
	return slices.ContainsFunc(p.b.Secrets, func(secret string) bool { return secret != "" && strings.Contains(text, secret) })
}

// judgeFailed: a process that failed keeps what it stored.
func (p *play) judgeFailed(calls []fault.Call) {
	if p.sc.attrs != nil || slices.ContainsFunc(p.calls, func(c fault.Call) bool { return slices.Contains(fault.Events(), c.Kind) }) {
		return // then it may have had to
	}
	for _, c := range calls {
		if c.Op == "Abort" && c.Effect && p.stored(c.Upload) {
			p.violate("R08", "it failed, and aborted an upload that had parts")
		}
	}
}

// stored says whether a part of the upload was ever stored.
func (p *play) stored(upload string) bool {
	return slices.ContainsFunc(p.calls, func(c fault.Call) bool { return c.Op == "UploadPart" && c.Upload == upload && c.Effect })
}

// isNot says that data is nobody's.
func (p *play) isNot(data []byte) bool {
	return !bytes.Equal(data, p.old) && !bytes.Equal(data, p.foreign)
}

// noticed says whether a wrong object is one that a Put brought, which the store takes whole and before anything can be compared,
// and that the engine said so. The next call replaces it.
func (p *play) noticed(err error) bool {
	return p.sc.part == 0 && p.mixed() == "R09" && err != nil
}

// blind says whether the engine was not allowed to look whether the key was free.
func (p *play) blind() bool {
	return slices.ContainsFunc(p.calls, func(c fault.Call) bool { return c.Op == "Stat" && c.Kind == fault.Denied })
}

// mixed is the rule that a wrong object breaks.
func (p *play) mixed() string {
	if slices.ContainsFunc(p.calls, func(c fault.Call) bool { return c.Kind == fault.Altered }) {
		return "R09"
	}
	return "R01"
}

func disturbed(c fault.Call) bool { return c.Kind != "" }

// excused says whether something happened to a process after which it may fail: more than it can mend by trying again, by reading
// the source again or by doing without.
func (p *play) excused(calls []fault.Call) bool {
	tries := 0
	for _, c := range calls {
		switch {
		case c.Kind == "", slices.Contains(fault.Events(), c.Kind):
		case c.Kind == fault.Denied && (c.Op == "ListParts" || c.Op == "Stat"):
		case c.Op == "Put" && c.Kind == fault.Altered:
			return true // it is noticed when the object is there
		case c.Op != "ReadAt" && c.Op != "Version" && c.Op != "Sync" && c.Op != "Lock" && slices.Contains(passing, c.Kind):
			tries++
		default:
			return true
		}
	}
	return tries > 1 || tries == 1 && p.sc.attempts == 1
}

// passing is what another try mends.
var passing = []fault.Kind{fault.Refused, fault.Throttled, fault.Torn, fault.Lost, fault.Late, fault.Retried, fault.Altered, fault.Stale}

// published says whether anything became an object.
func (p *play) published() bool {
	return slices.ContainsFunc(p.calls, becomes)
}

// becomes says whether an object came of a call.
func becomes(c fault.Call) bool { return c.Effect && (c.Op == "Complete" || c.Op == "Put") }

// replaced says whether anything became an object after somebody else put theirs there.
func (p *play) replaced() bool {
	occupied := slices.IndexFunc(p.calls, func(c fault.Call) bool { return c.Kind == fault.Occupied })
	return occupied >= 0 && slices.ContainsFunc(p.calls[occupied:], becomes)
}

// outdated says whether the source did not have data since these calls began. Nobody can hold up a Put that comes late.
func (p *play) outdated(data []byte, calls []fault.Call) bool {
	if len(calls) > 0 && slices.Contains(fault.Events(), calls[0].Kind) {
		return !bytes.Equal(data, p.src.Bytes()) // it happened before the process did anything
	}
	changed := 0
	for _, c := range calls {
		if slices.Contains(fault.Events(), c.Kind) {
			changed++
		}
	}
	return changed < 2 && !bytes.Equal(data, p.began) && !bytes.Equal(data, p.src.Bytes()) && !(p.sc.part == 0 && p.late())
}

// late says whether something takes effect after its answer was lost.
func (p *play) late() bool { return slices.ContainsFunc(p.calls, isLate) }

// lateDelete says whether a log goes late: a process that came before that finds an upload that ended long ago.
func (p *play) lateDelete() bool {
	return slices.ContainsFunc(p.calls, func(c fault.Call) bool { return c.Op == "Delete" && isLate(c) })
}

func isLate(c fault.Call) bool { return c.Kind == fault.Late || c.Kind == fault.CrashLate }

// judge looks at how it all ended.
func (p *play) judge() {
	data, attrs := p.object()
	switch {
	case p.sc.req.IfAbsent && p.replaced():
		p.violate("R16", "it replaced the object of somebody else")
	case p.foreign != nil:
	case data == nil || !p.src.Had(data):
		p.violate(p.mixed(), "in the end the object's %d bytes are not what the source had at any time", len(data))
	case p.led.otherwise() != "":
		p.violate("R07", "Complete of upload %s was given other attributes than Create", p.led.otherwise())
	case p.sc.attrs != nil && p.succeeded && attrs.ContentType != p.sc.attrs(len(p.returned)).ContentType:
		p.violate("R07", "the content type is %q, asked for was %q", attrs.ContentType, p.sc.attrs(len(p.returned)).ContentType)
	}
	p.judgePublished()
	p.judgeLeft()
	p.judgeSent()
	p.judgeCalls()
}

func (p *play) judgePublished() {
	most := 1
	if p.sc.attrs != nil {
		most = len(p.returned) // under other attributes it is another upload
	}
	for _, c := range p.fired() {
		if c.Kind == fault.Denied && c.Op == "Stat" || slices.Contains(fault.Events(), c.Kind) || !p.sc.provable {
			most++ // what cannot be looked at is sent again, and so is another version
		}
		if c.Op == "Delete" && c.Effect && isLate(c) {
			most++ // the upload had ended, and the process that came before the log went begins another
		}
	}
	if p.led.completes() > most {
		p.violate("R06", "it was published %d times", p.led.completes())
	}
}

// judgeLeft looks for uploads and logs that are left.
func (p *play) judgeLeft() {
	begun := 0       // interruptions that may leave an empty upload
	unknown := false // whether anything was interrupted
	last := map[int]string{}
	for _, c := range p.calls {
		isStore := c.Log != "" || c.Op == "ReadAt" || c.Op == "Version"
		if !isStore {
			last[c.Process] = c.Op
		}
		known := c.Kind == "" || c.Kind == fault.Refused || c.Kind == fault.Denied || c.Kind == fault.Throttled || slices.Contains(fault.Events(), c.Kind)
		unknown = unknown || !known
		if !known && last[c.Process] == "Create" {
			begun++
		}
	}
	records := p.log()
	// An upload that the store does not let us look at or abort is left, and the log tells of it.
	untouchable := p.refused && len(records) > 0 && slices.ContainsFunc(p.calls, func(c fault.Call) bool {
		return c.Kind == fault.Denied && (c.Op == "Abort" || c.Op == "ListParts")
	})
	empty := 0
	for _, u := range p.led.uploads() {
		parts, _, err := p.led.MultipartBackend.ListParts(p.ctx, u, 0)
		switch {
		case errors.Is(err, backend.ErrNoSuchUpload):
		case err != nil:
			p.violate("R05", "upload %s cannot be looked at: %v", u.ID, err)
		case len(parts) > 0 && untouchable:
		case len(parts) > 0:
			p.violate("R05", "upload %s is left with %d parts", u.ID, len(parts))
		default:
			empty++
		}
	}
	if empty > begun {
		p.violate("R05", "%d empty uploads are left, and %d interruptions came while one was being begun", empty, begun)
	}
	// A call that is refused keeps the log if something may be there that it does not know of.
	kept := !p.succeeded && unknown || p.undecided || untouchable
	untold := !slices.ContainsFunc(p.calls, func(c fault.Call) bool {
		return c.Op == "Create" && c.Kind == fault.Retried || c.Op == "Delete" && disturbed(c)
	})
	if empty > 0 && p.refused && untold && len(records) == 0 {
		p.violate("R05", "%d empty uploads are left, and no log tells of it", empty)
	}
	if len(records) > 0 && !kept && !p.lateAppend() {
		p.violate("R13", "the log is left with %d records, the last is %s", len(records), records[len(records)-1])
	}
}

// lateAppend says whether a record of a former process arrived when all was over. Nobody can know that its process is dead, so the
// log is left to it.
func (p *play) lateAppend() bool {
	return slices.ContainsFunc(p.calls, func(c fault.Call) bool {
		return c.Op == "Append" && isLate(c) && c.Effect
	})
}

// judgeSent counts the parts that were sent.
func (p *play) judgeSent() {
	if p.sc.part == 0 || p.led.completes() > 1 || !p.sc.provable {
		return
	}
	parts := int((p.longest() + p.sc.part - 1) / p.sc.part)
	sent, most, rule := 0, max(parts, 1), "R02"
	for _, c := range p.calls {
		if c.Op == "UploadPart" && c.Kind != fault.Refused && c.Kind != fault.Denied && c.Kind != fault.Throttled {
			sent++
		}
		switch {
		case c.Kind == fault.Touched && p.sc.crc:
			rule = "R03"
		case c.Kind == fault.Edited && p.sc.crc, c.Kind == fault.Truncated, c.Kind == fault.Grown:
			most++
			rule = "R03"
		case c.Kind == fault.Replaced, c.Kind == fault.Touched, c.Kind == fault.Edited, c.Kind == fault.Denied && c.Op == "Stat":
			most += parts
		case c.Kind == "":
		case p.sc.atOnce > 1:
			most += p.sc.atOnce
		case c.Op == "UploadPart" && isLate(c):
			most += 2 // what comes late may take the place of what was sent after it
		case c.Op == "UploadPart", c.Op == "ReadAt", c.Kind == fault.Stale, c.Kind == fault.Denied && c.Op == "ListParts", !p.sc.crc:
			most++
		}
	}
	if p.sc.attrs != nil {
		most += parts * (len(p.returned) - 1)
	}
	most += p.gone * parts
	if sent > most {
		p.violate(rule, "%d parts were sent of %d; what happened explains %d", sent, parts, most)
	}
}

// longest is the size of the source when it was longest.
func (p *play) longest() int64 { return max(p.sc.size, p.src.Size()) }

// judgeCalls bounds the calls.
func (p *play) judgeCalls() {
	const (
		once     = 24 // calls of a process beside those for its parts: to claim, begin, complete, verify and end
		each     = 16 // calls that one interruption may cost beyond
		perPart  = 2  // UploadPart and Append
		records  = 8  // of a process, beside those of the parts
		recorded = 1  // record for a part
	)
	parts := int((p.longest() + max(p.sc.part, 1) - 1) / max(p.sc.part, 1))
	if p.sc.part == 0 {
		parts = 1
	}
	fired := len(p.fired())
	calls, appends := storeCalls(p.calls), 0
	for _, c := range p.calls {
		if c.Op == "Append" {
			appends++
		}
	}
	processes := len(p.returned)
	if most := processes*(once+perPart*parts) + fired*(each+perPart*parts); calls > most {
		p.violate("R10", "%d calls were made by %d processes, for %d parts and %d interruptions; %d are enough", calls, processes, parts, fired, most)
	}
	if most := processes*records + parts*recorded + fired*(parts+2); appends > most {
		p.violate("R10", "%d records were written by %d processes, for %d parts and %d interruptions; %d are enough", appends, processes, parts, fired, most)
	}
}
