// Package upload sends large objects to object stores so that no interruption costs more than the parts in flight, and none
// produces a wrong object.
//
// The same call starts an upload and resumes it. What is needed to go on is kept in a [checkpoint.Store]; what the store
// has is asked of the store; what the source has is read from the source. The algorithm is in engine.go, in the order in
// which it happens.
package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/checkpoint"
)

// Defaults of [Options] and of [Request].
const (
	DefaultMaxConcurrency = 64
	DefaultThreshold      = 10 << 20 // bytes
	DefaultPartSize       = 8 << 20  // bytes
)

// Options are shared by the uploads of an [Uploader]. Nil and the zero value are good defaults.
type Options struct {
	// Concurrency fixes how many parts of each upload are sent at once. 0 lets the Uploader find out what pays: it starts with 4,
	// adds connections while throughput grows with them, and takes some away when it does not, or when the store throttles. What it
	// finds holds for all its uploads together, which share the connections evenly. While nothing is sent, parts are read for
	// comparison on all processors (GOMAXPROCS), unless Concurrency is 1, which does one thing at a time. Upload refuses a negative
	// one with [backend.ErrInvalid].
	Concurrency int

	// MinConcurrency and MaxConcurrency bound what the Uploader finds; it starts with at least MinConcurrency. 0 are 1 and
	// DefaultMaxConcurrency, or MinConcurrency where that is more. Upload refuses bounds that are negative or the wrong way round
	// with [backend.ErrInvalid]. Where Concurrency is set they do nothing else.
	MinConcurrency, MaxConcurrency int

	// Threshold in bytes: a smaller source is sent as one Put, where the store has it. 0 is DefaultThreshold; a negative
	// one sends everything in parts.
	Threshold int64

	// Retry is how often and when a failed request is sent again.
	Retry Retry

	// Limiter limits the bytes sent a second, over all uploads that share it, of other Uploaders too. Its burst must be at least 1
	// (else Upload returns [backend.ErrInvalid]); one of 64 KiB or more costs little. However large it is, no more than 50 ms worth,
	// or 32 KiB where that is more, goes at once. SetLimit and SetBurst have their effect while uploads run; a limit of 0 holds all
	// until another is set. What waits already, up to 32 KiB for each connection, waits by the limit that it met, also if a higher
	// one is set meanwhile. Nil is no limit.
	Limiter *rate.Limiter

	// Logger hears of resuming, restarting, damage, retries, hedges and, as a warning, that the store is waited for. Nil is silent.
	Logger *slog.Logger
}

// Request is what one upload asks for. Nil and the zero value are fine.
type Request struct {
	// Attributes of the object. An upload that was begun under others starts again when it is resumed.
	Attributes backend.Attributes

	// IfAbsent fails with [backend.ErrExists] rather than replace an object. (In a bucket with versioning, OSS ignores it.)
	IfAbsent bool

	// PartSize in bytes; 0 is DefaultPartSize. It is doubled until the source fits into the number of parts that the
	// store takes; less than the store's minimum is refused. An upload keeps the part size that it began with.
	PartSize int64

	// Progress is called with snapshots, several times a second, never from two goroutines at once. It does not hold up
	// the transfer, but Upload returns only after its last call did.
	Progress func(Progress)

	// SourceID names the source in the checkpoint instead of Source.ID, so that another machine, or a file that was
	// moved, can go on with the upload.
	SourceID string
}

// Uploader uploads to one store. It is safe for concurrent use.
type Uploader struct {
	backend backend.MultipartBackend
	store   checkpoint.Store
	opts    Options
	log     *slog.Logger

	shared *window // nil: each upload has one of its own, of fixed size
	gate   *gate
	pace   *pace
}

// New returns an Uploader that sends to b and keeps its checkpoints in store, neither of which may be nil. Nil opts are the
// defaults.
func New(b backend.MultipartBackend, store checkpoint.Store, opts *Options) *Uploader {
	u := &Uploader{backend: b, store: store}
	if opts != nil {
		u.opts = *opts
	}
	if u.opts.Threshold == 0 {
		u.opts.Threshold = DefaultThreshold
	}
	u.opts.Retry = u.opts.Retry.withDefaults()
	if u.log = u.opts.Logger; u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	if u.opts.MinConcurrency == 0 {
		u.opts.MinConcurrency = 1
	}
	if u.opts.MaxConcurrency == 0 {
		u.opts.MaxConcurrency = max(DefaultMaxConcurrency, u.opts.MinConcurrency)
	}
	if u.opts.Concurrency == 0 {
		u.shared = newWindow(0, newControl(u.opts.MinConcurrency, u.opts.MaxConcurrency))
	}
	u.gate, u.pace = newGate(u.log), &pace{}
	return u
}

