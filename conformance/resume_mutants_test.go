package conformance

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/internal/crc64"
	"github.com/tidemark-go/tidemark/upload"
)

// resumeMutant is a broken engine, backend or store, or one that is odd and legal, for TestResume.
type resumeMutant struct {
	rule string // that it breaks; empty if it is legal
	by   string // the scenario in which it is broken; empty: all
	name string
	set  func(t *testing.T, g *stage)
}

// interposed is an engine with something between it and its stores.
func interposed(b func(backend.MultipartBackend) backend.MultipartBackend, s func(checkpoint.Store) checkpoint.Store) engine {
	return func(inner backend.MultipartBackend, store checkpoint.Store, opts *upload.Options) driver {
		if b != nil {
			inner = b(inner)
		}
		if s != nil {
			store = s(store)
		}
		return theEngine(inner, store, opts)
	}
}

// through lets the optional interfaces of what it wraps through.
type through struct{ backend.MultipartBackend }

func (w through) Unwrap() backend.MultipartBackend { return w.MultipartBackend }

// driverFunc is a driver.
type driverFunc func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error)

func (f driverFunc) Upload(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
	return f(ctx, key, src, req)
}

type steadySource struct{ upload.Source }

func (steadySource) Version() (string, error) { return "always the same", nil }

// noParts does not see what the store has, as long as see says so.
type noParts struct {
	through
	src   upload.Source
	moved bool // of a source that was changed, rather than of one that was not
	parts func([]backend.Part) []backend.Part
}

func (b noParts) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	parts, more, err := b.MultipartBackend.ListParts(ctx, u, after)
	if version, _ := b.src.Version(); (version != "version 0") == b.moved {
		parts = b.parts(parts)
	}
	return parts, more, err
}

// listsAs is an engine that reads ListParts in its own way.
func listsAs(moved bool, parts func([]backend.Part) []backend.Part) engine {
	return func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
		return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
			return theEngine(noParts{through{b}, src, moved, parts}, s, opts).Upload(ctx, key, src, req)
		})
	}
}

type noAbort struct{ through }

func (noAbort) Abort(context.Context, backend.Upload) error { return backend.ErrNoSuchUpload }

type noStat struct{ through }

func (noStat) Stat(context.Context, string) (backend.Object, error) {
	return backend.Object{}, backend.ErrNotFound
}

type noIfAbsent struct{ through }

func (b noIfAbsent) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	opts.IfAbsent = false
	return b.MultipartBackend.Complete(ctx, u, parts, opts)
}

type noCheck struct{ through }

func (b noCheck) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	p, err := b.MultipartBackend.UploadPart(ctx, u, number, body, size)
	if err == nil && p.CRC64 != nil {
		if _, err = body.Seek(0, io.SeekStart); err == nil {
			data, rerr := io.ReadAll(body)
			crc := crc64.Update(0, data)
			p.CRC64, err = &crc, rerr
		}
	}
	return p, err
}

func (b noCheck) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	obj, err := b.MultipartBackend.Complete(ctx, u, parts, opts)
	obj.CRC64, obj.ETag = nil, ""
	return obj, err
}

// saying is an engine that changes what Upload returns.
func saying(f func(error) error) engine {
	return func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
		return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
			res, err := theEngine(b, s, opts).Upload(ctx, key, src, req)
			return res, f(err)
		})
	}
}

type reader struct{ checkpoint.Store }

func (s reader) Append(ctx context.Context, id string, at int, rec []byte) error {
	for range 5 {
		if _, err := s.Load(ctx, id); err != nil {
			return err
		}
	}
	return s.Store.Append(ctx, id, at, rec)
}

type noDelete struct{ checkpoint.Store }

func (noDelete) Delete(context.Context, string, int, []byte) error { return nil }

// firstAttributes begins all uploads of a key with the attributes of the first.
type firstAttributes struct {
	through
	mu    *sync.Mutex
	first map[string]backend.Attributes
}

func (b firstAttributes) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	b.mu.Lock()
	if first, ok := b.first[key]; ok {
		attrs = first
	}
	b.first[key] = attrs
	b.mu.Unlock()
	return b.MultipartBackend.Create(ctx, key, attrs)
}

// tidy aborts what it has begun when it fails.
type tidy struct {
	through
	begun *[]backend.Upload
}

func (b tidy) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	*b.begun = append(*b.begun, u)
	return b.MultipartBackend.UploadPart(ctx, u, number, body, size)
}

