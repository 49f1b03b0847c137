package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// disks are the simulated disks of one test, one for each directory: all stores in a directory share it.
type disks struct {
	seed uint64
	keep string
	mu   sync.Mutex
	by   map[string]*disk
}

// newDisks takes the seed of what power cuts leave from TIDEMARK_SEED.
func newDisks(t *testing.T) *disks {
	seed := uint64(1)
	if set := os.Getenv("TIDEMARK_SEED"); set != "" {
		var err error
		if seed, err = strconv.ParseUint(set, 10, 64); err != nil {
			t.Fatalf("TIDEMARK_SEED: %v", err)
		}
	}
	t.Logf("TIDEMARK_SEED=%d", seed)
	return &disks{seed: seed, keep: t.TempDir(), by: make(map[string]*disk)}
}

func (d *disks) at(t *testing.T, root string) *disk {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by[root] == nil {
		// The subtest and the last element of the path, its number, are the same in every run of the test, and of this subtest alone.
		place := fnv.New64()
		fmt.Fprint(place, t.Name(), filepath.Base(root))
		at := &disk{
			root:  root,
			keep:  filepath.Join(d.keep, strconv.Itoa(len(d.by))),
			rnd:   rand.New(rand.NewPCG(d.seed, place.Sum64())),
			names: make(map[string]map[string]int),
		}
		if err := errors.Join(os.Mkdir(at.keep, 0o700), at.syncDir(root)); err != nil {
			t.Fatal(err)
		}
		d.by[root] = at
	}
	return d.by[root]
}

// disk is what would survive a power cut of the directory tree at root: of each file the bytes that it had when it was last synced, and
// of each directory the names that it had then.
type disk struct {
	root, keep string

	mu    sync.Mutex
	rnd   *rand.Rand
	files []file
	names map[string]map[string]int // by directory and name, the index in files, or directory
}

// file is known by its identity, since it may be renamed. A link of our own keeps it there, so that no other gets that identity.
type file struct {
	link    string
	info    os.FileInfo
	durable []byte
}

const directory = -1

// openFile returns a store whose syncs are noted here, and reach no real disk: that would prove nothing and take its time.
func (d *disk) openFile(t *testing.T, dir string) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.OnSync(d.syncFile, d.syncDir)
	return f
}

func (d *disk) syncFile(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.identify(path)
	if err != nil {
		return err
	}
	d.files[i].durable, err = os.ReadFile(d.files[i].link)
	return err
}

func (d *disk) syncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	names, err := d.namesIn(dir)
	if err != nil {
		return err
	}
	d.names[dir] = names
	return nil
}

// identify returns the index of a file.
func (d *disk) identify(path string) (int, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	if info.IsDir() {
		return directory, nil
	}
	for i, f := range slices.Backward(d.files) {
		if os.SameFile(f.info, info) {
			return i, nil
		}
	}
	link := filepath.Join(d.keep, strconv.Itoa(len(d.files)))
	if err := os.Link(path, link); err != nil {
		return 0, err
	}
	if info, err = os.Lstat(link); err != nil {
		return 0, err
	}
	d.files = append(d.files, file{link: link, info: info})
	return len(d.files) - 1, nil
}

func (d *disk) namesIn(dir string) (map[string]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make(map[string]int)
	for _, e := range entries {
		i, err := d.identify(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		names[e.Name()] = i
	}
	return names, nil
}

// powerCut turns the tree into one that a crash may leave.
func (d *disk) powerCut(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.cut(d.root); err != nil {
		t.Fatal(err)
	}
}

// cut deals with one directory. As a whole it is as it was at its last sync, or as it is now, or it is as it is now without some of the
// names that are new in it. It never mixes more than that: file systems do not leave half of a rename.
func (d *disk) cut(dir string) error {
	now, err := d.namesIn(dir)
	if err != nil {
		return err
	}
	before := d.names[dir]
	after := maps.Clone(now)
	switch d.rnd.IntN(3) {
	case 0:
		after = maps.Clone(before)
	case 1:
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if _, ok := before[name]; !ok && d.rnd.IntN(2) == 0 {
				delete(after, name)
			}
		}
	}
	for name, i := range now {
		if _, stays := after[name]; stays && i == directory {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		path := filepath.Join(dir, name)
		if after[name] == directory {
			err = d.cut(path)
		} else {
			err = d.leave(d.files[after[name]], path)
		}
		if err != nil {
			return err
		}
	}
	d.names[dir], err = d.namesIn(dir)
	return err
}

// leave writes what a crash leaves of f: what was synced; or what it had since, cut off or zero from some byte on that came later.
func (d *disk) leave(f file, path string) error {
	content, err := os.ReadFile(f.link)
	if err != nil {
		return err
	}
	late := len(content) - len(f.durable)
	if !bytes.HasPrefix(content, f.durable) || late == 0 || d.rnd.IntN(3) == 0 {
		content = f.durable
	} else {
		length := len(f.durable) + d.rnd.IntN(late+1)
		written := len(f.durable) + d.rnd.IntN(length-len(f.durable)+1)
		if d.rnd.IntN(2) == 0 {
			written = length
		}
		clear(content[written:length])
		content = content[:length]
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	i, err := d.identify(path)
	if err != nil {
		return err
	}
	d.files[i].durable = content
	return nil
}
