package oss

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// Error is what OSS answered when it did not answer with success, or why there was no answer. Find it with [errors.As].
//
// It is one of the sentinels of package backend if the call had no effect for certain; then OSS itself refused the request
// (the answer has a request ID), for a reason that is known to be checked before anything is done:
//
//	ErrNoSuchUpload  NoSuchUpload, of a call that names an upload.
//	ErrNotFound      NoSuchKey, or a bare 404, of Stat. Of other calls it makes no sense, so it decides nothing.
//	ErrExists        FileAlreadyExists.
//	ErrInvalidPart   InvalidPart and InvalidPartOrder, of Complete. The upload stays usable.
//	ErrDenied        every 403, since who may do what is decided first; and what error-detail codes 0002-… call 400, which
//	                 is about the signature (a wrong region in it, say). FileImmutable: a retention rule protects the object.
//	ErrInvalid       NoSuchBucket; and what is wrong with the request itself: InvalidArgument, MissingArgument,
//	                 InvalidRequest, MalformedXML, InvalidObjectName, InvalidBucketName, InvalidEncryptionAlgorithmError,
//	                 EntityTooLarge, EntityTooSmall, MetadataTooLarge, MissingContentLength, NotImplemented,
//	                 OperationNotSupported, MethodNotAllowed.
//	ErrThrottled     429, and the codes of 503 that name a limit (…LimitExceeded): a limit is applied at the door.
//	                 ServiceUnavailable only of ListParts, Stat and Uploads, which change nothing anyway.
//
// It is ErrUnreachable if there was no answer because no connection could be made, not one in all of the call, whatever the
// client's transport retries and wherever it is redirected to: a name that is not found, a port that nobody listens on, a proxy that
// does not connect, a TLS handshake that fails, a certificate that is not trusted. The error says which.
//
// All else is unknown, and is no sentinel: InternalError and other 5xx, which may come from behind the door (and the
// service says that a Complete goes on); ServiceUnavailable of a call that changes something, for the same reason; a
// 400 RequestTimeout, IncompleteBody, BadRequest, InvalidDigest or InvalidCRC64, which say that the bytes did not arrive
// whole, so that sending them again helps; a redirect; a code that is not listed here; a 404 without a code; success in
// another form than OSS documents; an answer without a request ID, which some proxy gave; no answer.
//
// If the caller's context is done, the error is its error too.
type Error struct {
	Op         string // the method of Backend
	StatusCode int    // zero if there was no answer
	Code       string // OSS's error code; may be empty
	Message    string // OSS's message; may be empty
	EC         string // OSS's error-detail code, under which its troubleshooting pages are found; may be empty

	requestID  string
	retryAfter time.Duration
	remedy     string
	mended     bool
	causes     []error
}

// Error says in one line what failed, what OSS said, and what to do about it where that is known. It has no credential, signature,
// URL or key in it.
func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "oss: %s", e.Op)
	if e.StatusCode != 0 {
		if e.Code != "" {
			fmt.Fprintf(&s, ": %s", e.Code)
		}
		if e.Message != "" {
			fmt.Fprintf(&s, ": %s", e.Message)
		}
		fmt.Fprintf(&s, " (status %d", e.StatusCode)
		if e.EC != "" {
			fmt.Fprintf(&s, ", EC %s", e.EC)
		}
		if e.requestID != "" {
			fmt.Fprintf(&s, ", request %s", e.requestID)
		}
		s.WriteString(")")
	}
	if e.remedy != "" {
		fmt.Fprintf(&s, ": %s", e.remedy)
	}
	for _, cause := range e.causes {
		if !sentinel(cause) { // the code says it better
			fmt.Fprintf(&s, ": %s", printable(cause.Error(), 500))
		}
	}
	return s.String()
}

// Unwrap returns the sentinel, if the error is one, and what else caused it.
func (e *Error) Unwrap() []error { return e.causes }

// RequestID is what the service's support asks for; empty if there was no answer.
func (e *Error) RequestID() string { return e.requestID }

// RetryAfter is how long OSS asked to wait before the next try, by x-oss-qos-delay-time or Retry-After; zero if it did not.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Mended reports whether what the call failed of has been put right meanwhile, so that the same call may succeed at once. That is so
//
//   - if OSS refused the credentials as expired or not valid (SecurityTokenExpired, InvalidSecurityToken, InvalidAccessKeyId,
//     AccessKeyIdAndSecurityTokenNotMatch), and the client's credentials provider has others by now, or has them after its
//     Refresh, if it is a [Refresher]. The error is ErrDenied then all the same.
//   - if OSS refused the time of the request (RequestTimeTooSkewed, ErrDenied too), and told its own. This Backend dates all
//     its requests by that from then on, in every version of the signature, and corrects it when it is refused again and is off by
//     more than a minute.
//   - if a connection from the pool was dead: there was no answer, and no more than 512 KiB of the body were taken. The idle
//     connections of the client have been closed, as far as it is known ([sdk.HTTPClient]) and its transport can. Whether the
//     call had an effect is unknown, as of any connection that was cut.
func (e *Error) Mended() bool { return e.mended }

