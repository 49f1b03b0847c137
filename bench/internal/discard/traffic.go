package discard

import (
	"maps"
	"slices"
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

// counter counts the traffic.
type counter struct {
	mu     sync.Mutex
	sum    Traffic
	active int
	begun  time.Time        // of the first part request
	bytes  map[string]int64 // since the last sample
}

// arrive counts a part request, and returns its number, from 0, and how many there are at once.
func (c *counter) arrive() (number int64, active int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		c.begun = time.Now()
	}
	c.sum.Parts++
	c.active++
	c.sum.Most = max(c.sum.Most, c.active)
	return c.sum.Parts - 1, c.active
}

func (c *counter) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
}

func (c *counter) read(key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Bytes += n
	if c.bytes == nil {
		c.bytes = map[string]int64{}
	}
	c.bytes[key] += n
}

// ate counts a fault that happened to a request of which n bytes were read.
func (c *counter) ate(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Faults++
	c.sum.Eaten += n
}

// sample ends a sample, and returns how long ago the first part request began; 0 if there was none.
func (c *counter) sample(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		return 0
	}
	at := now.Sub(c.begun)
	c.sum.Samples = append(c.sum.Samples, Sample{At: at, Active: c.active, Bytes: c.bytes})
	c.bytes = nil
	return at
}

// get returns all so far, with what came since the last sample as one that was shorter.
func (c *counter) get() Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.sum
	sum.Samples = slices.Clone(sum.Samples)
	if len(c.bytes) > 0 {
		sum.Samples = append(sum.Samples, Sample{At: time.Since(c.begun), Active: c.active, Bytes: maps.Clone(c.bytes)})
	}
	return sum
}
