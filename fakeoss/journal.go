package fakeoss

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Entry is one request in the journal.
//
// Begun and Ended are numbers of one common sequence, so that the order of events across requests is known: request a was
// answered before request b arrived exactly if a.Ended < b.Begun (and a.Ended is not zero). In particular, a part was sent
// again although it was acknowledged if two entries of UploadPart agree in upload ID and part number, the first is
// Acknowledged with status 200, and its Ended is less than the Begun of the second.
type Entry struct {
	Begun uint64 `json:"begun"` // when the head of the request had been read
	Ended uint64 `json:"ended"` // when the request was over; 0 while it is not

	Start time.Time `json:"start"`        // by the server's clock, as End
	End   time.Time `json:"end,omitzero"` //

	RequestID  string `json:"request_id"`
	Method     string `json:"method"`
	Operation  string `json:"operation,omitempty"` // the name of the service's API; empty if the request has none
	Bucket     string `json:"bucket,omitempty"`
	Key        string `json:"key,omitempty"`
	UploadID   string `json:"upload_id,omitempty"`
	PartNumber int    `json:"part_number,omitempty"`

	BodyBytes int64  `json:"body_bytes"`       // read of the request's body, without what framing there was
	Status    int    `json:"status,omitempty"` // of the answer, sent or not; 0 while there is none
	Code      string `json:"code,omitempty"`   // of an error
	Fault     string `json:"fault,omitempty"`  // the fault that the request met

	// Effect: what the request asked for happened (something was stored, removed, begun), whatever the client learnt of it.
	Effect bool `json:"effect"`

	// Acknowledged: the whole answer was handed to the operating system. Whether the client has read it cannot be known
	// here: one that was killed may never have.
	Acknowledged bool `json:"acknowledged"`
}

// defaultJournalLimit keeps some 30 MB of entries.
const defaultJournalLimit = 100_000

// journal keeps the latest entries, and writes each that is over to a writer.
type journal struct {
	mu       sync.Mutex
	settled  sync.Cond // on mu: an entry that was answering has ended
	sequence uint64
	records  []*record // in the order of Begun
	limit    int
	answers  int // how many entries are answering
	writer   io.Writer
	failed   error
}

// record is an entry in the making. Its fields are guarded by the journal's mutex.
type record struct {
	j        *journal
	entry    Entry
	answered bool // the answer is on its way
}

func (j *journal) open(w io.Writer, limit int) {
	j.settled.L = &j.mu
	j.writer = w
	j.limit = limit
	if limit <= 0 {
		j.limit = defaultJournalLimit
	}
}

func (j *journal) begin(now time.Time, id, method string) *record {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sequence++
	r := &record{j: j, entry: Entry{Begun: j.sequence, Start: now, RequestID: id, Method: method}}
	if len(j.records) >= 2*j.limit {
		j.records = slices.Clone(j.records[len(j.records)-j.limit:])
	}
	j.records = append(j.records, r)
	return r
}

func (r *record) change(f func(e *Entry)) {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	f(&r.entry)
}

func (r *record) target(bucket, key string) {
	r.change(func(e *Entry) { e.Bucket, e.Key = bucket, key })
}

func (r *record) operation(name, upload, part string) {
	number, err := strconv.Atoi(part)
	if err != nil {
		number = 0 // a number that is none is the operation's to refuse
	}
	r.change(func(e *Entry) { e.Operation, e.UploadID, e.PartNumber = name, upload, number })
}

func (r *record) received(bytes int64) { r.change(func(e *Entry) { e.BodyBytes = bytes }) }
func (r *record) effect()              { r.change(func(e *Entry) { e.Effect = true }) }
func (r *record) fault(name string)    { r.change(func(e *Entry) { e.Fault = name }) }
func (r *record) upload(id string)     { r.change(func(e *Entry) { e.UploadID = id }) }
func (r *record) result(status int, code string) {
	r.change(func(e *Entry) { e.Status, e.Code = status, code })
}

func (r *record) name() (name string) {
	r.change(func(e *Entry) { name = e.Operation })
	return name
}

// answering says that from now on the client may have its answer before the entry has ended.
func (r *record) answering() {
	r.change(func(*Entry) {
		r.answered = true
		r.j.answers++
	})
}

// end closes the entry and writes its line. The line comes after the answer, since only then it is known whether the answer
// was handed over; [Handler.Journal] makes up for that.
func (r *record) end(now time.Time, acknowledged bool) {
	j := r.j
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sequence++
	r.entry.Ended, r.entry.End, r.entry.Acknowledged = j.sequence, now, acknowledged
	if r.answered {
		j.answers--
		j.settled.Broadcast()
	}
	if j.writer == nil || j.failed != nil {
		return
	}
	line, err := json.Marshal(&r.entry)
	if err == nil {
		_, err = j.writer.Write(append(line, '\n'))
	}
	if err != nil {
		j.failed = fmt.Errorf("fakeoss: journal: %w", err)
	}
}

func (j *journal) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// Journal returns the latest requests (see [Options].JournalLimit) in the order of Begun, those in progress included. An
// entry ends just after its answer was handed over; Journal waits for entries in that state, so that whoever has got an
// answer finds its entry ended. The exception is an answer that streams an object.
func (h *Handler) Journal() []Entry {
	entries, _ := h.journal.since(0)
	return entries
}

// since returns the entries that have begun, ended, or are in progress after a number of the sequence, and the latest number.
func (j *journal) since(after uint64) ([]Entry, uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.answers > 0 {
		j.settled.Wait()
	}
	records := j.records[max(0, len(j.records)-j.limit):]
	entries := make([]Entry, 0, len(records))
	for _, r := range records {
		if e := r.entry; e.Begun > after || e.Ended > after || e.Ended == 0 {
			entries = append(entries, e)
		}
	}
	return entries, j.sequence
}

// clear forgets the entries. The sequence goes on.
func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = nil
}

func (r *record) snapshot() (e Entry) {
	r.change(func(now *Entry) { e = *now })
	return e
}