// window is where an upload has its places.
func (u *Uploader) window() *window {
	if u.shared != nil {
		return u.shared
	}
	return newWindow(u.opts.Concurrency, nil)
}

// Upload makes key an object with the content of src. If the checkpoint store has an upload of the same key from the same
// source that did not end, it goes on with that.
//
// It returns nil only when the object is there, whole and verified. When it returns an error, the Result says how far it came
// (it is never nil), and unless the error says otherwise the same call goes on from there. An error is an [*Error]; see
// there for what it may be. If ctx is done, Upload returns soon (an upload that is just being given up is aborted first, which
// takes at most 30 s), leaves no goroutine behind, and the upload can be resumed.
func (u *Uploader) Upload(ctx context.Context, key string, src Source, req *Request) (*Result, error) {
	return u.run(ctx, key, src, "", req)
}

// UploadFile makes key an object with the content of the regular file path. The source is named by the absolute path,
// unless req.SourceID is set. See [Uploader.Upload].
func (u *Uploader) UploadFile(ctx context.Context, key, path string, req *Request) (*Result, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return &Result{}, &Error{Op: "open the source", Key: key, Err: err}
	}
	f, err := OpenFile(abs)
	if err != nil {
		return &Result{}, &Error{Op: "open the source", Key: key, Err: err}
	}
	defer f.Close() // it was only read
	return u.run(ctx, key, f, abs, req)
}

// run is Upload; path is known if the source is a file that a later process can open again.
func (u *Uploader) run(ctx context.Context, key string, src Source, path string, req *Request) (*Result, error) {
	r := &run{Uploader: u, key: key, src: src, path: path, res: &Result{}, window: u.window()}
	if req != nil {
		r.req = *req
	}
	r.sourceID = r.req.SourceID
	if r.sourceID == "" {
		r.sourceID = src.ID()
	}
	if err := r.check(); err != nil {
		return r.res, &Error{Op: "check the request", Key: key, Err: err}
	}
	r.log = u.log.With("key", key)
	r.meter = newMeter(src.Size(), r.req.Progress, r.window, r.gate)
	defer r.meter.stop()

	err := r.drive(ctx)
	p := r.meter.snapshot()
	r.res.Sent, r.res.Stored, r.res.Reused, r.res.Retries, r.res.Hedged, r.res.Parts = p.Sent, r.meter.has(), p.Reused, p.Retries, p.Hedged, p.Parts
	if err != nil {
		return r.res, r.explain(err)
	}
	r.meter.finish()
	return r.res, nil
}

// check refuses what can be refused without asking anyone.
func (r *run) check() error {
	switch {
	case r.key == "":
		return fmt.Errorf("the key is empty: %w", backend.ErrInvalid)
	case r.sourceID == "":
		return fmt.Errorf("the source has no ID, set Request.SourceID: %w", backend.ErrInvalid)
	case r.src.Size() < 0:
		return fmt.Errorf("the source's size %d is negative: %w", r.src.Size(), backend.ErrInvalid)
	case r.req.PartSize < 0:
		return fmt.Errorf("the part size %d is negative: %w", r.req.PartSize, backend.ErrInvalid)
	case r.opts.Concurrency < 0:
		return fmt.Errorf("the concurrency %d is negative: %w", r.opts.Concurrency, backend.ErrInvalid)
	case r.opts.MinConcurrency < 0 || r.opts.MaxConcurrency < r.opts.MinConcurrency:
		return fmt.Errorf("the bounds of concurrency, %d to %d, are negative or the wrong way round: %w",
			r.opts.MinConcurrency, r.opts.MaxConcurrency, backend.ErrInvalid)
	case r.opts.Limiter != nil && r.opts.Limiter.Burst() < 1 && r.opts.Limiter.Limit() != rate.Inf:
		return fmt.Errorf("the limiter's burst is below 1 and lets nothing pass: %w", backend.ErrInvalid)
	}
	_, err := choosePartSize(r.src.Size(), r.req.PartSize, r.backend.Info())
	return err
}

// explain makes err an *Error, and a context's error plainly that.
func (r *run) explain(err error) error {
	if _, ok := err.(*Error); ok {
		return err
	}
	return &Error{Op: "upload", Key: r.key, Err: err}
}

// logID names the log of an upload: the same store, key and source have the same log.
func logID(location, key, sourceID string) string {
	h := sha256.New()
	for _, s := range []string{location, key, sourceID} {
		fmt.Fprintf(h, "%d:%s", len(s), s) // the lengths keep the three apart whatever they hold
	}
	return hex.EncodeToString(h.Sum(nil))
}
