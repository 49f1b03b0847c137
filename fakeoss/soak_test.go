package fakeoss_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// content is a body that says itself what it must be: a seed, a size, and the bytes that follow from the seed.
func content(seed uint64, size int) []byte {
	size = max(size, 16)
	b := make([]byte, 0, size+8)
	b = binary.BigEndian.AppendUint64(b, seed)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	for x := seed | 1; len(b) < size; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b[:size]
}

// genuine tells whether b is a content, whole and unmixed.
func genuine(b []byte) bool {
	return len(b) >= 16 && binary.BigEndian.Uint64(b[8:]) == uint64(len(b)) && bytes.Equal(b, content(binary.BigEndian.Uint64(b), len(b)))
}

// soak is what all clients share.
type soak struct {
	t   *testing.T
	srv *fakeoss.TestServer

	operations, unknown, bytes, read atomic.Int64
}

// soakClient works on keys of its own, about which it knows everything, and on shared ones, whose content it can only
// recognise.
type soakClient struct {
	*soak
	name    string
	rnd     *rand.Rand
	fresh   int
	objects map[string][]byte // what is there for certain
}

// errLost: the connection ended without an answer, so that it is not known what happened.
var errLost = errors.New("no answer")

// ask sends a request. A status below 300 is a success; a refusal by a fault has had no effect.
func (c *soakClient) ask(method, path string, body []byte) (status int, b []byte, header http.Header, err error) {
	c.operations.Add(1)
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.srv.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, nil, nil, errLost
	}
	signV1(r, c.srv.AccessKeyID, c.srv.AccessKeySecret)
	resp, err := c.srv.Client().Do(r)
	if err != nil {
		c.unknown.Add(1)
		return 0, nil, nil, errLost
	}
	b, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		c.unknown.Add(1)
		return 0, nil, nil, errLost
	}
	c.bytes.Add(int64(len(body) + len(b)))
	return resp.StatusCode, b, resp.Header, nil
}

func (c *soakClient) newKey() string {
	c.fresh++
	return fmt.Sprintf("%s/%06d", c.name, c.fresh)
}

// anyObject returns a key of the client's own, empty if there is none.
func (c *soakClient) anyObject() string {
	for key := range c.objects {
		return key
	}
	return ""
}

func (c *soakClient) size() int {
	// The race detector makes checksums slow: mostly small ones.
	switch c.rnd.IntN(40) {
	case 0:
		return 1<<20 + c.rnd.IntN(1<<20) // beyond what stays in memory
	case 1:
		return 16
	default:
		return c.rnd.IntN(16 << 10)
	}
}

// step does one random thing and checks its outcome.
func (c *soakClient) step() {
	switch c.rnd.IntN(16) {
	case 0, 1, 2, 3:
		key, body := c.newKey(), content(c.rnd.Uint64(), c.size())
		if old := c.anyObject(); old != "" && c.rnd.IntN(2) == 0 {
			key = old
		}
		status, _, _, err := c.ask("PUT", "/bucket/"+key, body)
		c.settle(key, body, status, err)
	case 4:
		c.multipart(c.newKey())
	case 5, 6, 7, 8:
		if key := c.anyObject(); key != "" {
			c.check(key, c.objects[key])
		}
	case 9, 10:
		if key := c.anyObject(); key != "" {
			status, _, _, err := c.ask("DELETE", "/bucket/"+key, nil)
			c.settle(key, nil, status, err)
		}
	case 11:
		c.list()
	default:
		c.shared()
	}
}

// settle takes the outcome of a write to one of the client's own keys. Where it is not known, it is one of two, at any time
// from now on: the key is looked at once and then left alone.
func (c *soakClient) settle(key string, body []byte, status int, err error) {
	old, had := c.objects[key]
	switch {
	case err != nil:
		delete(c.objects, key)
		if status, b, _, err := c.ask("GET", "/bucket/"+key, nil); err == nil && status == 200 &&
			!(body != nil && bytes.Equal(b, body)) && !(had && bytes.Equal(b, old)) {
			c.t.Errorf("%s: %d bytes that are neither what was there nor what was sent", key, len(b))
		}
	case status < 300 && body == nil:
		delete(c.objects, key)
		if status, _, _, err := c.ask("HEAD", "/bucket/"+key, nil); err == nil && status != 404 && status != 503 {
			c.t.Errorf("%s was deleted: %d", key, status)
		}
	case status < 300:
		c.objects[key] = body
		c.check(key, body)
	case status != 503:
		c.t.Errorf("%s: status %d", key, status)
	}
}

