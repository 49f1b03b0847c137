// Package checkpoint keeps what an upload must remember between processes: one append-only log of small records per upload.
//
// [File] is the store for one machine, [Memory] the one for tests and for uploads that need not survive their process. A store
// of your own is the four methods of [Store] and, where it can, [Locker] and [Syncer].
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Errors of a Store. ErrConflict, ErrInvalid, ErrVersion and ErrInUse promise that the call had no effect; any error that is none
// of these leaves the outcome unknown, and the engine Loads to learn it.
var (
	// ErrConflict: the log does not have exactly the records that the caller believes it has.
	ErrConflict = errors.New("checkpoint: the log was changed by someone else")

	// ErrDamaged: the log could not be read whole. It was set aside, and the log now holds what could be read.
	ErrDamaged = errors.New("checkpoint: damaged log set aside")

	// ErrVersion: the log was written by a newer version of this library, which is needed to go on. It was not touched.
	ErrVersion = errors.New("checkpoint: log was written by a newer version")

	// ErrInvalid: an ID or a record that a store does not take.
	ErrInvalid = errors.New("checkpoint: invalid ID or record")

	// ErrInUse: another process or goroutine has the lock. The error is an [*InUseError].
	ErrInUse = errors.New("checkpoint: in use")
)

// MaxRecordSize is the size in bytes of the largest record that a Store must take. The engine's own records are some 250
// bytes; one that holds an object's attributes may have a few KiB.
const MaxRecordSize = 64 << 10

// Store keeps one append-only log of records per upload. Implementations are safe for concurrent use, by goroutines and,
// where the storage is shared, by processes.
//
// An ID is any non-empty string of at most 1024 bytes: do not use it as a path name unescaped. A record is one JSON value
// on one line, not empty, of at most [MaxRecordSize] bytes, so that a log can be read by a person; return it byte for byte. The
// engine passes nothing else; a store that could not keep something else refuses it with ErrInvalid.
//
// A method whose context is done when it is called returns the context's error, as it is or wrapped, and has no effect.
type Store interface {
	// Load returns the records of id, in order, for the caller to keep. A record that was torn by a crash, at the end of the log, is left out as if
	// it had never been appended. No log: no records and no error.
	//
	// An error that is ErrDamaged comes with records: the damaged log was set aside under another name, which the error
	// gives, and the log now holds exactly what is returned. Any other error comes without.
	Load(ctx context.Context, id string) ([][]byte, error)

	// Append adds rec as record number at, counted from 0, and makes the log if at is 0. ErrConflict, with no effect, if
	// the log does not have exactly at records (a negative at included): of two callers that append at the same place one succeeds, whatever their
	// clocks and whatever died. Append does not keep rec.
	//
	// If the answer is lost, the record may be there; the caller Loads to see. A record is there whole or not at all.
	Append(ctx context.Context, id string, at int, rec []byte) error

	// Delete removes the log if it has exactly at records, at least one, and the last of them equals last; else ErrConflict,
	// with no effect. No log: nil. If the answer is lost, calling again is harmless.
	Delete(ctx context.Context, id string, at int, last []byte) error

	// IDs lists the logs that exist, in no particular order. It ends after the first error.
	IDs(ctx context.Context) iter.Seq2[string, error]
}

// Locker is the optional interface of a Store that can keep others from an upload while one process works on it. A lock
// that dies with its process is required; one that must be cleaned up by a person is worse than none.
type Locker interface {
	// Lock returns at once: the lock, or an *InUseError, which is ErrInUse. The lock is for this caller: a second Lock of
	// the same id in the same process is refused too. Call unlock once.
	Lock(ctx context.Context, id string) (unlock func() error, err error)
}

// Syncer is the optional interface of a Store whose Append is not durable by itself.
type Syncer interface {
	// Sync returns when all that was appended to id so far survives a power cut.
	Sync(ctx context.Context, id string) error
}

// InUseError says who holds a lock. It is ErrInUse.
type InUseError struct {
	ID     string
	Holder string    // for a person: process and host; empty if not known
	Since  time.Time // zero if not known
}

func (e *InUseError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	if e.Since.IsZero() {
		return fmt.Sprintf("checkpoint: in use by %s", holder)
	}
	return fmt.Sprintf("checkpoint: in use by %s since %s", holder, e.Since.Format(time.RFC3339))
}

// Is reports whether target is ErrInUse.
func (e *InUseError) Is(target error) bool { return target == ErrInUse }
