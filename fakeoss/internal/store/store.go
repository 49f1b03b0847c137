// Package store keeps the buckets, objects and unfinished uploads of the fake server: [Memory], or a directory ([Open]).
package store

import (
	"errors"
	"io"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Errors of a directory.
var (
	// ErrInUse: another process, or another Store of this one, has the directory open.
	ErrInUse = errors.New("directory is in use")

	// ErrVersion: the directory was written by a version of this package that this one does not know.
	ErrVersion = errors.New("unknown format")
)

// Store is a gofakes3.Backend, and beside it what OSS's uploads need and that interface lacks: bodies that are received
// before anything is known of what becomes of them, objects that are made of such bodies without copying, and uploads that
// survive a restart. A Store is safe for concurrent use; the order of two changes of one key is the caller's to settle.
type Store interface {
	gofakes3.Backend

	// Spool begins a body. It belongs to nobody until Link or SavePart takes it over.
	Spool() (Body, error)

	// Link makes an object of bodies, one after the other, in one step, replacing the object that was there. They belong
	// to the object from then on. If upload is not empty, that upload ends in the same step; bodies of its other parts
	// are the caller's to discard.
	Link(bucket, key string, meta map[string]string, upload string, bodies []Body) error

	// Share returns the bytes of an object as bodies of their own, for Link to make another object of, or the same one with
	// more at its end. What becomes of the object does not touch them.
	Share(bucket, key string) ([]Body, error)

	// SetMeta replaces the metadata of an object.
	SetMeta(bucket, key string, meta map[string]string) error

	// BucketMeta returns what SetBucketMeta kept for a bucket, empty if nothing was.
	BucketMeta(bucket string) (string, error)
	SetBucketMeta(bucket, meta string) error

	// Uploads returns the unfinished uploads that were found when the store was opened, with their parts. It is meant to
	// be called once, before any other upload is saved.
	Uploads() []Upload

	// SaveUpload begins an upload; u.Parts is not looked at.
	SaveUpload(u Upload) error

	// SavePart takes over the body of a part. Of two parts of one number the one with the higher Sequence counts; the
	// caller discards the body of the other.
	SavePart(upload string, p Part) error

	// DropUpload forgets an upload. The bodies of its parts are the caller's to discard, afterwards.
	DropUpload(id string) error

	Close() error
}

// Body is a sequence of bytes that is written once.
type Body interface {
	io.Writer

	// Size is the number of bytes written.
	Size() int64

	// Open reads the body, which must be a part that SavePart has taken over, or shared.
	Open() (io.ReadCloser, error)

	// Discard removes the body. Nothing may use it afterwards.
	Discard() error
}

// Upload is an unfinished multipart upload.
type Upload struct {
	ID, Bucket, Key string
	Meta            string // the caller's, opaque
	Initiated       time.Time
	Parts           []Part
}

// Part is a part of an upload.
type Part struct {
	Number   int
	Sequence uint64 // rises with every part saved
	MD5      [16]byte
	CRC64    uint64
	Modified time.Time // whole seconds
	Body     Body
}
