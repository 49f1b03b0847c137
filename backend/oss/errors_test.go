package oss_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

var sentinels = []error{backend.ErrNoSuchUpload, backend.ErrNotFound, backend.ErrExists, backend.ErrInvalidPart,
	backend.ErrDenied, backend.ErrInvalid, backend.ErrThrottled, backend.ErrUnreachable}

// sentinelOf returns the sentinel that err is, nil if it is none, and fails if it is several.
func sentinelOf(t *testing.T, err error) (found error) {
	t.Helper()
	for _, s := range sentinels {
		if errors.Is(err, s) {
			if found != nil {
				t.Errorf("%v is both %v and %v", err, found, s)
			}
			found = s
		}
	}
	return found
}

// answerWith serves one answer to everything, the error document of an answer to HEAD in its header.
func answerWith(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		h := headers
		if r.Method == http.MethodHead && body != "" {
			h = append(h[:len(h):len(h)], "x-oss-err", base64.StdEncoding.EncodeToString([]byte(body)))
		}
		respond(w, status, body, h...)
	}
}

func TestErrorsAreSorted(t *testing.T) {
	all := []string{"Create", "UploadPart", "ListParts", "Complete", "Abort", "Stat", "Put", "Uploads"}
	only := func(s error, ops ...string) map[string]error {
		m := make(map[string]error)
		for _, op := range ops {
			m[op] = s
		}
		return m
	}
	every := func(s error) map[string]error { return only(s, all...) }

	for _, test := range []struct {
		name    string
		status  int
		code    string // of an error document; empty for body
		more    string // elements of the document
		body    string
		headers []string
		want    map[string]error // by operation; unknown where there is none
	}{
		{name: "no such upload", status: 404, code: "NoSuchUpload", want: only(backend.ErrNoSuchUpload, "UploadPart", "ListParts", "Complete", "Abort")},
		{name: "no such key", status: 404, code: "NoSuchKey", want: only(backend.ErrNotFound, "Stat")},
		{name: "no such bucket", status: 404, code: "NoSuchBucket", want: every(backend.ErrInvalid)},
		{name: "bare 404", status: 404, want: only(backend.ErrNotFound, "Stat")},
		{name: "bare 404 of a bucket", status: 404, headers: []string{"x-oss-ec", "0015-00000101"}, want: only(backend.ErrInvalid, "Stat")},
		{name: "unlisted 404", status: 404, code: "SymlinkTargetNotExist"},
		{name: "exists", status: 409, code: "FileAlreadyExists", want: only(backend.ErrExists, "Complete", "Put")},
		{name: "immutable", status: 409, code: "FileImmutable", want: every(backend.ErrDenied)},
		{name: "unlisted 409", status: 409, code: "OperationAborted"},
		{name: "invalid part", status: 400, code: "InvalidPart", want: only(backend.ErrInvalidPart, "Complete")},
		{name: "part order", status: 400, code: "InvalidPartOrder", want: only(backend.ErrInvalidPart, "Complete")},
		{name: "part too small", status: 400, code: "EntityTooSmall", want: every(backend.ErrInvalid)},
		{name: "invalid argument", status: 400, code: "InvalidArgument", more: "<EC>0017-00000220</EC>", want: every(backend.ErrInvalid)},
		{name: "invalid region in the signature", status: 400, code: "InvalidArgument", more: "<EC>0002-00000226</EC>", want: every(backend.ErrDenied)},
		{name: "not implemented", status: 501, code: "NotImplemented", want: every(backend.ErrInvalid)},
		{name: "request timeout", status: 400, code: "RequestTimeout"},
		{name: "incomplete body", status: 400, code: "IncompleteBody"},
		{name: "digest", status: 400, code: "InvalidDigest"},
		{name: "crc", status: 400, code: "InvalidCRC64"},
		{name: "bad request", status: 400, code: "BadRequest"},
		{name: "unlisted 400", status: 400, code: "SomethingNew"},
		{name: "bare 400", status: 400},
		{name: "denied", status: 403, code: "AccessDenied", want: every(backend.ErrDenied)},
		{name: "unknown access key", status: 403, code: "InvalidAccessKeyId", want: every(backend.ErrDenied)},
		{name: "signature", status: 403, code: "SignatureDoesNotMatch", want: every(backend.ErrDenied)},
		{name: "token expired", status: 403, code: "SecurityTokenExpired", want: every(backend.ErrDenied)},
		{name: "token invalid", status: 403, code: "InvalidSecurityToken", want: every(backend.ErrDenied)},
		{name: "clock", status: 403, code: "RequestTimeTooSkewed", want: every(backend.ErrDenied)},
		{name: "unlisted 403", status: 403, code: "SomethingNew", want: every(backend.ErrDenied)},
		{name: "bare 403", status: 403, want: every(backend.ErrDenied)},
		{name: "429", status: 429, code: "QpsLimitExceeded", want: every(backend.ErrThrottled)},
		{name: "bare 429", status: 429, want: every(backend.ErrThrottled)},
		{name: "traffic limit", status: 503, code: "UploadTrafficRateLimitExceeded", want: every(backend.ErrThrottled)},
		{name: "qps limit", status: 503, code: "TotalQpsLimitExceeded", want: every(backend.ErrThrottled)},
		{name: "unavailable", status: 503, code: "ServiceUnavailable", want: only(backend.ErrThrottled, "ListParts", "Stat", "Uploads")},
		{name: "bare 503", status: 503},
		{name: "503 that is not XML", status: 503, body: "<html>upstream"},
		{name: "404 that is not XML", status: 404, body: "gone", want: only(backend.ErrNotFound, "Stat")},
		{name: "another document", status: 404, body: "<Fault><Code>NoSuchUpload</Code></Fault>", want: only(backend.ErrNotFound, "Stat")},
		{name: "internal error", status: 500, code: "InternalError"},
		{name: "502", status: 502},
		{name: "504", status: 504},
		{name: "408", status: 408},
		{name: "408 with a code", status: 408, code: "RequestTimeout"},
		{name: "status beyond the SDK's", status: 599, code: "Odd"},
		{name: "304", status: 304},
		{name: "302", status: 302, headers: []string{"Location", "http://elsewhere.example/x?Signature=abc"}},
		{name: "308", status: 308},
		{name: "201", status: 201},
		{name: "206", status: 206},
		{name: "200 of nothing", status: 200},
		{name: "200 with an error document", status: 200, code: "InternalError"},
	} {
		body := test.body
		if test.code != "" {
			body = fault(test.code, test.more)
		}
		if test.status == 304 {
			body = ""
		}
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, answerWith(test.status, body, test.headers...))
			for _, op := range all {
				err := calls[op](t.Context(), b)
				if op == "Stat" && test.status == 200 {
					continue // HEAD has no document; its headers are another test's
				}
				if err == nil {
					t.Errorf("%s succeeded", op)
					continue
				}
				if got, want := sentinelOf(t, err), test.want[op]; got != want {
					t.Errorf("%s: %v: is %v, want %v", op, err, got, want)
				}
				if !strings.Contains(err.Error(), op) {
					t.Errorf("%v does not name %s", err, op)
				}
				if test.code != "" && test.status != 200 {
					var e *oss.Error
					if !errors.As(err, &e) || e.Code != test.code || e.StatusCode != test.status || e.RequestID() != requestID {
						t.Errorf("%s: %v: code, status or request ID is lost", op, err)
					}
					if !strings.Contains(err.Error(), test.code) || !strings.Contains(err.Error(), requestID) {
						t.Errorf("%v does not name %s and %s", err, test.code, requestID)
					}
				}
			}
		})
	}
}

