package oss

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// operation names a call, in errors and where the meaning of an answer depends on the call.
type operation string

const (
	opCreate     operation = "Create"
	opUploadPart operation = "UploadPart"
	opListParts  operation = "ListParts"
	opComplete   operation = "Complete"
	opAbort      operation = "Abort"
	opStat       operation = "Stat"
	opPut        operation = "Put"
	opUploads    operation = "Uploads"
)

// reads reports whether the operation changes nothing on the store, so that none of its answers can have had an effect.
func (op operation) reads() bool { return op == opListParts || op == opStat || op == opUploads }

// onUpload reports whether the operation names an upload ID.
func (op operation) onUpload() bool {
	return op == opUploadPart || op == opListParts || op == opComplete || op == opAbort
}

// action is the permission that the operation needs, by the service's page "RAM Policy overview".
func (op operation) action() string {
	switch op {
	case opListParts:
		return "oss:ListParts"
	case opAbort:
		return "oss:AbortMultipartUpload"
	case opStat:
		return "oss:GetObject"
	case opUploads:
		return "oss:ListMultipartUploads"
	default:
		return "oss:PutObject"
	}
}

type request struct {
	op      operation
	method  string
	key     string         // empty for the bucket itself
	params  map[string]any // as the SDK wants it: nil for a parameter without a value
	headers map[string]string
	body    *lentBody // nil for none. Not an empty one, which the SDK sends chunked
}

// answer is a response, read whole.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	sentCRC uint64 // CRC-64 of the request's body, if the client was told to compute it
	fault   fault  // zero unless the answer is an error document
}

// fault is OSS's error document with the elements of particular codes that are needed here. SignatureDoesNotMatch comes with
// the string to sign and the access key ID, which are not read, so that they cannot get into an error.
type fault struct {
	XMLName     xml.Name `xml:"Error"`
	Code        string   `xml:"Code"`
	Message     string   `xml:"Message"`
	RequestID   string   `xml:"RequestId"`
	EC          string   `xml:"EC"`
	Endpoint    string   `xml:"Endpoint"`    // AccessDenied through the wrong region's endpoint
	ServerTime  string   `xml:"ServerTime"`  // RequestTimeTooSkewed
	RequestTime string   `xml:"RequestTime"` // RequestTimeTooSkewed
	PartETag    string   `xml:"PartEtag"`    // PartAlreadyExist
}

// maxAnswer is more than the largest answer there is: a list of 1000 uploads with keys of 1023 bytes, each byte escaped as
// three, takes some 4 MB.
const maxAnswer = 16 << 20

// do sends r and reads the answer. The error is nil if the status is want, or if only a callback failed; else it is an *Error,
// and the answer is there as well if there was one.
func (b *Backend) do(ctx context.Context, r request, want int) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: string(r.op), causes: []error{err}}
	}
	// The SDK checks the name too, but skips an empty one, and then addresses the service instead of the bucket.
	if err := sdk.CheckBucketName(b.bucket.BucketName); err != nil {
		return nil, invalid(r.op, "bucket name %.70q must have 3 to 63 of a-z, 0-9 and -", b.bucket.BucketName)
	}

	by, err := b.credentials()
	if err != nil {
		return nil, lost(ctx, r.op, err)
	}
	with := signed{at: time.Now(), offset: time.Duration(b.clock.Load()), by: by}
	// The slice is made anew for each call: the SDK appends to the one it is given.
	options := make([]sdk.Option, 0, len(r.headers)+2)
	var conns connections
	options = append(options, sdk.WithContext(conns.trace(ctx)))
	if with.offset != 0 {
		options = append(options, sdk.SetHeader(sdk.HTTPHeaderDate, with.date()))
	}
	for name, value := range r.headers {
		options = append(options, sdk.SetHeader(name, value))
	}
	var body io.Reader
	if r.body != nil {
		body = &io.LimitedReader{R: r.body, N: r.body.size} // the type from which the SDK learns the length
	}
	resp, err := b.bucket.Do(r.method, r.key, r.params, options, body, nil)
	if resp == nil {
		e := lost(ctx, r.op, err)
		b.mendConnection(ctx, e, &conns, err, r.body)
		return nil, e
	}
	// The SDK's error says nothing that the response does not say better; for some statuses it says less.
	a := &answer{status: resp.StatusCode, header: resp.Headers, sentCRC: resp.ClientCRC}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && len(a.body) > maxAnswer {
		err = fmt.Errorf("answer is larger than %d bytes", maxAnswer)
	}
	if err != nil {
		return nil, lost(ctx, r.op, err)
	}
	if a.status != want {
		a.readFault()
		if !callbackFailed(r.op, a) {
			e := refused(ctx, r.op, a)
			b.mendRefusal(ctx, e, a, with)
			return a, e
		}
	}
	if a.header.Get(sdk.HTTPHeaderOssRequestID) == "" {
		// OSS puts its request ID into every answer. A proxy's or a login page's answer must not pass for success.
		return nil, lost(ctx, r.op, fmt.Errorf("answer of status %d has no %s, so it is not from OSS", a.status, sdk.HTTPHeaderOssRequestID))
	}
	return a, nil
}