var resumeMutants = []resumeMutant{
	{"R01", "events", "engine takes the version of the source for granted", func(_ *testing.T, g *stage) {
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
				return theEngine(b, s, opts).Upload(ctx, key, steadySource{src}, req)
			})
		}
	}},
	{"R02", "parts", "engine does not ask what the store has", func(_ *testing.T, g *stage) {
		g.engine = listsAs(false, func([]backend.Part) []backend.Part { return nil })
	}},
	{"R03", "events-after-crash", "engine sends all again when the time stamp is another", func(_ *testing.T, g *stage) {
		g.engine = listsAs(true, func([]backend.Part) []backend.Part { return nil })
	}},
	{"R04", "race-2", "engine does not say that it was superseded", func(_ *testing.T, g *stage) {
		g.engine = saying(func(err error) error {
			if errors.Is(err, upload.ErrSuperseded) {
				err = errors.New("the checkpoint cannot be written")
			}
			return err
		})
	}},
	{"R04", "race-2-locked", "engine does not lock", func(_ *testing.T, g *stage) { g.engine = interposed(nil, unlocked) }},
	{"R05", "occupied", "engine does not abort", func(_ *testing.T, g *stage) {
		g.engine = interposed(func(b backend.MultipartBackend) backend.MultipartBackend { return noAbort{through{b}} }, nil)
	}},
	{"R06", "parts", "engine does not look whether the object is there", func(_ *testing.T, g *stage) {
		g.engine = interposed(func(b backend.MultipartBackend) backend.MultipartBackend { return noStat{through{b}} }, nil)
	}},
	{"R07", "attributes", "engine goes on under the attributes that it began with", func(_ *testing.T, g *stage) {
		var mu sync.Mutex
		first := map[string]backend.Attributes{}
		g.engine = interposed(func(b backend.MultipartBackend) backend.MultipartBackend {
			return firstAttributes{through{b}, &mu, first}
		}, nil)
	}},
	{"R08", "parts", "engine aborts when it is denied", func(_ *testing.T, g *stage) {
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
				var begun []backend.Upload
				res, err := theEngine(tidy{through{b}, &begun}, s, opts).Upload(ctx, key, src, req)
				if errors.Is(err, backend.ErrDenied) {
					for _, u := range begun {
						err = errors.Join(err, b.Abort(ctx, u))
					}
				}
				return res, err
			})
		}
	}},
	{"R09", "parts", "engine does not look at checksums", func(_ *testing.T, g *stage) {
		g.engine = interposed(func(b backend.MultipartBackend) backend.MultipartBackend { return noCheck{through{b}} }, nil)
	}},
	{"R10", "parts", "engine reads the log for each record", func(_ *testing.T, g *stage) {
		g.engine = interposed(nil, func(s checkpoint.Store) checkpoint.Store { return reader{s} })
	}},
	{"R11", "parts", "engine does not hear of cancellation", func(t *testing.T, g *stage) {
		g.patience = 20 * time.Millisecond
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			return driverFunc(func(_ context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
				return theEngine(b, s, opts).Upload(t.Context(), key, src, req)
			})
		}
	}},
	{"R12", "parts", "backend whose upload IDs are its password", func(_ *testing.T, g *stage) { g.b.Secrets = []string{"0000000000"} }},
	{"R13", "parts", "engine leaves its log", func(_ *testing.T, g *stage) {
		g.engine = interposed(nil, func(s checkpoint.Store) checkpoint.Store { return noDelete{s} })
	}},
	{"R14", "put", "engine says nothing of expired credentials", func(_ *testing.T, g *stage) {
		g.engine = saying(func(err error) error {
			if errors.Is(err, backend.ErrDenied) {
				err = nil
			}
			return err
		})
	}},
	{"R14", "events", "engine does not read a source again that changed", func(_ *testing.T, g *stage) {
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
				before, _ := src.Version()
				res, err := theEngine(b, s, opts).Upload(ctx, key, src, req)
				if after, _ := src.Version(); after != before {
					err = upload.ErrSourceChanged
				}
				return res, err
			})
		}
	}},
	{"R14", "parts", "engine does not try again", func(_ *testing.T, g *stage) {
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			once := *opts
			once.Retry.Attempts = 1
			return theEngine(b, s, &once)
		}
	}},
	{"R15", "parts", "engine leaves a goroutine", func(t *testing.T, g *stage) {
		g.engine = func(b backend.MultipartBackend, s checkpoint.Store, opts *upload.Options) driver {
			return driverFunc(func(ctx context.Context, key string, src upload.Source, req *upload.Request) (*upload.Result, error) {
				go func() { <-t.Context().Done() }()
				return theEngine(b, s, opts).Upload(ctx, key, src, req)
			})
		}
	}},
	{"R16", "occupied", "engine asks for IfAbsent at the beginning only", func(_ *testing.T, g *stage) {
		g.engine = interposed(func(b backend.MultipartBackend) backend.MultipartBackend { return noIfAbsent{through{b}} }, nil)
	}},
	{"", "", "store without CRC-64", func(_ *testing.T, g *stage) { g.b = ofMemory(memory.Options{NoCRC64: true}) }},
	{"", "", "store that refuses IfAbsent", func(_ *testing.T, g *stage) {
		g.b.Backend = neverAbsent{struct{ backend.MultipartBackend }{g.b.Backend}}
	}},
	{"", "", "store without optional interfaces", func(_ *testing.T, g *stage) { g.b.Backend = struct{ backend.MultipartBackend }{g.b.Backend} }},
	{"", "", "store that dates nothing", func(_ *testing.T, g *stage) { g.b.Backend = undated{through{g.b.Backend}} }},
	{"", "", "store that lists one part at a time", func(_ *testing.T, g *stage) { g.b.Backend = onePart{through{g.b.Backend}} }},
	{"", "", "store whose ETags are new for each part", func(_ *testing.T, g *stage) { g.b.Backend = newETags(g.b.Backend) }},
	{"", "", "store with CRC-64s of parts only", func(_ *testing.T, g *stage) { g.b.Backend = partsOnly{g.b.Backend} }},
	{"", "", "store whose ETags cannot be computed", func(_ *testing.T, g *stage) {
		g.b = ofMemory(memory.Options{NoCRC64: true})
		g.b.Backend = noETag{g.b.Backend}
	}},
	{"", "", "store without CRC-64 whose ETags are new for each part", func(_ *testing.T, g *stage) {
		g.b = ofMemory(memory.Options{NoCRC64: true})
		g.b.Backend = newETags(g.b.Backend)
	}},
	{"", "", "store of few parts", func(_ *testing.T, g *stage) { g.b = ofMemory(memory.Options{Info: backend.Info{MaxParts: 3}}) }},
	{"", "", "backend without a session token", func(_ *testing.T, g *stage) { g.b.Secrets = []string{""} }},
	{"", "", "checkpoint store without locks", func(_ *testing.T, g *stage) { g.store = unlocked(g.store) }},
}

