package oss_test

import (
	"bytes"
	"errors"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

// roundTripper is a transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(r *http.Request, status int, headers ...string) *http.Response {
	h := http.Header{"X-Oss-Request-Id": {requestID}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: http.NoBody, Request: r}
}

// watched is a body without a lock of its own, so that the race detector sees whoever touches it besides its owner.
type watched struct {
	*bytes.Reader
	reads int
	t     *testing.T
}

func (w *watched) Read(p []byte) (int, error) {
	w.reads++
	return w.Reader.Read(p[:min(len(p), 100)])
}

func (w *watched) Close() error {
	w.t.Error("the caller's body was closed")
	return nil
}

// uploads has the calls that take a body.
var uploads = map[string]func(b *oss.Backend, t *testing.T, body io.ReadSeeker, size int64) error{
	"UploadPart": func(b *oss.Backend, t *testing.T, body io.ReadSeeker, size int64) error {
		_, err := b.UploadPart(t.Context(), theUpload, 1, body, size)
		return err
	},
	"Put": func(b *oss.Backend, t *testing.T, body io.ReadSeeker, size int64) error {
		_, err := b.Put(t.Context(), "key", body, size, backend.Attributes{}, backend.CompleteOptions{})
		return err
	},
}

// A transport may go on reading after the call has returned, as net/http's documentation says. It must not reach the
// body then.
func TestBodyIsTakenBack(t *testing.T) {
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			returned, ended := make(chan struct{}), make(chan error)
			b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if _, err := r.Body.Read(make([]byte, 10)); err != nil {
						t.Errorf("first read: %v", err)
					}
					go func() {
						<-returned
						_, err := io.Copy(io.Discard, r.Body)
						r.Body.Close()
						ended <- err
					}()
					return response(r, http.StatusServiceUnavailable), nil
				}),
			}}), nil)
			body := &watched{Reader: bytes.NewReader(make([]byte, 10_000)), t: t}
			if err := upload(b, t, body, 10_000); err == nil {
				t.Error("503 was success")
			}
			body.reads = 0
			close(returned)
			if err := <-ended; err == nil {
				t.Error("the transport read the whole body after the call had returned")
			}
			if body.reads != 0 {
				t.Errorf("the body was read %d times after the call had returned", body.reads)
			}
		})
	}
}

// The same without an order between the two, for the race detector: the owner writes to the body as soon as the call is
// back.
func TestBodyIsTakenBackWhileItIsRead(t *testing.T) {
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			var reading sync.WaitGroup
			b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					begun := make(chan struct{})
					reading.Go(func() {
						r.Body.Read(make([]byte, 1))
						close(begun)
						for buf := make([]byte, 1); ; {
							if _, err := r.Body.Read(buf); err != nil {
								return
							}
						}
					})
					<-begun
					return response(r, http.StatusOK, "ETag", `"900150983CD24FB0D6963F7D28E17F72"`), nil
				}),
			}}), nil)
			content := make([]byte, 1<<20)
			for range 20 {
				body := &watched{Reader: bytes.NewReader(content), t: t}
				// One byte more than there is: on a busy machine the goroutine may come to the end, which must not be success either.
				if err := upload(b, t, body, int64(len(content))+1); err == nil {
					t.Error("an answer that came before the body was read is success")
				}
				body.reads = 0
				clear(content)
			}
			reading.Wait()
		})
	}
}

func TestBodyIsSentFromItsStart(t *testing.T) {
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			var got string
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got = string(data)
				if r.ContentLength != 5 {
					t.Errorf("Content-Length is %d, want 5", r.ContentLength)
				}
				respond(w, http.StatusOK, "", "ETag", `"X"`)
			})
			// Longer than the size: the rest is not the call's to touch.
			body := &watched{Reader: bytes.NewReader([]byte("helloworld")), t: t}
			if _, err := body.Seek(3, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if err := upload(b, t, body, 5); err != nil {
				t.Fatal(err)
			}
			if got != "hello" {
				t.Errorf("sent %q, want hello", got)
			}
			if at, err := body.Seek(0, io.SeekCurrent); err != nil || at != 5 {
				t.Errorf("body was read to %d (%v), want 5", at, err)
			}
		})
	}
}

