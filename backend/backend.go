// Package backend is the contract between the upload engine and an object store.
//
// A store is one [MultipartBackend] and, where it has more to give, a few optional interfaces of one method each
// ([Putter], [UploadLister], [ETagger]), which the engine finds with [As].
//
// # The three answers
//
// A call to a store has three outcomes, and whoever implements this package keeps them apart:
//
//   - nil: it is done.
//   - an error that is (in the sense of [errors.Is]) one of the sentinels of this package: it had no effect, and it will
//     have none. A sentinel speaks for the whole call: if a call is made of several requests, for instance because an SDK
//     retries inside it, and the outcome of any of them is not known, then the outcome of the call is not known.
//   - any other error: unknown. It may have happened, it may still happen. The engine asks (ListParts, Stat); it never
//     assumes.
//
// An error of the context is of the third kind, unless nothing was sent yet.
//
// An error may say more through methods that are found with [errors.As]: `RetryAfter() time.Duration` (wait at least that
// long before the next try; zero or less means that the store did not say, and more holds back every request of the
// Uploader, not only this one), `RequestID() string` (what the store's support
// asks for) and `Mended() bool` (what the call failed of has been put right meanwhile, so that the same call may succeed at once,
// even if the error is [ErrDenied]: there are other credentials now, the store's time is known, a dead connection is out of the
// way; the engine then calls once more without waiting; what fails then counts as any other). Mended says nothing of what became of the call that failed: that is for
// the sentinels. No error holds a credential, a signature or a signed URL.
package backend

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// The second kind of answer: the call had no effect. Return them wrapped, with what the store said.
var (
	// ErrNoSuchUpload: the upload was aborted, expired, was completed or was never there. Return it only when the store
	// says so of this upload; a bucket that is missing or may not be seen is another error ([ErrInvalid], [ErrDenied]).
	ErrNoSuchUpload = errors.New("backend: no such upload")

	// ErrNotFound: there is no object under the key.
	ErrNotFound = errors.New("backend: no such object")

	// ErrExists: an object is there, and [CompleteOptions].IfAbsent was asked.
	ErrExists = errors.New("backend: object exists")

	// ErrInvalidPart: a part passed to Complete is missing, has another ETag by now, or is out of order.
	ErrInvalidPart = errors.New("backend: part missing, changed or out of order")

	// ErrDenied: the credentials are wrong, have expired, or do not allow the call. The same call will fail again until
	// someone changes something; nothing is lost meanwhile.
	ErrDenied = errors.New("backend: access denied")

	// ErrInvalid: the store will never take this request: a key, size, number or attribute is out of range, cannot be
	// honoured, or the bucket does not exist. Name the thing in the error.
	ErrInvalid = errors.New("backend: invalid request")

	// ErrThrottled: the store refused for now, because of load or a rate. Retry later.
	ErrThrottled = errors.New("backend: throttled")

	// ErrUnreachable: nothing was sent, because no connection could be made (a name that does not resolve, a port that
	// nobody listens on, a network that is down, a TLS handshake that fails). Retry later. Return it only if that is certain of the whole call.
	ErrUnreachable = errors.New("backend: store cannot be reached")
)

// MultipartBackend is the storage under an upload. Implementations are safe for concurrent use. Every method returns soon
// after its context is done, and retries nothing by itself: retrying is the engine's, which knows what may be repeated.
type MultipartBackend interface {
	// Info describes the store. It does no I/O and always returns the same.
	Info() Info

	// Create begins a multipart upload of key with attrs. A key is any non-empty string; return ErrInvalid for those that the
	// store does not take. Nothing is visible under key until Complete. If attrs ask for
	// something that the store cannot honour, return ErrInvalid and name it; drop nothing silently. Uploads of one key
	// are independent of each other.
	//
	// If the answer is lost, an upload without parts may have been left on the store. The engine does not look for it,
	// since a listing does not say whose it is.
	Create(ctx context.Context, key string, attrs Attributes) (Upload, error)

	// UploadPart stores size bytes, read from body, as part number (from 1) of u, replacing a part of that number.
	//
	// Read body from its start to its end; you may seek back to the start and read it all again, for a checksum or for a
	// try of your own, and what the last whole reading returned is what counts. Do not touch body after you returned: if
	// a transport below may still be reading it, cut the transport off first. Do not keep what you read. A size of 0 is
	// allowed in an upload of one part. A body that ends early is an error, and no part is stored.
	//
	// Return the part as the store has it, with the CRC-64 that the store computed, or nil where it computes none; have
	// such a store verify the bytes by another checksum (Content-MD5 or the like).
	//
	// If the answer is lost, the part may be there or may still arrive. The engine sends it again, which replaces it.
	// Return ErrNoSuchUpload if the upload is gone.
	//
	// The engine cancels a call that moves nothing for long (30 s without a Read of body, 2 min without the answer; once for each
	// part, half a second beside others that move), and calls a second time beside one that lags behind. Two calls for one part then
	// carry the same place of the source, each by a body of its own, and the part is what either of them sent, whole; the one that is
	// slower is cancelled, and may still replace the part. Read body as the network takes it, not ahead: what is read of it is how
	// the engine sees that something moves, and how fast.
	UploadPart(ctx context.Context, u Upload, number int, body io.ReadSeeker, size int64) (Part, error)

	// ListParts returns parts that u has, with numbers greater than after, in ascending order, and whether there are more.
	// A page may be short, but not empty while more is true. Every part whose UploadPart returned nil before the call is
	// listed. The engine passes the last number returned as the next after.
	//
	// Return ErrNoSuchUpload only if the upload is gone: the engine then gives up its parts.
	ListParts(ctx context.Context, u Upload, after int) (parts []Part, more bool, err error)

	// Complete publishes exactly the parts passed, in their order, as the object key of u, in one step: until then the
	// old object (or none) is seen, from then on the new one. Parts not passed are discarded. The numbers ascend; gaps are
	// allowed. Return ErrInvalidPart if a part is missing or its current ETag differs from the one passed, and ErrExists
	// if opts.IfAbsent and the object exists; the upload and its parts then stay as they are. Do not modify parts.
	//
	// The Object returned has the size and, where the store gives them, ETag and CRC-64; Modified may be zero.
	//
	// If the answer is lost, the object may be published now, later or never. The engine calls again; Complete of an upload
	// that is gone returns ErrNoSuchUpload, whatever became of it.
	Complete(ctx context.Context, u Upload, parts []Part, opts CompleteOptions) (Object, error)

	// Abort discards u and its parts. Return ErrNoSuchUpload if it is gone already. A part in flight may outlive an Abort;
	// the engine calls again until the answer is ErrNoSuchUpload, and does the same if an answer is lost. Where no part was in
	// flight, u is gone for every call that begins after Abort returned nil: ListParts must not show it once more.
	Abort(ctx context.Context, u Upload) error

	// Stat describes the object under key, ErrNotFound if there is none. It sees every Complete and Put that returned nil
	// before the call. Object.Modified is by the store's clock, as Upload.Initiated is. A lost answer loses nothing.
	Stat(ctx context.Context, key string) (Object, error)
}