// TestResumeMutants: each broken engine is seen by the rule that it breaks and no other, and what is odd but legal is not seen.
func TestResumeMutants(t *testing.T) {
	for _, r := range resumeRules {
		if !slices.ContainsFunc(resumeMutants, func(m resumeMutant) bool { return m.rule == r.ID }) {
			t.Errorf("no mutant breaks %s: %s", r.ID, r.Sentence)
		}
	}
	for _, m := range resumeMutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			s := &sweep{seen: map[string]int{}, effort: effort{pairs: 100, turns: 2, seeds: 20, first: 1}, quiet: true, again: replay(t), only: m.by}
			s.newStage = func(t *testing.T) *stage {
				g := &stage{b: MemoryBackend(t), store: checkpoint.NewMemory(), engine: theEngine, prefix: newPrefix(), patience: patience}
				m.set(t, g)
				return g
			}
			t.Run("all", func(t *testing.T) { s.all(t) })
			seen := map[string]string{}
			for _, v := range s.found {
				seen[v.rule.ID] = v.name + ": " + v.saw
			}
			if i := slices.IndexFunc(s.found, func(v violation) bool { return v.again != "" }); i >= 0 {
				first := s.found[i]
				s.found = nil
				t.Run("again", func(t *testing.T) { s.replay(t, s.newStage(t), first.again) })
				if len(s.found) != 1 || s.found[0].rule != first.rule {
					t.Errorf("%s was seen by %s; played again, there was %v", first.again, first.rule.ID, s.found)
				}
			}
			for rule, saw := range seen {
				if rule != m.rule {
					t.Errorf("seen by %s as well: %s", rule, saw)
				}
			}
			if _, ok := seen[m.rule]; m.rule != "" && !ok {
				t.Errorf("not seen by %s in %s", m.rule, m.by)
			}
		})
	}
}

// neverAbsent has no way to publish only if nothing is there.
type neverAbsent struct{ backend.MultipartBackend }

func (b neverAbsent) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	if opts.IfAbsent {
		return backend.Object{}, backend.ErrInvalid
	}
	return b.MultipartBackend.Complete(ctx, u, parts, opts)
}