// errorReader fails after its first bytes.
type errorReader struct {
	*strings.Reader
	err error
}

func (r errorReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = r.err
	}
	return n, err
}

func TestBodyThatFails(t *testing.T) {
	broken := errors.New("disk is broken")
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err == nil {
					t.Error("the server got a whole body")
				}
			})
			if err := upload(b, t, errorReader{strings.NewReader("abc"), broken}, 5); !errors.Is(err, broken) || sentinelOf(t, err) != nil {
				t.Errorf("%v, want the body's error and no sentinel", err)
			}
			if err := upload(b, t, strings.NewReader("abc"), 5); !errors.Is(err, io.ErrUnexpectedEOF) || sentinelOf(t, err) != nil {
				t.Errorf("%v, want io.ErrUnexpectedEOF and no sentinel", err)
			}
		})
	}
}

// What failed is the body, whatever a server makes of the beginning that it got.
func TestBodyThatFailsIsTheErrorDespiteAnAnswer(t *testing.T) {
	broken := errors.New("disk is broken")
	for op, upload := range uploads {
		for _, status := range []int{http.StatusOK, http.StatusForbidden} {
			b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if _, err := io.Copy(io.Discard, r.Body); !errors.Is(err, broken) {
						t.Errorf("%s: the transport got %v", op, err)
					}
					return response(r, status, "ETag", `"X"`), nil
				}),
			}}), nil)
			err := upload(b, t, errorReader{strings.NewReader("abc"), broken}, 5)
			if !errors.Is(err, broken) || sentinelOf(t, err) != nil {
				t.Errorf("%s: status %d: %v, want the body's error and no sentinel", op, status, err)
			}
		}
	}
}

// The SDK sends a reader of no bytes chunked, without a Content-Length.
func TestEmptyBodyHasALength(t *testing.T) {
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Length") != "0" || len(r.TransferEncoding) > 0 {
					t.Errorf("Content-Length %q, Transfer-Encoding %q, want 0 and none", r.Header.Get("Content-Length"), r.TransferEncoding)
				}
				respond(w, http.StatusOK, "", "ETag", `"D41D8CD98F00B204E9800998ECF8427E"`, "x-oss-hash-crc64ecma", "0")
			})
			if err := upload(b, t, strings.NewReader(""), 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// With the SDK's own CRC on, what it finds is an unknown answer: something is stored, but not what was sent.
func TestSDKChecksum(t *testing.T) {
	for op, upload := range uploads {
		t.Run(op, func(t *testing.T) {
			crc := ""
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				respond(w, http.StatusOK, "", "ETag", `"X"`, "x-oss-hash-crc64ecma", crc)
			})
			bucket := oss.Bucket(b)
			bucket.Client.Config.IsEnableCRC = true
			crc = strconv.FormatUint(crc64.Checksum([]byte("abc"), crc64.MakeTable(crc64.ECMA)), 10)
			if err := upload(b, t, strings.NewReader("abc"), 3); err != nil {
				t.Errorf("right CRC: %v", err)
			}
			for _, crc = range []string{"1", "x"} {
				if err := upload(b, t, strings.NewReader("abc"), 3); err == nil || sentinelOf(t, err) != nil {
					t.Errorf("CRC %s: %v, want an error that is no sentinel", crc, err)
				}
			}
			bucket.Client.Config.IsEnableCRC = false
			crc = "1" // not the adapter's to judge: the engine compares
			if err := upload(b, t, strings.NewReader("abc"), 3); err != nil {
				t.Errorf("without the SDK's check: %v", err)
			}
		})
	}
}
