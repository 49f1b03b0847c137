package fakeoss

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// Handler is the fake server as an [http.Handler]. It must be mounted at the root, and not behind [http.ServeMux], which
// redirects keys such as "a//b". It is safe for concurrent use.
type Handler struct {
	region      string
	credentials []Credential
	endpoints   map[string]bool
	cnames      map[string]string
	clock       func() time.Time
	operations  []operation
	loose       bool
	policy      func(PolicyRequest) bool
	logger      *slog.Logger

	store   store.Store
	uploads uploads
	journal journal
	faults  faults
	buffers sync.Pool

	// buckets is held for reading by whatever puts something into a bucket, and for writing by DeleteBucket.
	buckets sync.RWMutex
	// keys orders the changes of one key: its hash picks the lock.
	keys [64]sync.Mutex

	// requests counts the requests in progress, also those whose connection was cut and whose effect is still to come.
	mu       sync.Mutex
	requests sync.WaitGroup
	closed   chan struct{}
}

// New returns a server. Close it: one with a directory has a lock on that. The error says which option is wrong, or why the
// directory cannot be used.
func New(opts *Options) (*Handler, error) {
	if opts == nil {
		opts = &Options{}
	}
	h := &Handler{
		region:      opts.Region,
		credentials: append([]Credential(nil), opts.Credentials...),
		endpoints:   map[string]bool{"localhost": true},
		cnames:      map[string]string{},
		clock:       opts.Clock,
		operations:  operations(),
		loose:       opts.Loose,
		policy:      opts.Policy,
		logger:      opts.Logger,
		closed:      make(chan struct{}),
	}
	h.buffers.New = func() any { b := make([]byte, 128<<10); return &b }
	if h.region == "" {
		h.region = "cn-hangzhou"
	}
	if h.clock == nil {
		h.clock = time.Now
	}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	if len(h.credentials) == 0 {
		h.credentials = []Credential{{AccessKeyID: "LTAI" + randomHex(10), AccessKeySecret: randomHex(15)}}
	}
	for i, cred := range h.credentials {
		if cred.AccessKeyID == "" || cred.AccessKeySecret == "" || strings.ContainsAny(cred.AccessKeyID, "/:,") {
			return nil, fmt.Errorf("fakeoss: credential %d: key ID or secret is empty or malformed", i)
		}
	}
	for _, e := range opts.Endpoints {
		h.endpoints[strings.ToLower(e)] = true
	}
	for host, bucket := range opts.CNAMEs {
		h.cnames[strings.ToLower(host)] = bucket
	}
	h.journal.open(opts.JournalWriter, opts.JournalLimit)
	if err := h.Inject(opts.Faults...); err != nil {
		return nil, err
	}
	if err := h.open(opts); err != nil {
		return nil, err
	}
	return h, nil
}

// open opens the store, finds the unfinished uploads in it, and creates the buckets.
func (h *Handler) open(opts *Options) (err error) {
	if opts.Dir == "" {
		h.store = store.NewMemory(timeSource{h})
	} else if h.store, err = store.Open(opts.Dir, timeSource{h}); err != nil {
		return fmt.Errorf("fakeoss: %w", err)
	}
	if err := h.uploads.restore(h.store.Uploads()); err != nil {
		return fmt.Errorf("fakeoss: %s: %w", opts.Dir, errors.Join(err, h.store.Close()))
	}
	for _, b := range opts.Buckets {
		if !bucketName.MatchString(b) {
			return errors.Join(fmt.Errorf("fakeoss: bucket %q: not a name for a bucket", b), h.store.Close())
		}
		if err := h.createBucket(b, nil); err != nil {
			return errors.Join(fmt.Errorf("fakeoss: bucket %s: %w", b, err), h.store.Close())
		}
	}
	return nil
}

// timeSource is the handler's clock, for the store.
type timeSource struct{ h *Handler }

func (t timeSource) Now() time.Time                        { return t.h.now() }
func (t timeSource) Since(earlier time.Time) time.Duration { return t.h.now().Sub(earlier) }

func (h *Handler) now() time.Time { return h.clock() }

