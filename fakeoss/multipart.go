package fakeoss

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// uploads are the unfinished uploads of a server, by their ID.
type uploads struct {
	mu       sync.RWMutex
	byID     map[string]*upload
	sequence uint64 // of the latest part
}

// upload is an unfinished multipart upload. Its mutex makes Complete one step: what comes second finds it over.
type upload struct {
	id, bucket, key string
	initiated       time.Time
	meta            uploadMeta

	mu    sync.Mutex
	parts map[int]*part
	over  bool // completed or aborted
}

// uploadMeta is what Initiate was told, and is kept with the upload.
type uploadMeta struct {
	Object     *objectMeta `json:"object"`
	Sequential bool        `json:"sequential,omitempty"`
}

// part is a part that was received whole.
type part struct {
	store.Part
}

func (p *part) etag() string { return fmt.Sprintf("%X", p.MD5) }

// restore takes over the uploads that a store has found.
func (u *uploads) restore(found []store.Upload) error {
	u.byID = map[string]*upload{}
	for _, s := range found {
		up := &upload{id: s.ID, bucket: s.Bucket, key: s.Key, initiated: s.Initiated, parts: map[int]*part{}}
		if err := json.Unmarshal([]byte(s.Meta), &up.meta); err != nil {
			return fmt.Errorf("upload %s: %w", s.ID, err)
		}
		for _, p := range s.Parts {
			up.parts[p.Number] = &part{p}
			u.sequence = max(u.sequence, p.Sequence)
		}
		u.byID[s.ID] = up
	}
	return nil
}

func (u *uploads) add(up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byID[up.id] = up
}

func (u *uploads) remove(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byID, id)
}

func (u *uploads) nextSequence() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sequence++
	return u.sequence
}

// any tells whether the bucket has an unfinished upload.
func (u *uploads) any(bucket string) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for _, up := range u.byID {
		if up.bucket == bucket {
			return true
		}
	}
	return false
}

// find returns an upload. One that belongs to another key does not exist.
func (u *uploads) find(t target, id, ec string) (*upload, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	up := u.byID[id]
	if up == nil || up.bucket != t.bucket || up.key != t.key {
		if len(id) != 32 || strings.Trim(id, "0123456789ABCDEF") != "" {
			ec = ecMalformedUpload
		}
		return nil, errNoSuchUpload(id, ec)
	}
	return up, nil
}

// list returns the uploads of a bucket whose keys begin with prefix, by key and then by ID.
func (u *uploads) list(bucket, prefix string) []*upload {
	u.mu.RLock()
	defer u.mu.RUnlock()
	var list []*upload
	for _, up := range u.byID {
		if up.bucket == bucket && strings.HasPrefix(up.key, prefix) {
			list = append(list, up)
		}
	}
	slices.SortFunc(list, func(x, y *upload) int {
		return cmp.Or(strings.Compare(x.key, y.key), strings.Compare(x.id, y.id))
	})
	return list
}

// lock locks the upload, unless it is over.
func (up *upload) lock(ec string) error {
	up.mu.Lock()
	if up.over {
		up.mu.Unlock()
		return errNoSuchUpload(up.id, ec)
	}
	return nil
}

// sorted returns the parts by number. The upload is locked.
func (up *upload) sorted() []*part {
	return slices.SortedFunc(maps.Values(up.parts), func(x, y *part) int { return x.Number - y.Number })
}

// endUpload ends an upload, discarding the parts that are not in used. The upload is locked.
func (h *Handler) endUpload(up *upload, used map[int]bool) {
	up.over = true
	h.uploads.remove(up.id)
	for n, p := range up.parts {
		if !used[n] {
			h.discard(p.Body)
		}
	}
	up.parts = nil
}