// callbackFailed reports whether the object is there and only the callback that was asked for failed (page "Callback"). That is
// success, with all that success must show.
func callbackFailed(op operation, a *answer) bool {
	return (op == opComplete || op == opPut) && a.status == http.StatusNonAuthoritativeInfo && a.fault.Code == "CallbackFailed"
}

// send is do for a request with a body: size bytes of body, from its start. Body is not read any more when it returns.
func (b *Backend) send(ctx context.Context, r request, body io.ReadSeeker, size int64) (*answer, error) {
	if size > 0 {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return nil, &Error{Op: string(r.op), causes: []error{fmt.Errorf("rewind the body: %w", err)}}
		}
		lent := lend(body, size)
		// Deferred as well, for a panic in the client's own transport or credentials provider.
		defer lent.takeBack()
		r.body = lent

		a, err := b.do(ctx, r, http.StatusOK)
		left, readErr := lent.takeBack()
		if readErr != nil {
			return a, lost(ctx, r.op, fmt.Errorf("read the body: %w", readErr))
		}
		if err == nil && left > 0 {
			err = lost(ctx, r.op, fmt.Errorf("answered before the last %d bytes of the body were read", left))
		}
		if err != nil {
			return a, err
		}
		return a, b.checkSent(ctx, r.op, a)
	}
	a, err := b.do(ctx, r, http.StatusOK)
	if err != nil {
		return a, err
	}
	return a, b.checkSent(ctx, r.op, a)
}

// checkSent compares what the SDK computed with what the store did, if the client has the SDK's check on. The store has
// something by then, so that a difference is an unknown answer.
func (b *Backend) checkSent(ctx context.Context, op operation, a *answer) error {
	stored, err := a.crc64()
	if err != nil {
		return lost(ctx, op, err)
	}
	if stored != nil && b.bucket.GetConfig().IsEnableCRC && *stored != a.sentCRC {
		return lost(ctx, op, fmt.Errorf("stored bytes have CRC-64 %d, those sent %d (request %s)",
			*stored, a.sentCRC, a.header.Get(sdk.HTTPHeaderOssRequestID)))
	}
	return nil
}

// crc64 is the store's checksum of the part or object, nil if there is none.
func (a *answer) crc64() (*uint64, error) { return parseCRC(a.header.Get(sdk.HTTPHeaderOssCRC64)) }

func parseCRC(s string) (*uint64, error) {
	if s == "" {
		return nil, nil
	}
	crc, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		// Not as if there were none: that would turn the verification off.
		return nil, fmt.Errorf("CRC-64 %.30q is not a number", s)
	}
	return &crc, nil
}

// readFault reads the error document, from the body or, for an answer to HEAD, from a header.
func (a *answer) readFault() {
	document := a.body
	if len(document) == 0 {
		// A header that does not decode is as good as none.
		document, _ = base64.StdEncoding.DecodeString(a.header.Get(sdk.HTTPHeaderOssErr))
	}
	var f fault
	if xml.Unmarshal(document, &f) == nil {
		f.Code = strings.TrimSpace(f.Code)
		f.PartETag = canonicalETag(f.PartETag)
		a.fault = f
	}
	if id := a.header.Get(sdk.HTTPHeaderOssRequestID); id != "" {
		a.fault.RequestID = id
	}
	if a.fault.EC == "" {
		a.fault.EC = a.header.Get(sdk.HTTPHeaderOssEc)
	}
}

// decode reads the document of a successful answer. Its root must have the name that v declares.
func (a *answer) decode(v any) error {
	if err := xml.NewDecoder(bytes.NewReader(a.body)).Decode(v); err != nil {
		return fmt.Errorf("read the answer (request %s): %w", a.header.Get(sdk.HTTPHeaderOssRequestID), err)
	}
	return nil
}

// invalid is the error of a request that is not sent, since the store would never take it.
func invalid(op operation, format string, args ...any) error {
	return fmt.Errorf("oss: %s: "+format+": %w", append(append([]any{op}, args...), backend.ErrInvalid)...)
}
