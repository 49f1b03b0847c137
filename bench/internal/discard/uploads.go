package discard

import (
	"crypto/md5"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

// Put is one UploadPart as the server saw it. Times are nanoseconds since 1970, by the clock that all processes of the machine share.
type Put struct {
	Upload string `json:"u"`
	Number int    `json:"n"`
	Size   int64  `json:"s"` // bytes of content that arrived

	Begun        int64 `json:"b"` // the header was read
	Stored       int64 `json:"d"` // the last byte was read; 0 if it never came
	Acknowledged int64 `json:"a"` // the answer was written; 0 if it was not
}

// Object is what became of an upload.
type Object struct {
	Key   string `json:"key"`
	Parts int    `json:"parts"`
	Size  int64  `json:"size"`          // bytes
	CRC64 uint64 `json:"crc,omitempty"` // 0 unless the server computes it, and for content that was sent in signed chunks
	ETag  string `json:"etag"`

	Completed int64 `json:"completed"` // nanoseconds since 1970
}

// part is what is kept of a part: the last one of its number.
type part struct {
	size int64 // -1 if there is none
	crc  uint64
}

// etag has the form of an MD5, so that a client which checks the object's ETag against those of the parts can do so, and costs
// nothing to compute.
func (p part) etag(number int) string { return fmt.Sprintf("%016X%016X", number, p.size) }

type upload struct {
	id, key string
	parts   []part // by number-1
}

// uploads is all that the server knows. One mutex will do: what happens under it takes well under a microsecond, but for lists.
type uploads struct {
	mu           sync.Mutex
	changed      chan struct{} // closed and replaced when acknowledged reaches awaited
	awaited      int
	serial       int
	byID         map[string]*upload
	puts         []Put
	acknowledged int
	objects      map[string]Object
}

func newUploads() *uploads {
	u := &uploads{}
	u.reset()
	return u
}

// reset forgets everything. No request may be under way.
func (u *uploads) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byID, u.objects = map[string]*upload{}, map[string]Object{}
	u.puts, u.acknowledged, u.awaited, u.changed = nil, 0, 0, make(chan struct{})
}

func (u *uploads) begin(key string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.serial++
	up := &upload{id: fmt.Sprintf("%032X", u.serial), key: key}
	u.byID[up.id] = up
	return up.id
}

// arrive notes that a part begins, and returns its place in puts.
func (u *uploads) arrive(id string, number int) (place int, ok bool) {
	now := time.Now().UnixNano()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID[id] == nil || number < 1 || number > 10000 {
		return 0, false
	}
	u.puts = append(u.puts, Put{Upload: id, Number: number, Begun: now})
	return len(u.puts) - 1, true
}

func (u *uploads) store(place int, p part) (etag string, ok bool) {
	now := time.Now().UnixNano()
	u.mu.Lock()
	defer u.mu.Unlock()
	put := &u.puts[place]
	up := u.byID[put.Upload]
	if up == nil {
		return "", false
	}
	for len(up.parts) < put.Number {
		up.parts = append(up.parts, part{size: -1})
	}
	up.parts[put.Number-1] = p
	put.Size, put.Stored = p.size, now
	return p.etag(put.Number), true
}

func (u *uploads) acknowledge(place int) {
	now := time.Now().UnixNano()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.puts[place].Acknowledged = now
	u.acknowledged++
	if u.awaited > 0 && u.acknowledged >= u.awaited {
		u.awaited = 0
		close(u.changed)
		u.changed = make(chan struct{})
	}
}

// await returns a channel that is closed when so many parts were acknowledged.
func (u *uploads) await(count int) <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.acknowledged >= count {
		done := make(chan struct{})
		close(done)
		return done
	}
	u.awaited = count
	return u.changed
}

func (u *uploads) abort(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.byID[id]
	delete(u.byID, id)
	return ok
}

// complete makes an object of all the parts there are, if there are as many as the client names.
func (u *uploads) complete(id string, named int, crc bool) (Object, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.byID[id]
	if up == nil {
		return Object{}, false
	}
	o := Object{Key: up.key, Completed: time.Now().UnixNano()}
	sum := md5.New() // over the ETags as text, as OSS does it: cheap
	for i, p := range up.parts {
		if p.size < 0 {
			continue
		}
		o.Parts++
		o.Size += p.size
		if crc {
			o.CRC64 = crc64.Combine(o.CRC64, p.crc, p.size)
		}
		io.WriteString(sum, p.etag(i+1)) // a hash never fails
	}
	if o.Parts != named {
		return Object{}, false
	}
	o.ETag = fmt.Sprintf("%X-%d", sum.Sum(nil), o.Parts)
	u.objects[o.Key] = o
	delete(u.byID, id)
	return o, true
}

// put makes an object that came in one request.
func (u *uploads) put(key string, p part, crc bool) Object {
	o := Object{Key: key, Parts: 1, Size: p.size, ETag: p.etag(1), Completed: time.Now().UnixNano()}
	if crc {
		o.CRC64 = p.crc
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.objects[key] = o
	return o
}

func (u *uploads) object(key string) (Object, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o, ok := u.objects[key]
	return o, ok
}

// page appends to b, as XML, at most limit parts of an upload that come after the number marker.
func (u *uploads) page(b []byte, id string, marker, limit int, crc bool) (_ []byte, last int, more, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.byID[id]
	if up == nil {
		return b, 0, false, false
	}
	last = marker
	for i := marker; i < len(up.parts); i++ {
		p := up.parts[i]
		if p.size < 0 {
			continue
		}
		if limit == 0 {
			return b, last, true, true
		}
		limit--
		last = i + 1
		b = append(b, "<Part><PartNumber>"...)
		b = strconv.AppendInt(b, int64(last), 10)
		b = append(b, "</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;"...)
		b = append(b, p.etag(last)...)
		b = append(b, "&quot;</ETag>"...)
		if crc {
			b = append(b, "<HashCrc64ecma>"...)
			b = strconv.AppendUint(b, p.crc, 10)
			b = append(b, "</HashCrc64ecma>"...)
		}
		b = append(b, "<Size>"...)
		b = strconv.AppendInt(b, p.size, 10)
		b = append(b, "</Size></Part>"...)
	}
	return b, last, false, true
}