// check reads an object, or a range of it.
func (c *soakClient) check(key string, want []byte) {
	status, got, header, err := c.ask("GET", "/bucket/"+key, nil)
	if err != nil || status == 503 {
		return
	}
	c.read.Add(1)
	if status != 200 || !bytes.Equal(got, want) || c.rnd.IntN(8) == 0 && header.Get("x-oss-hash-crc64ecma") != crcOf(want) {
		c.t.Errorf("%s: %d with %d bytes, which differ from the %d that were stored", key, status, len(got), len(want))
	}
}

// multipart uploads in parts, and completes or aborts.
func (c *soakClient) multipart(key string) {
	status, doc, _, err := c.ask("POST", "/bucket/"+key+"?uploads", nil)
	if err != nil || status != 200 {
		return
	}
	id := response{nil, string(doc)}.element("UploadId")
	parts := 1 + c.rnd.IntN(3)
	body := content(c.rnd.Uint64(), parts*(100<<10)+c.rnd.IntN(300<<10))
	list, rest := "", body
	for n := 1; n <= parts; n++ {
		p := rest[:100<<10]
		if n == parts {
			p = rest
		}
		rest = rest[len(p):]
		etag := fmt.Sprintf(`"%X"`, md5.Sum(p))
		for sent := false; !sent; {
			status, _, header, err := c.ask("PUT", fmt.Sprintf("/bucket/%s?partNumber=%d&uploadId=%s", key, n, id), p)
			sent = err == nil && status == 200
			if err == nil && status != 503 && (status != 200 || header.Get("ETag") != etag) {
				c.t.Errorf("part %d of %s: %d, ETag %s, want %s", n, key, status, header.Get("ETag"), etag)
				return
			}
		}
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, etag)
	}
	if c.rnd.IntN(4) == 0 {
		status, _, _, err := c.ask("DELETE", "/bucket/"+key+"?uploadId="+id, nil)
		if err == nil && status == 204 {
			if status, _, _, err := c.ask("GET", "/bucket/"+key+"?uploadId="+id, nil); err == nil && status != 404 && status != 503 {
				c.t.Errorf("upload of %s was aborted: %d", key, status)
			}
		} else if err == nil && status != 503 {
			c.t.Errorf("abort of %s: %d", key, status)
		}
		return
	}
	status, _, _, err = c.ask("POST", "/bucket/"+key+"?uploadId="+id, []byte("<CompleteMultipartUpload>"+list+"</CompleteMultipartUpload>"))
	c.settle(key, body, status, err)
}

// list lists the client's own keys: those that are there for certain must be among them.
func (c *soakClient) list() {
	var got []string
	for marker := ""; ; {
		status, doc, _, err := c.ask("GET", "/bucket/?max-keys=100&prefix="+c.name+"/&marker="+marker, nil)
		if err != nil || status == 503 {
			return
		}
		for rest := string(doc); ; {
			var ok bool
			if _, rest, ok = strings.Cut(rest, "<Key>"); !ok {
				break
			}
			key, _, _ := strings.Cut(rest, "</Key>")
			got = append(got, key)
		}
		if (response{nil, string(doc)}).element("IsTruncated") != "true" {
			break
		}
		marker = got[len(got)-1]
	}
	if !slices.IsSorted(got) {
		c.t.Errorf("%s: the list is not in order", c.name)
	}
	for key := range c.objects {
		if _, ok := slices.BinarySearch(got, key); !ok {
			c.t.Errorf("%s is not listed", key)
		}
	}
}

// shared works on keys that all clients write: whatever comes back was sent by one of them, whole.
func (c *soakClient) shared() {
	key := fmt.Sprintf("shared/%d", c.rnd.IntN(4))
	switch c.rnd.IntN(6) {
	case 0:
		_, _, _, _ = c.ask("DELETE", "/bucket/"+key, nil) // somebody else's object, or none
	case 1, 2:
		_, _, _, _ = c.ask("PUT", "/bucket/"+key, content(c.rnd.Uint64(), c.size())) // what is read tells
	default:
		status, b, header, err := c.ask("GET", "/bucket/"+key, nil)
		if err != nil || status == 503 || status == 404 {
			return
		}
		c.read.Add(1)
		if status != 200 || !genuine(b) || c.rnd.IntN(8) == 0 && header.Get("x-oss-hash-crc64ecma") != crcOf(b) {
			c.t.Errorf("%s: %d with %d bytes that nobody has sent", key, status, len(b))
		}
	}
}