// Region is the region that V4 signatures must name.
func (h *Handler) Region() string { return h.region }

// Credential returns the first of the credentials that are accepted.
func (h *Handler) Credential() Credential { return h.credentials[0] }

// Close refuses further requests, cuts off those that a fault holds up (an effect that was put off does not happen any
// more), waits for the others, and closes the directory. It returns the first error of the JournalWriter, too.
func (h *Handler) Close() error {
	h.mu.Lock()
	select {
	case <-h.closed:
		h.mu.Unlock()
		return nil
	default:
	}
	close(h.closed)
	h.mu.Unlock()
	h.requests.Wait()
	return errors.Join(h.store.Close(), h.journal.err())
}

// admit counts a request in, unless the handler is closed.
func (h *Handler) admit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return false
	default:
		h.requests.Add(1)
		return true
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.admit() {
		panic(http.ErrAbortHandler)
	}
	defer h.requests.Done()
	c := &call{h: h, w: w, r: r, id: randomHex(12), begun: time.Now()}
	c.body = &requestBody{c: c, inner: r.Body, cut: -1, ended: r.Body == nil || r.ContentLength == 0}
	h.faults.arrival()
	c.entry = h.journal.begin(h.now(), c.id, r.Method)

	a, err := c.serve()
	if err != nil && !c.severed {
		a = c.errorAnswer(err)
	}
	if derr := c.drain(); derr != nil {
		c.sever()
	}
	if a == nil {
		a = &answer{}
	}
	c.entry.result(a.status, a.code)
	acknowledged := c.answerOrCut(a)
	c.entry.end(h.now(), acknowledged)
	if c.severed {
		panic(http.ErrAbortHandler)
	}
}

// serve finds the operation, checks the caller, and runs it.
func (c *call) serve() (_ *answer, err error) {
	defer func() {
		if c.held != nil {
			close(c.held.done)
		}
	}()
	if c.target, err = c.h.resolve(c.r); err != nil {
		return nil, err
	}
	c.entry.target(c.target.bucket, c.target.key)
	_, raw, _ := strings.Cut(c.r.RequestURI, "?")
	if c.r.RequestURI == "" {
		raw = c.r.URL.RawQuery
	}
	if c.query, err = parseQuery(raw); err != nil {
		return nil, errBadRequest("InvalidURI", "Couldn't parse the specified URI.")
	}
	if c.op, err = c.h.route(c.r.Method, c.target, withCopySource(c.r.Header, c.query)); err != nil {
		return nil, err
	}
	c.entry.operation(c.op.name, c.query.get("uploadId"), c.query.get("partNumber"))
	if err := c.target.check(c.h.region); err != nil {
		return nil, err
	}
	// A missing bucket is noticed before the signature is looked at.
	if c.target.bucket != "" && c.op.name != "PutBucket" {
		if ok, err := c.h.store.BucketExists(c.target.bucket); err != nil {
			return nil, err
		} else if !ok {
			return nil, errNoSuchBucket(c.target.bucket)
		}
	}
	if c.signed, err = c.authenticate(); err != nil {
		return nil, err
	}
	if err := c.authorize(); err != nil {
		return nil, err
	}
	if !c.h.loose {
		if err := c.op.known(c.r.Header, c.query); err != nil {
			return nil, err
		}
	}
	if err := c.meetFault(); err != nil {
		return nil, err
	}
	return c.op.serve(c)
}

// discard throws a body away.
func (h *Handler) discard(body store.Body) {
	if err := body.Discard(); err != nil {
		h.logger.Error("discard", "error", err)
	}
}

func (h *Handler) closing(c io.Closer) {
	if err := c.Close(); err != nil {
		h.logger.Error("close", "error", err)
	}
}

// lockKey locks the changes of one key.
func (h *Handler) lockKey(bucket, key string) (unlock func()) {
	sum := uint32(2166136261) // FNV-1a
	for _, s := range []string{bucket, "/", key} {
		for i := range len(s) {
			sum = (sum ^ uint32(s[i])) * 16777619
		}
	}
	m := &h.keys[sum%uint32(len(h.keys))]
	m.Lock()
	return m.Unlock
}
