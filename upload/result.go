package upload

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
)

// Result tells how an upload went. With an error, how far it came.
type Result struct {
	// Object is what the store has under the key. Its Modified may be zero, as after a Complete.
	Object backend.Object

	// CRC64 is the CRC-64/XZ of the content, computed from the source while it was sent or compared.
	CRC64 uint64

	Sent     int64 // bytes that this call sent, those of failed requests and of hedges included
	Stored   int64 // bytes of the object that the store has; with an error, of the parts that the next call finds
	Reused   int64 // bytes of the object that were on the store when this call began
	Parts    int   // parts of the object, as it was planned last; 0 if it was a Put
	PartSize int64 // bytes; that of an upload which was resumed, even if the Request asks for another; of its last parts, if a line that did not last made them smaller; 0 if it was a Put
	Retries  int   // requests that were sent again
	Hedged   int   // parts that were sent a second time at the same time, since the first try lagged behind

	// Resumed says that the call went on with an upload which an earlier one began.
	Resumed bool

	// Restarted has a sentence for each time that the upload began again from nothing.
	Restarted []string

	// Damaged has a sentence for each damaged checkpoint that was set aside.
	Damaged []string

	// Denied names what the store refused to this caller and was done without: "ListParts", "Stat", "Abort".
	Denied []string

	// Left are uploads that may be on the store still, because it did not let us abort them. Their log is kept, so that
	// Pending shows them.
	Left []backend.Upload
}

var (
	// ErrSourceChanged: the source went on changing while it was read, so that no whole reading of one version was had.
	// What was sent is kept: the same call goes on from it when the source is at rest.
	ErrSourceChanged = errors.New("the source keeps changing")

	// ErrSource: the source could not be read. What was sent is kept.
	ErrSource = errors.New("the source cannot be read")

	// ErrSuperseded: another process or call went on with this upload, and this one stopped. The object is the other's
	// business.
	ErrSuperseded = errors.New("another process took over this upload")

	// ErrStalled: nothing moved for so long that the request was given up, again and again: 30 s for the bytes of a part or a Put,
	// 2 min for the answer to it, 15 min for that to Complete, 1 min for any other. (Beside others that move, a part is given up
	// sooner, once.) A backend's client may have limits of its own. What was sent is kept.
	ErrStalled = errors.New("nothing moves")

	// ErrChecksum: the store's checksum, size or ETag is not that of what was sent.
	ErrChecksum = errors.New("checksum mismatch")

	// ErrUndecided: whether the object under the key is ours cannot be known. The text says why and what to do.
	ErrUndecided = errors.New("cannot tell whose object it is")
)

// Error is the error of this package. What it wraps may be one of the errors above, a sentinel of the packages backend and
// checkpoint (ErrDenied: nothing was lost, try again with other credentials; ErrExists: there is an object, and IfAbsent was
// asked; ErrInUse: another process is at it), the error of the context, or what the source or the network said.
type Error struct {
	Op   string // what was tried, in words
	Key  string
	Part int // 0 if it was not about a part
	Err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "upload %s: ", e.Key)
	if e.Part > 0 {
		fmt.Fprintf(&b, "part %d: ", e.Part)
	}
	if e.Op != "upload" {
		fmt.Fprintf(&b, "%s: ", e.Op)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// RequestID is what the store's support asks for, empty if the error is not the store's.
func (e *Error) RequestID() string {
	var with interface{ RequestID() string }
	if errors.As(e.Err, &with) {
		return with.RequestID()
	}
	return ""
}

// also is err and, if it is not nil, what went wrong after it, in one line.
func also(err, after error) error {
	if after == nil {
		return err
	}
	if e, ok := err.(*Error); ok {
		return &Error{Op: e.Op, Key: e.Key, Part: e.Part, Err: also(e.Err, after)}
	}
	return fmt.Errorf("%w; and then: %w", err, after)
}