// An error document that did not come from OSS decides nothing, whatever it says.
func TestAnswerWithoutRequestIDIsUnknown(t *testing.T) {
	for _, status := range []int{403, 404, 429} {
		b := stub(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, "<Error><Code>NoSuchUpload</Code></Error>")
		})
		for op, call := range calls {
			err := call(t.Context(), b)
			if err == nil || sentinelOf(t, err) != nil {
				t.Errorf("status %d: %s: %v, want an error that is no sentinel", status, op, err)
			}
		}
	}
	// Nor is a success.
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"900150983CD24FB0D6963F7D28E17F72"`)
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for op, call := range calls {
		if err := call(t.Context(), b); err == nil || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want an error that is no sentinel", op, err)
		}
	}
}

// A port that nobody listens on: nothing was sent, so nothing can have happened.
func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	b := oss.New(open(t, server.URL, oss.Config{}), nil)
	for op, call := range calls {
		err := call(t.Context(), b)
		if got := sentinelOf(t, err); got != backend.ErrUnreachable {
			t.Errorf("%s: %v, want ErrUnreachable", op, err)
		}
		if err != nil && strings.Contains(err.Error(), theUpload.ID) {
			t.Errorf("%s: %v: has the URL's query", op, err)
		}
	}
}

// The server got something before no connection could be made: then it may have had an effect.
func TestUnreachableAtLastIsUnknown(t *testing.T) {
	t.Run("a transport that retries", func(t *testing.T) {
		for op, call := range calls {
			got := 0
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				got++
				server.Listener.Close()
				panic(http.ErrAbortHandler)
			}))
			transport := &http.Transport{DisableKeepAlives: true}
			b := oss.New(open(t, server.URL, oss.Config{HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if resp, err := transport.RoundTrip(r.Clone(r.Context())); err == nil {
						return resp, nil
					}
					again := r.Clone(r.Context())
					again.Body, again.ContentLength = nil, 0
					return transport.RoundTrip(again)
				}),
			}}), nil)
			err := call(t.Context(), b)
			server.Close()
			if dial := (*net.OpError)(nil); got != 1 || !errors.As(err, &dial) || dial.Op != "dial" {
				t.Fatalf("%s: %d requests reached the server, %v: the test needs one, and then a port that nobody listens on", op, got, err)
			}
			if sentinelOf(t, err) != nil {
				t.Errorf("%s: %v, want an error that is no sentinel", op, err)
			}
		}
	})
	t.Run("a redirect", func(t *testing.T) {
		gone := httptest.NewServer(nil)
		gone.Close()
		server := httptest.NewServer(http.RedirectHandler(gone.URL, http.StatusSeeOther))
		defer server.Close()
		b := oss.New(open(t, server.URL, oss.Config{HTTPClient: &http.Client{Transport: new(http.Transport)}}), nil)
		for op, call := range calls {
			err := call(t.Context(), b)
			if dial := (*net.OpError)(nil); !errors.As(err, &dial) || sentinelOf(t, err) != nil {
				t.Errorf("%s: %v, want the error of the dial and no sentinel", op, err)
			}
		}
	})
	t.Run("the source's host", func(t *testing.T) {
		b := stub(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
		down := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		for op, upload := range uploads {
			if err := upload(b, t, errorReader{strings.NewReader("abc"), down}, 5); !errors.Is(err, down) || sentinelOf(t, err) != nil {
				t.Errorf("%s: %v, want the body's error and no sentinel", op, err)
			}
		}
	})
}

func TestConnectionCutIsUnknown(t *testing.T) {
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	for op, call := range calls {
		if err := call(t.Context(), b); err == nil || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want an error that is no sentinel", op, err)
		}
	}
	b = stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "1000")
		respond(w, http.StatusNotFound, fault("NoSuchUpload", ""))
	})
	for op, call := range calls {
		if op == "Stat" {
			continue // HEAD has no body that could be cut
		}
		if err := call(t.Context(), b); err == nil || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want an error that is no sentinel", op, err)
		}
	}
}

func TestRemedies(t *testing.T) {
	for _, test := range []struct{ name, code, more, want string }{
		{"denied", "AccessDenied", "", "oss:ListParts"},
		{"endpoint", "AccessDenied", "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>", "endpoint oss-cn-beijing.aliyuncs.com"},
		{"ahead", "RequestTimeTooSkewed", "<RequestTime>2026-11-22T10:20:05.000Z</RequestTime><ServerTime>2026-11-22T10:00:00.000Z</ServerTime>", "20m5s ahead of"},
		{"behind", "RequestTimeTooSkewed", "<RequestTime>2026-11-22T10:00:00.000Z</RequestTime><ServerTime>2026-11-22T12:00:00.000Z</ServerTime>", "2h0m0s behind"},
		{"no times", "RequestTimeTooSkewed", "", "clock"},
		{"expired", "SecurityTokenExpired", "", "get new ones"},
		{"path style", "SecondLevelDomainForbidden", "", "path style"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, answerWith(http.StatusForbidden, fault(test.code, test.more)))
			_, _, err := b.ListParts(t.Context(), theUpload, 0)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v does not say %q", err, test.want)
			}
		})
	}
	b := stub(t, answerWith(http.StatusFound, "", "Location", "http://elsewhere.example/x?Signature=abc"))
	_, _, err := b.ListParts(t.Context(), theUpload, 0)
	if err == nil || !strings.Contains(err.Error(), "elsewhere.example") || strings.Contains(err.Error(), "abc") {
		t.Errorf("redirect: %v, want the host and no query", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []string
		atLeast time.Duration
		atMost  time.Duration
	}{
		{"none", nil, 0, 0},
		{"milliseconds", []string{"x-oss-qos-delay-time", "1500"}, 1500 * time.Millisecond, 1500 * time.Millisecond},
		{"own header first", []string{"x-oss-qos-delay-time", "10", "Retry-After", "9"}, 10 * time.Millisecond, 10 * time.Millisecond},
		{"seconds", []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second},
		{"date", []string{"Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 50 * time.Minute, time.Hour},
		{"date of another clock", []string{"Date", "Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After", "Mon, 02 Jan 2006 15:04:35 GMT"}, 30 * time.Second, 30 * time.Second},
		{"past", []string{"Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"}, 0, 0},
		{"nonsense", []string{"Retry-After", "soon", "x-oss-qos-delay-time", "-1"}, 0, 0},
		{"too long", []string{"x-oss-qos-delay-time", "99999999999999999"}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, answerWith(http.StatusServiceUnavailable, fault("TotalQpsLimitExceeded", ""), test.headers...))
			err := calls["UploadPart"](t.Context(), b)
			var e interface{ RetryAfter() time.Duration }
			if !errors.As(err, &e) {
				t.Fatalf("%v has no RetryAfter", err)
			}
			if got := e.RetryAfter(); got < test.atLeast || got > test.atMost {
				t.Errorf("RetryAfter is %v, want %v to %v", got, test.atLeast, test.atMost)
			}
		})
	}
}

// Whatever the server sends back of what it was sent, none of it is in an error.
func TestErrorsHoldNoSecrets(t *testing.T) {
	var authorization string
	echo := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		authorization = r.Header.Get("Authorization")
		_, signature, _ := strings.Cut(authorization, testKeyID+":")
		body := fault("SignatureDoesNotMatch", "<OSSAccessKeyId>"+testKeyID+"</OSSAccessKeyId><SignatureProvided>"+signature+
			"</SignatureProvided><StringToSign>x-oss-security-token:"+testToken+"</StringToSign><StringToSignBytes>50 55</StringToSignBytes>")
		respond(w, http.StatusForbidden, body, "x-oss-err", base64.StdEncoding.EncodeToString([]byte(body)))
	}
	check := func(t *testing.T, op string, err error) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s succeeded", op)
		}
		_, signature, _ := strings.Cut(authorization, testKeyID+":")
		for _, text := range printed(err) {
			for _, secret := range []string{testKeyID, testSecret, testToken, signature, theUpload.ID, "uploadId", "StringToSign"} {
				if secret != "" && strings.Contains(text, secret) {
					t.Errorf("%s: %q has %q", op, text, secret)
				}
			}
		}
	}
	b := stub(t, echo)
	for op, call := range calls {
		check(t, op, call(t.Context(), b))
		if authorization == "" {
			t.Fatalf("%s sent no signature", op)
		}
	}
	cut := stub(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for op, call := range calls {
		check(t, op, call(t.Context(), cut))
	}
}

type failingProvider struct{ err error }

func (p failingProvider) GetCredentials() sdk.Credentials { return nil }

func (p failingProvider) GetCredentialsE() (sdk.Credentials, error) { return nil, p.err }

// The SDK has no word for a provider that has no credentials now.
func TestProviderWithoutCredentials(t *testing.T) {
	b := stubWith(t, oss.Config{Credentials: failingProvider{}}, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for op, call := range calls {
		if err := call(t.Context(), b); err == nil || sentinelOf(t, err) != nil || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("%s: %v, want an error that says so and is no sentinel", op, err)
		}
	}
}

// What a credentials provider says is one line of an error, whatever it is, and still found in it.
func TestErrorIsOneLine(t *testing.T) {
	down := errors.New("sts is down\r\n\x1b[31mGoodbye " + strings.Repeat("x", 10_000))
	client, err := sdk.New("http://127.0.0.1:1", "", "", sdk.SetCredentialsProvider(failingProvider{down}), sdk.EnableCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := client.Bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	b := oss.New(bucket, nil)
	for op, call := range calls {
		err := call(t.Context(), b)
		if !errors.Is(err, down) || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want the provider's error and no sentinel", op, err)
			continue
		}
		if text := err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 1000 || !strings.Contains(text, "sts is down") {
			t.Errorf("%s: %.100q of %d bytes, want one short line", op, text, len(text))
		}
	}
}

func TestContextIsInErrors(t *testing.T) {
	for op, call := range calls {
		t.Run(op+"/before", func(t *testing.T) {
			b := stub(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx, b); !errors.Is(err, context.Canceled) || sentinelOf(t, err) != nil {
				t.Errorf("%v, want context.Canceled and no sentinel", err)
			}
		})
		t.Run(op+"/during", func(t *testing.T) {
			cause := errors.New("the cause")
			ctx, cancel := context.WithCancelCause(t.Context())
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				cancel(cause)
				<-r.Context().Done()
			})
			if err := call(ctx, b); !errors.Is(err, context.Canceled) || sentinelOf(t, err) != nil {
				t.Errorf("%v, want context.Canceled and no sentinel", err)
			}
		})
		t.Run(op+"/deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			})
			if err := call(ctx, b); !errors.Is(err, context.DeadlineExceeded) || sentinelOf(t, err) != nil {
				t.Errorf("%v, want context.DeadlineExceeded and no sentinel", err)
			}
		})
	}
}

// printed returns all that someone may print of an error: its text, its fields, and the same of what it wraps.
func printed(err error) []string {
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			texts = append(texts, printed(inner)...)
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			texts = append(texts, printed(inner)...)
		}
	}
	return texts
}
