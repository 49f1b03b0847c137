package fakeoss

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the server.
type call struct {
	h           *Handler
	w           http.ResponseWriter
	r           *http.Request
	op          *operation
	target      target
	query       query
	id          string // the request's ID
	begun       time.Time
	signed      bool   // false: anonymous
	accessKeyID string // of who signed
	body        *requestBody
	entry       *record
	fault       *plan       // the fault that this request met, or nil
	held        *heldEffect // the effect that waits for other requests, or nil
	severed     bool        // the connection is gone: there is nobody to answer
}

// answer is a response that is not sent yet.
type answer struct {
	status  int
	header  http.Header // with the names as they go out
	code    string      // the error's code, for the journal
	body    []byte
	content io.ReadCloser // instead of body: length bytes
	length  int64
}

func empty(status int) *answer { return &answer{status: status, header: http.Header{}} }

func (a *answer) set(name, value string) *answer {
	a.header[name] = []string{value}
	return a
}

// document is an answer of XML. v is a struct of this package, which always can be marshalled.
func document(v any) (*answer, error) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	a := empty(http.StatusOK).set("Content-Type", "application/xml")
	a.body = append([]byte(xml.Header), body...)
	return a, nil
}

// randomHex returns n random bytes as upper-case hex digits.
func randomHex(n int) string {
	b := make([]byte, n)
	// Read never fails; it ends the program if the system has no randomness.
	_, _ = rand.Read(b)
	return strings.ToUpper(hex.EncodeToString(b))
}

// effect runs do, the step of an operation that changes something, after everything was checked and received. It is where
// a fault holds an effect back. The effect happens even if the client is gone: the service works that way, too.
func (c *call) effect(do func() error) error {
	if err := c.delayEffect(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	c.entry.effect()
	return nil
}

// errorAnswer turns any error into an answer; one that is not of the service is our own failure.
func (c *call) errorAnswer(err error) *answer {
	var se *serviceError
	if !errors.As(err, &se) {
		c.h.logger.Error("request failed", "request", c.id, "operation", c.entry.name(), "error", err)
		se = errInternal()
	}
	host, _ := splitHost(c.r.Host)
	return se.answer(c.r.Method, c.id, host)
}

// send writes a and reports whether all of it was handed to the operating system.
func (c *call) send(a *answer) (acknowledged bool) {
	if a.content != nil {
		defer c.h.closing(a.content)
	}
	if c.severed {
		return false
	}
	header := c.w.Header()
	for k, v := range a.header {
		header[k] = v
	}
	header["Server"] = []string{"AliyunOSS"}
	header["Date"] = []string{c.h.now().UTC().Format(http.TimeFormat)}
	header["Connection"] = []string{"keep-alive"}
	header["x-oss-request-id"] = []string{c.id}
	header["x-oss-server-time"] = []string{strconv.FormatInt(time.Since(c.begun).Milliseconds(), 10)}
	length := int64(len(a.body))
	if a.content != nil || a.length > 0 {
		length = a.length
	}
	if a.status != http.StatusNotModified && header["Content-Length"] == nil {
		header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	if c.r.Method != http.MethodHead && a.content != nil {
		c.w.WriteHeader(a.status)
		if n, err := io.CopyN(c.w, a.content, length); err != nil {
			c.h.logger.Debug("answer cut short", "request", c.id, "sent", n, "error", err)
			// Without this the client could take what it got for the whole.
			c.sever()
			return false
		}
	} else {
		// The client gets nothing before the journal knows that it may have: see [Handler.Journal].
		c.entry.answering()
		c.w.WriteHeader(a.status)
		if c.r.Method != http.MethodHead && len(a.body) > 0 {
			if _, err := c.w.Write(a.body); err != nil {
				return false
			}
		}
	}
	return http.NewResponseController(c.w).Flush() == nil
}

// sever cuts the connection off without an answer.
func (c *call) sever() {
	if c.severed {
		return
	}
	c.severed = true
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		return // no connection to take over (HTTP/2, a recorder): the handler panics with http.ErrAbortHandler in the end
	}
	// The client sees the end of the stream either way.
	_ = conn.Close()
}