// Putter is the optional interface of a store that takes a small object in one request.
type Putter interface {
	// Put stores size bytes, read from body, as the object key, in one step, or not at all: a body that ends early or
	// fails is no object. For body the rules of UploadPart hold, for opts and the Object returned those of Complete.
	//
	// If the answer is lost, the object may be there now, later or never. The engine calls again; with IfAbsent, it
	// compares what is there with what it sent.
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, attrs Attributes, opts CompleteOptions) (Object, error)
}

// UploadLister is the optional interface of a store that can list its unfinished uploads.
type UploadLister interface {
	// Uploads lists the unfinished uploads, whoever began them, of the keys that start with prefix. It ends after the
	// first error.
	Uploads(ctx context.Context, prefix string) iter.Seq2[Upload, error]
}

// ETagger is the optional interface of a store whose ETags can be computed.
type ETagger interface {
	// ETag returns the ETag that the object completed from parts must have, and false if it cannot be known.
	ETag(parts []Part) (string, bool)
}

// As returns b as a T, or the first T among what b wraps. A wrapper lets As through by a method `Unwrap() MultipartBackend`;
// one that must see every call (to count, to fail, to limit) has no such method and forwards the optional interfaces itself.
func As[T any](b MultipartBackend) (T, bool) {
	for b != nil {
		if t, ok := b.(T); ok {
			return t, true
		}
		w, ok := b.(interface{ Unwrap() MultipartBackend })
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var none T
	return none, false
}

// Info describes a store. A limit of zero means that there is none.
type Info struct {
	// Location names the store, or the part of it in which keys live (service and bucket), in a checkpoint. Two backends
	// with one Location reach the same objects and uploads. It holds no credential.
	Location string

	MinPartSize int64 // bytes; the smallest part that is not the last
	MaxPartSize int64 // bytes
	MaxParts    int   // the highest part number, and so the most parts
	MaxPutSize  int64 // bytes; for a Putter
	EqualParts  bool  // all parts but the last must have the same size
}

// Upload is a multipart upload that was begun and is neither completed nor aborted. Its fields are all that a later process
// has of it. They are kept in the checkpoint as JSON: an ID is UTF-8, of at most 2 KiB, and nothing to be kept secret.
type Upload struct {
	Key       string    `json:"key"`
	ID        string    `json:"id"`
	Initiated time.Time `json:"initiated"` // by the store's clock; zero if the store does not say
}

// Part is a part as the store has it.
type Part struct {
	Number int // from 1
	Size   int64
	ETag   string  // opaque; changes whenever the bytes do
	CRC64  *uint64 // CRC-64/XZ (the polynomial of crc64.ECMA) as computed by the store; nil if it computes none
}

// Object is an object as the store has it. Where it has neither CRC64 nor, with an [ETagger], an ETag, the engine can verify its
// size only.
type Object struct {
	Key      string
	ETag     string
	Size     int64
	CRC64    *uint64   // as for Part, of the whole object
	Modified time.Time // by the store's clock; zero if the store did not say
}

// CompleteOptions are what Complete and Put need beside the content.
type CompleteOptions struct {
	// IfAbsent refuses with ErrExists, rather than replace an object. (OSS: x-oss-forbid-overwrite.) Of several that
	// publish at once one succeeds: a store that cannot do that in one step returns ErrInvalid, always.
	IfAbsent bool

	// Attributes are the same as at Create, for stores that take some of them at commit.
	Attributes Attributes
}
