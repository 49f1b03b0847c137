package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// uploader is who is put through the sweep.
type uploader struct {
	name string

	// upload uploads the file at path through hc, and keeps in dir what it needs to go on.
	upload func(ctx context.Context, hc *http.Client, dir, path, key string) error

	// caughtUp returns when all that is acknowledged of the upload, so many parts, is noted in dir; nil: it always is by the next request.
	caughtUp func(dir string, u backend.Upload, parts int)

	// left names the checkpoints in dir.
	left func(dir string) ([]string, error)
}

// How a schedule can end badly.
const (
	mixed     = "an object that the file never was"
	untrue    = "success was said, and the object is not the file"
	stuck     = "no further call succeeds"
	resent    = "acknowledged parts sent again"
	leaked    = "an upload with parts left on the store"
	forgotten = "a checkpoint left behind"
	twice     = "published more than once"
)

var badEnds = []string{mixed, untrue, stuck, resent, leaked, forgotten, twice}

// arena is the store in which schedules are played. It is safe for concurrent use; each schedule has a key of its own.
type arena struct {
	t      *testing.T
	srv    *fakeoss.TestServer
	admin  *sdk.Bucket // goes past all faults
	nobody string
	keys   atomic.Int64
}

func newArena(t *testing.T) *arena {
	a := &arena{t: t, srv: fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"tide"}, JournalLimit: 1})}
	a.admin = a.bucket(a.srv.Client())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		a.nobody = l.Addr().String()
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bucket is the SDK's, with its defaults.
func (a *arena) bucket(hc *http.Client) *sdk.Bucket {
	client, err := sdk.New(a.srv.URL, a.srv.AccessKeyID, a.srv.AccessKeySecret, sdk.HTTPClient(hc))
	if err != nil {
		a.t.Fatal(err)
	}
	b, err := client.Bucket("tide")
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// ending is what became of a schedule.
type ending struct {
	bad     map[string]bool
	resent  int // parts
	calls   []fault.Call
	unfired error
}

// play makes calls of who, each in a process of its own, until one succeeds, or three have failed beyond one for each fault.
func (a *arena) play(who uploader, s fault.Schedule) (end ending, err error) {
	root, err := os.MkdirTemp("", "sweep")
	if err != nil {
		return end, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	dir, key := filepath.Join(root, "state"), fmt.Sprintf("%s/%d", who.name, a.keys.Add(1))
	file, err := newFile(filepath.Join(root, "file.iso"), 2*partSize+partSize/2)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return end, err
	}

	end.bad = map[string]bool{}
	var failed error // of an event
	var w *wire
	faults := fault.New(s, &fault.Options{
		Event: func(kind fault.Kind) {
			if kind == fault.Expired {
				_, err := a.discard(key)
				failed = errors.Join(failed, err)
			} else {
				failed = errors.Join(failed, file.change(kind))
			}
		},
		Stalling: func() { w.timeOut() },
	})
	done := false
	for i := 0; i < len(s)+3 && !done; i++ {
		var state snapshot
		p := faults.Process()
		w = &wire{p: p, inner: a.srv.Client().Transport, nobody: a.nobody, died: func() {
			state, err = take(dir)
			failed = errors.Join(failed, err)
		}, before: func(u backend.Upload) {
			if who.caughtUp != nil {
				who.caughtUp(dir, u, len(acknowledged(faults.Calls(), u.ID)))
			}
		}}
		first := file.current()
		err := who.upload(a.t.Context(), &http.Client{Transport: w}, dir, file.path, key)
		if p.Dead() { // nobody heard what it said, and nothing that it did to its files after its death has happened
			failed = errors.Join(failed, state.restore(dir))
			err = fault.ErrInjected
		}
		data, gerr := a.get(key)
		failed = errors.Join(failed, gerr)
		end.bad[mixed] = end.bad[mixed] || data != nil && !file.was(data, 0)
		if done = err == nil; done {
			end.bad[untrue] = data == nil || !file.was(data, first)
		}
	}
	faults.Settle()
	end.calls, end.unfired = faults.Calls(), faults.Unfired()
	data, gerr := a.get(key)
	left, lerr := who.left(dir)
	parts, derr := a.discard(key)
	if err := errors.Join(failed, gerr, lerr, derr, a.admin.DeleteObject(key)); err != nil {
		return end, fmt.Errorf("%v: %w", s, err)
	}
	end.bad[mixed] = end.bad[mixed] || data != nil && !file.was(data, 0)
	end.bad[stuck] = !done
	end.bad[forgotten] = done && len(left) > 0
	end.bad[leaked] = parts > 0 && done
	if !slices.ContainsFunc(s, mayCostParts) {
		end.resent = resentParts(end.calls)
		end.bad[resent] = end.resent > 0
		end.bad[twice] = published(end.calls) > 1
	}
	return end, nil
}

// mayCostParts says that f is a reason to send parts again, and to publish twice: the file is another or the upload was taken away, or
// nobody may look whether an object is there.
func mayCostParts(f fault.Fault) bool {
	return slices.Contains(fault.Events(), f.Kind) || f.Op == "Stat" && f.Kind == fault.Denied
}

// acknowledged are the parts of an upload that its uploader was told are stored, as it sent them.
func acknowledged(calls []fault.Call, id string) map[int]bool {
	parts := map[int]bool{}
	for _, c := range calls {
		if c.Op == "UploadPart" && c.Upload == id && c.Err == nil && c.Kind != fault.Altered {
			parts[c.Number] = true
		}
	}
	return parts
}

// resentParts counts the parts that were sent after they had been acknowledged.
func resentParts(calls []fault.Call) (n int) {
	known := map[int]bool{}
	for _, c := range calls {
		if c.Op != "UploadPart" {
			continue
		}
		if known[c.Number] {
			n++
		}
		known[c.Number] = known[c.Number] || c.Err == nil && c.Effect && c.Kind != fault.Altered
	}
	return n
}

func published(calls []fault.Call) (n int) {
	for _, c := range calls {
		if (c.Op == "Complete" || c.Op == "Put") && c.Effect {
			n++
		}
	}
	return n
}

// get returns the object, nil if there is none.
func (a *arena) get(key string) ([]byte, error) {
	body, err := a.admin.GetObject(key)
	if service := (sdk.ServiceError{}); errors.As(err, &service) && service.Code == "NoSuchKey" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// discard aborts the unfinished uploads of the key, and returns how many parts they had.
func (a *arena) discard(key string) (parts int, err error) {
	list, err := a.admin.ListMultipartUploads(sdk.Prefix(key))
	if err != nil {
		return 0, err
	}
	for _, u := range list.Uploads {
		if u.Key != key {
			continue
		}
		up := sdk.InitiateMultipartUploadResult{Bucket: "tide", Key: key, UploadID: u.UploadID}
		has, err := a.admin.ListUploadedParts(up)
		if err != nil {
			return parts, err
		}
		parts += len(has.UploadedParts)
		if err := a.admin.AbortMultipartUpload(up); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// file is a source file and all that it has been. Each change gives it another time of modification, so that nothing hinges on the
// clock of the file system.
type file struct {
	path string

	mu       sync.Mutex
	contents [][]byte
	changes  int
}

func newFile(path string, size int) (*file, error) {
	f := &file{path: path}
	return f, f.write(noise(size, 0))
}

func noise(size, seed int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data) // never fails
	return data
}

func (f *file) write(data []byte) error {
	f.contents = append(f.contents, data)
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	if err == nil {
		err = out.Truncate(int64(len(data)))
	}
	return errors.Join(err, out.Close(), f.touch())
}

func (f *file) touch() error {
	f.changes++
	at := time.Date(2026, 1, 2, 3, 4, f.changes, 0, time.UTC)
	return os.Chtimes(f.path, at, at)
}

func (f *file) change(kind fault.Kind) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	data := slices.Clone(f.contents[len(f.contents)-1])
	switch kind {
	case fault.Touched:
		return f.touch()
	case fault.Edited:
		data[len(data)/2] ^= 0x55
	case fault.Truncated:
		data = data[:len(data)*5/8]
	case fault.Grown:
		data = append(data, noise(len(data)/3, f.changes)...)
	case fault.Replaced:
		data = noise(len(data), f.changes)
	}
	return f.write(data)
}

// current is the number of the content that the file has, for was.
func (f *file) current() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.contents) - 1
}

// was says whether the file was, byte for byte, data since it had the content of that number.
func (f *file) was(data []byte, since int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.contents[since:], func(c []byte) bool { return bytes.Equal(c, data) })
}

// snapshot is the files of a directory.
type snapshot map[string][]byte

func take(dir string) (snapshot, error) {
	s := snapshot{}
	list, err := os.ReadDir(dir)
	for _, entry := range list {
		data, rerr := os.ReadFile(filepath.Join(dir, entry.Name()))
		s[entry.Name()], err = data, errors.Join(err, rerr)
	}
	return s, err
}

func (s snapshot) restore(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	for name, data := range s {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return err
}
