package conformance

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// ledger stands between the faults and the backend, and so knows what truly happened. Each process has one of its own, over the
// process's handle; what they know is one.
type ledger struct {
	backend.MultipartBackend
	*facts
}

// facts are what truly happened.
type facts struct {
	mu        sync.Mutex
	created   []backend.Upload
	asked     map[string]backend.Attributes // by upload ID, at Create
	completed int
	other     string // an upload ID; see otherwise
}

// Unwrap lets the optional interfaces through.
func (l *ledger) Unwrap() backend.MultipartBackend { return l.MultipartBackend }

func (l *ledger) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	u, err := l.MultipartBackend.Create(ctx, key, attrs)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.created = append(l.created, u)
		l.asked[u.ID] = attrs
	}
	return u, err
}

func (l *ledger) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	obj, err := l.MultipartBackend.Complete(ctx, u, parts, opts)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.completed++
	}
	if asked, ok := l.asked[u.ID]; ok && !reflect.DeepEqual(asked, opts.Attributes) {
		l.other = u.ID
	}
	return obj, err
}

// uploads returns those that were begun.
func (f *facts) uploads() []backend.Upload {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.created)
}

// completes returns how often an upload was completed.
func (f *facts) completes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.completed
}

// otherwise returns an upload that was completed with other attributes than it was begun with, empty if there is none.
func (f *facts) otherwise() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.other
}

// driver is what runs an upload: an upload.Uploader, or a broken one in the tests of this package.
type driver interface {
	Upload(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error)
}

type engine func(backend.MultipartBackend, checkpoint.Store, *upload.Options) driver

func theEngine(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
	return upload.New(b, s, opts)
}