// randomFault is one of every kind. A Stall is released by the returned function.
func randomFault(rnd *rand.Rand) (f fakeoss.Fault, release func()) {
	release = func() {}
	f = fakeoss.Fault{Nth: 1 + rnd.IntN(50)}
	if rnd.IntN(2) == 0 {
		f.Operation = []string{"PutObject", "GetObject", "UploadPart", "CompleteMultipartUpload", "InitiateMultipartUpload", "DeleteObject"}[rnd.IntN(6)]
	}
	switch rnd.IntN(6) {
	case 0:
		f.Kind = fakeoss.Refuse
	case 1:
		f.Kind, f.Bytes = fakeoss.CutBody, rnd.Int64N(100_000)
	case 2:
		f.Kind = fakeoss.LoseAnswer
	case 3:
		f.Kind, f.Later = fakeoss.DelayEffect, 1+rnd.IntN(30)
	case 4:
		c := make(chan struct{})
		f.Kind, f.Release, release = fakeoss.Stall, c, func() { close(c) }
	case 5:
		f.Kind, f.Delay = fakeoss.SlowAnswer, time.Duration(rnd.IntN(5))*time.Millisecond
	}
	return f, release
}

// TestSoak lets 64 clients work under faults, and compares every object that is read with what was stored. FAKEOSS_SOAK is how
// long (default 4s for each store), FAKEOSS_SEED the seed; the schedule of the goroutines is not reproduced.
func TestSoak(t *testing.T) {
	length := 4 * time.Second
	if s := os.Getenv("FAKEOSS_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		length /= 2
	}
	seed := uint64(1)
	if s := os.Getenv("FAKEOSS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FAKEOSS_SEED=%d", seed)
	for _, store := range []string{"memory", "directory"} {
		t.Run(store, func(t *testing.T) {
			opts := &fakeoss.Options{Buckets: []string{"bucket"}, Admin: true, JournalLimit: 1000}
			if store == "directory" {
				opts.Dir = t.TempDir()
			}
			s := &soak{t: t, srv: fakeoss.NewServer(t, opts)}
			stop := make(chan struct{})
			timer := time.AfterFunc(length, func() { close(stop) })
			defer timer.Stop()
			begun := time.Now()
			var clients, injector sync.WaitGroup
			for i := range 64 {
				c := &soakClient{soak: s, name: fmt.Sprintf("client-%d", i), rnd: rand.New(rand.NewPCG(seed, uint64(i))), objects: map[string][]byte{}}
				clients.Go(func() {
					for !t.Failed() {
						select {
						case <-stop:
							return
						default:
							c.step()
						}
					}
				})
			}
			injected := 0
			done := make(chan struct{})
			injector.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, 1000))
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				var held []func()
				for {
					select {
					case <-done:
						for _, release := range held {
							release()
						}
						return
					case <-stop:
						// Nothing may be held up any more, or the clients do not end.
						for _, release := range held {
							release()
						}
						held = nil
						<-done
						return
					case <-tick.C:
					}
					if len(s.srv.Unfired()) < 20 {
						f, release := randomFault(rnd)
						inject(t, s.srv, f)
						injected++
						held = append(held, release)
					}
					// A Stall that has not met its request yet does nothing then.
					if len(held) > 0 && rnd.IntN(3) > 0 {
						held[0]()
						held = held[1:]
					}
				}
			})
			clients.Wait()
			close(done)
			injector.Wait()
			unfired := len(s.srv.Unfired())
			admin(t, s.srv, 204, "DELETE", "/-/faults", "")
			took := time.Since(begun)
			t.Logf("%v: %d requests, %d without an answer, %d objects compared, %d MiB; %d faults injected, %d fired",
				took.Round(time.Second), s.operations.Load(), s.unknown.Load(), s.read.Load(), s.bytes.Load()>>20, injected, injected-unfired)
			if s.read.Load() == 0 || s.unknown.Load() == 0 {
				t.Error("nothing was compared, or no fault cut a connection")
			}
		})
	}
}
