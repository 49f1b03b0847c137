package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/conformance/fault"
)

// wire is the network of one process, and makes its requests go wrong by a schedule of package fault: whoever sends them, each request
// is the call of backend.MultipartBackend that it corresponds to. It serves one request at a time.
type wire struct {
	p      *fault.Process
	inner  http.RoundTripper
	nobody string                 // an address at which nobody listens
	before func(u backend.Upload) // called before each request
	died   func()                 // called once, at the moment at which the process dies
	once   sync.Once

	mu     sync.Mutex
	hangUp context.CancelFunc // ends the request under way
}

// timeOut ends the request under way, as a client's time limit does.
func (w *wire) timeOut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hangUp()
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	w.mu.Lock()
	w.hangUp = cancel
	w.mu.Unlock()
	body := &lateBody{from: req.Body}
	defer body.close()

	x := &exchange{inner: w.inner, req: req}
	query := req.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	u := backend.Upload{Key: key, ID: query.Get("uploadId")}
	w.before(u)
	err := x.call(ctx, w.p.Backend(x), u, query, body, req.ContentLength)
	if w.p.Dead() {
		w.once.Do(w.died)
	}
	switch {
	case err == nil, errors.As(err, new(statusError)):
		return x.answer.response(req), nil
	case errors.Is(err, backend.ErrThrottled):
		return refusal(http.StatusServiceUnavailable, "ServiceUnavailable").response(req), nil
	case errors.Is(err, backend.ErrDenied):
		return refusal(http.StatusForbidden, "SecurityTokenExpired").response(req), nil
	case errors.Is(err, backend.ErrUnreachable):
		refused := req.Clone(req.Context())
		refused.URL.Host, refused.Body, refused.ContentLength = w.nobody, nil, 0
		return w.inner.RoundTrip(refused)
	case errors.Is(err, context.Canceled) && req.Context().Err() == nil:
		return nil, errors.New("timeout awaiting response headers")
	}
	return nil, err
}

// exchange is one request, in the place of the backend that it is sent to.
type exchange struct {
	backend.MultipartBackend // none: only what follows is called
	inner                    http.RoundTripper
	req                      *http.Request
	answer                   answer
	list                     []byte // the body of a Complete
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func refusal(status int, code string) answer {
	text := fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>injected</Message><RequestId>0123456789</RequestId></Error>", code)
	return answer{status, http.Header{"Content-Type": {"application/xml"}, "X-Oss-Request-Id": {"0123456789"}}, []byte(text)}
}

func (a answer) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprint(a.status, " ", http.StatusText(a.status)), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}
}

// statusError is the answer of a server that did not do what was asked.
type statusError int

func (e statusError) Error() string { return http.StatusText(int(e)) }

// call makes the call of b that the request corresponds to.
func (x *exchange) call(ctx context.Context, b backend.MultipartBackend, u backend.Upload, query url.Values, body io.ReadSeeker, size int64) (err error) {
	switch method := x.req.Method; {
	case method == http.MethodPost && query.Has("uploads"):
		_, err = b.Create(ctx, u.Key, backend.Attributes{})
	case method == http.MethodPut && query.Has("partNumber"):
		number, nerr := strconv.Atoi(query.Get("partNumber"))
		if nerr != nil {
			return nerr
		}
		_, err = b.UploadPart(ctx, u, number, body, size)
	case method == http.MethodPut:
		put, _ := backend.As[backend.Putter](b)
		_, err = put.Put(ctx, u.Key, body, size, backend.Attributes{}, backend.CompleteOptions{})
	case method == http.MethodGet && u.ID != "":
		_, _, err = b.ListParts(ctx, u, 0)
	case method == http.MethodPost && u.ID != "":
		if x.list, err = io.ReadAll(body); err == nil {
			_, err = b.Complete(ctx, u, nil, backend.CompleteOptions{})
		}
	case method == http.MethodDelete && u.ID != "":
		err = b.Abort(ctx, u)
	case method == http.MethodHead:
		_, err = b.Stat(ctx, u.Key)
	default:
		err = fmt.Errorf("no call of a backend: %s %s", method, x.req.URL.RawQuery)
	}
	return err
}

// send sends the request with that body, and reads the answer whole.
func (x *exchange) send(ctx context.Context, body []byte) error {
	req := x.req.Clone(ctx)
	req.Body, req.GetBody = http.NoBody, nil
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := x.inner.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	x.answer = answer{resp.StatusCode, resp.Header, text}
	if resp.StatusCode >= 300 {
		return statusError(resp.StatusCode)
	}
	return nil
}

func (x *exchange) sendFrom(ctx context.Context, body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return x.send(ctx, data)
}

func (x *exchange) Create(ctx context.Context, _ string, _ backend.Attributes) (u backend.Upload, err error) {
	return u, x.send(ctx, nil)
}

func (x *exchange) UploadPart(ctx context.Context, _ backend.Upload, _ int, body io.ReadSeeker, _ int64) (p backend.Part, err error) {
	return p, x.sendFrom(ctx, body)
}

func (x *exchange) ListParts(ctx context.Context, _ backend.Upload, _ int) ([]backend.Part, bool, error) {
	return nil, false, x.send(ctx, nil)
}

func (x *exchange) Complete(ctx context.Context, _ backend.Upload, _ []backend.Part, _ backend.CompleteOptions) (o backend.Object, err error) {
	return o, x.send(ctx, x.list)
}

func (x *exchange) Abort(ctx context.Context, _ backend.Upload) error { return x.send(ctx, nil) }

func (x *exchange) Stat(ctx context.Context, _ string) (o backend.Object, err error) {
	return o, x.send(ctx, nil)
}

func (x *exchange) Put(ctx context.Context, _ string, body io.ReadSeeker, _ int64, _ backend.Attributes, _ backend.CompleteOptions) (o backend.Object, err error) {
	return o, x.sendFrom(ctx, body)
}

// lateBody reads a request's body when the first byte is asked for, so that what happens to a file before the call has happened.
type lateBody struct {
	from io.ReadCloser // nil: none
	data *bytes.Reader
}

func (b *lateBody) open() error {
	if b.data != nil || b.from == nil {
		return nil
	}
	data, err := io.ReadAll(b.from)
	b.data = bytes.NewReader(data)
	return err
}

func (b *lateBody) Read(p []byte) (int, error) {
	if err := b.open(); err != nil {
		return 0, err
	}
	if b.data == nil {
		return 0, io.EOF
	}
	return b.data.Read(p)
}

func (b *lateBody) Seek(offset int64, whence int) (int64, error) {
	if err := b.open(); err != nil || b.data == nil {
		return 0, err
	}
	return b.data.Seek(offset, whence)
}

func (b *lateBody) close() {
	if b.from != nil {
		_ = b.from.Close() // all that was asked for has been read
	}
}
