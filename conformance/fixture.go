package conformance

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
)

// Backend is a store of objects to be tested. A fixture function makes one for each subtest and cleans up after it through
// t.Cleanup. It may lead to a place that is not empty: the suite uses keys that nobody else has, below "conformance/".
type Backend struct {
	// Backend is the implementation under test.
	Backend backend.MultipartBackend

	// Read returns the content and the attributes of an object as the store has them; an error that is [backend.ErrNotFound] or
	// [fs.ErrNotExist] if there is none. It should not go through Backend, whose word is what is being tested. It is called
	// while uploads are under way.
	Read func(ctx context.Context, key string) ([]byte, backend.Attributes, error)

	// Open returns another handle on the same store, as another process would have. Nil: Backend serves for all, since it
	// keeps no state of its own between calls.
	Open func() backend.MultipartBackend

	// Secrets must not be found in an error, nor in a checkpoint: the credentials that Backend has.
	Secrets []string
}

// Store is a store of checkpoints to be tested.
type Store struct {
	// Store is the implementation under test.
	Store checkpoint.Store

	// OneProcess says that the logs live in this value, not in a place that other handles and other processes reach. Without it,
	// the fixture function is called again with the same dir, in this process and in child processes, and
	// must return a handle on the same logs.
	OneProcess bool

	// LogFile returns the path of the file that holds the log of id, if a crash may leave that file cut short at any byte, and a
	// failing disk may change any. Nil: there is no such file, and torn and damaged logs are not tested.
	LogFile func(id string) string

	// PowerCut makes the storage forget what was not synced, by whichever handle it was written and as much of it as it likes, and
	// returns a handle on what is left. Its choice should differ from call to call and be the same in every run of the test. Nil: the
	// fixture cannot simulate it, and power cuts are not tested.
	PowerCut func() checkpoint.Store
}

// NewBackend makes the fixture of one subtest. Subtests of [TestResume] run in parallel, so it may be called several times at once.
type NewBackend = func(t *testing.T) Backend

// NewStore makes the fixture of one subtest, as NewBackend does. dir is an empty directory of that subtest, for a store that lives
// in files; another kind may use its path as a unique name.
type NewStore = func(t *testing.T, dir string) Store

// made is a fixture whose Read has one error for what is not there.
func made(t *testing.T, newFixture NewBackend) Backend {
	b := newFixture(t)
	read := b.Read
	b.Read = func(ctx context.Context, key string) ([]byte, backend.Attributes, error) {
		data, attrs, err := read(ctx, key)
		if errors.Is(err, fs.ErrNotExist) {
			err = backend.ErrNotFound
		}
		return data, attrs, err
	}
	return b
}

// logsInMemory is the store of checkpoints of those who have none of their own to test.
func logsInMemory(*testing.T, string) Store {
	return Store{Store: checkpoint.NewMemory(), OneProcess: true}
}

// open returns another handle on b's store.
func (b Backend) open() backend.MultipartBackend {
	if b.Open == nil {
		return b.Backend
	}
	return b.Open()
}
