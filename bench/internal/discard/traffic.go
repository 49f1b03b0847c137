package discard

import (
	"sync"
	"time"
)

// sampleEvery is the time between two samples.
const sampleEvery = 50 * time.Millisecond

// Traffic is what went over the connections since the server started, as far as bodies of parts go. Bytes are of content: what S3 clients
// wrap around it is not counted.
type Traffic struct {
	Parts   int64    `json:"parts"`   // part requests
	Bytes   int64    `json:"bytes"`   // read of their bodies
	Eaten   int64    `json:"eaten"`   // of these, of requests to which a fault happened
	Faults  int64    `json:"faults"`  // that happened
	Most    int      `json:"most"`    // part requests at once, at most
	Samples []Sample `json:"samples"` // from the first part request on
}

// Sample is 50 ms.
type Sample struct {
	At     time.Duration    `json:"at"`     // its end, since the first part request
	Active int              `json:"active"` // part requests then, each on a connection of its own
	Bytes  map[string]int64 `json:"bytes"`  // of bodies of parts that were read in it, by key
}

// traffic counts.
type traffic struct {
	mu     sync.Mutex
	sum    Traffic
	active int
	begun  time.Time        // of the first part request
	bytes  map[string]int64 // since the last sample
}

// arrive counts a part request, and returns its number, from 0, and how many there are at once.
func (t *traffic) arrive() (number int64, active int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun.IsZero() {
		t.begun = time.Now()
	}
	t.sum.Parts++
	t.active++
	t.sum.Most = max(t.sum.Most, t.active)
	return t.sum.Parts - 1, t.active
}

func (t *traffic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active--
}

func (t *traffic) read(key string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Bytes += n
	if t.bytes == nil {
		t.bytes = map[string]int64{}
	}
	t.bytes[key] += n
}

// ate counts a fault that happened to a request of which n bytes were read.
func (t *traffic) ate(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Faults++
	t.sum.Eaten += n
}

// sample ends a sample, and returns how long ago the first part request began; 0 if there was none.
func (t *traffic) sample(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun.IsZero() {
		return 0
	}
	at := now.Sub(t.begun)
	t.sum.Samples = append(t.sum.Samples, Sample{At: at, Active: t.active, Bytes: t.bytes})
	t.bytes = nil
	return at
}

func (t *traffic) get() Traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum // samples are only appended
}