// refused is the error of an answer that is not the success that was wanted.
func refused(ctx context.Context, op operation, a *answer) *Error {
	e := describe(op, a)
	if s := sortAnswer(op, a); s != nil {
		e.causes = append(e.causes, s)
	}
	e.remedy = remedy(op, a)
	return withContext(ctx, e)
}

// unreadable is the error of a success that could not be read: unknown, whatever it says.
func unreadable(ctx context.Context, op operation, a *answer, err error) error {
	e := describe(op, a)
	e.causes = append(e.causes, err)
	return withContext(ctx, e)
}

func describe(op operation, a *answer) *Error {
	now, err := http.ParseTime(a.header.Get(sdk.HTTPHeaderDate))
	if err != nil {
		now = time.Now() // which may be wrong here, while Retry-After is by the server's clock
	}
	return &Error{
		Op:         string(op),
		StatusCode: a.status,
		Code:       printable(a.fault.Code, 100),
		Message:    printable(a.fault.Message, 500),
		EC:         printable(a.fault.EC, 100),
		requestID:  printable(a.fault.RequestID, 100),
		retryAfter: retryAfter(a.header, now),
	}
}

// lost is the error of a call whose outcome is not known.
func lost(ctx context.Context, op operation, err error) *Error {
	// The URL has an upload ID in its query, and in some client may have a signature.
	if in := (*url.Error)(nil); errors.As(err, &in) {
		err = in.Err
	}
	return withContext(ctx, &Error{Op: string(op), causes: []error{err}})
}

// withContext adds the error of a context that is done. The transport does not always: if the context has a cause, its error
// is only that.
func withContext(ctx context.Context, e *Error) *Error {
	if err := ctx.Err(); err != nil && !errors.Is(e, err) {
		e.causes = append(e.causes, err)
	}
	return e
}

// sortAnswer returns the sentinel for an answer, nil if its effect is unknown. The comment of Error has the reasons.
func sortAnswer(op operation, a *answer) error {
	if a.fault.RequestID == "" || a.status < 400 {
		return nil
	}
	switch a.fault.Code {
	case "NoSuchUpload":
		if op.onUpload() {
			return backend.ErrNoSuchUpload
		}
		return nil
	case "NoSuchKey":
		if op == opStat {
			return backend.ErrNotFound
		}
		return nil
	case "FileAlreadyExists":
		if op == opComplete || op == opPut {
			return backend.ErrExists
		}
		return nil
	case "InvalidPart", "InvalidPartOrder":
		if op == opComplete {
			return backend.ErrInvalidPart
		}
		return nil
	case "FileImmutable":
		return backend.ErrDenied
	case "InvalidArgument", "MissingArgument":
		if strings.HasPrefix(a.fault.EC, "0002-") {
			return backend.ErrDenied
		}
		return backend.ErrInvalid
	case "NoSuchBucket", "InvalidRequest", "MalformedXML", "InvalidObjectName", "InvalidBucketName",
		"InvalidEncryptionAlgorithmError", "EntityTooLarge", "EntityTooSmall", "MetadataTooLarge", "MissingContentLength",
		"NotImplemented", "OperationNotSupported", "MethodNotAllowed":
		return backend.ErrInvalid
	case "QpsLimitExceeded", "TotalQpsLimitExceeded", "MetaOperationQpsLimitExceeded", "ActiveRequestLimitExceeded",
		"CpuLimitExceeded", "UploadTrafficRateLimitExceeded", "DownloadTrafficRateLimitExceeded":
		return backend.ErrThrottled
	case "ServiceUnavailable":
		if op.reads() {
			return backend.ErrThrottled
		}
		return nil
	}
	switch {
	case a.status == http.StatusForbidden:
		return backend.ErrDenied
	case a.status == http.StatusTooManyRequests:
		return backend.ErrThrottled
	case a.status == http.StatusNotFound && op == opStat && a.fault.Code == "":
		// An answer to HEAD has no body, and some installations leave out the header that stands in for it. The bucket
		// may be what is missing; whatever is tried next will say so.
		if a.fault.EC == "0015-00000101" {
			return backend.ErrInvalid // NoSuchBucket
		}
		return backend.ErrNotFound
	}
	return nil
}

// sentinel reports whether err is one of the sentinels themselves.
func sentinel(err error) bool {
	switch err {
	case backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart,
		backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled, backend.ErrUnreachable:
		return true
	}
	return false
}

// retryAfter reads how long to wait: OSS's own header, in milliseconds, or HTTP's, in seconds or as a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const longest = 24 * 60 * 60 // seconds; more is a mistake
	if ms, err := strconv.ParseUint(sdk.GetQosDelayTime(h), 10, 64); err == nil && ms <= longest*1000 {
		return time.Duration(ms) * time.Millisecond
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseUint(value, 10, 64); err == nil && s <= longest {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil && t.After(now) && t.Sub(now) <= longest*time.Second {
		return t.Sub(now)
	}
	return 0
}

// printable makes the text of a server, or of a credentials provider, fit for a line of a log or a terminal.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.TrimSpace(s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
