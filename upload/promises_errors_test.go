package upload_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

func TestPromise07RequestIsPartOfTheUpload(t *testing.T) {
	data := bytesOf(1, 4*partSize)
	asked := func(contentType string) *upload.Request {
		return &upload.Request{PartSize: partSize, Attributes: backend.Attributes{ContentType: contentType, Metadata: map[string]string{"a": "1", "b": "2"}}}
	}
	checkType := func(t *testing.T, objects *memory.Backend, want string) {
		t.Helper()
		_, attrs, err := objects.Open(key)
		if err != nil || attrs.ContentType != want {
			t.Errorf("content type %q, %v, want %q", attrs.ContentType, err, want)
		}
	}
	t.Run("other attributes", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, asked("text/plain"), errCut)
		res := mustUpload(t, objects, logs, src, asked("text/html"))
		if len(res.Restarted) != 1 || res.Sent != int64(len(data)) {
			t.Errorf("%+v", res)
		}
		checkType(t, objects, "text/html")
		checkClean(t, objects, logs)
	})
	t.Run("the same attributes", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, asked("text/plain"), errCut)
		if res := mustUpload(t, objects, logs, src, asked("text/plain")); res.Sent != 2*partSize {
			t.Errorf("%+v", res)
		}
		checkType(t, objects, "text/plain")
	})
	t.Run("a Complete under way does not land on its successor", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("Complete", 0)}, logs, src, asked("text/plain"), errCut)
		old := backend.Upload{Key: key, ID: unfinished(t, objects)[0]}
		var parts []backend.Part
		b := &tap{inner: objects}
		b.before = func(c call) error {
			switch {
			case c.op == "Abort": // not allowed; the upload goes with its Complete, which takes effect late
				return backend.ErrDenied
			case c.op == "ListParts" && parts == nil:
				parts, _, _ = objects.ListParts(t.Context(), old, 0)
			case c.op == "ListParts":
				if _, err := objects.Complete(t.Context(), old, parts, backend.CompleteOptions{}); err != nil {
					t.Error(err)
				}
				b.before = nil
			case c.op == "Create":
				t.Error("the successor was begun while the Complete was under way")
			}
			return nil
		}
		mustUpload(t, b, logs, src, asked("text/html"))
		checkType(t, objects, "text/html")
	})
	t.Run("a part size applies to the next upload", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 3)}, logs, src, inParts(), errCut)
		res := mustUpload(t, objects, logs, src, &upload.Request{PartSize: 2 * partSize})
		if res.PartSize != partSize || res.Sent != 2*partSize {
			t.Errorf("%+v", res)
		}
		checkObject(t, objects, data)
	})
}

func TestPromise08ErrorsKeepProgress(t *testing.T) {
	data := bytesOf(1, 6*partSize)
	throttled := fmt.Errorf("busy: %w", backend.ErrThrottled)
	for _, failure := range []error{
		fmt.Errorf("UploadPart: SecurityTokenExpired: %w", backend.ErrDenied),
		fmt.Errorf("UploadPart: RequestTimeTooSkewed: %w", backend.ErrDenied),
		throttled, errCut, io.ErrUnexpectedEOF,
	} {
		for _, op := range []string{"Create", "UploadPart", "ListParts", "Complete"} {
			t.Run(fmt.Sprintf("%s: %v", op, failure), func(t *testing.T) {
				objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
				sent := mustFail(t, &tap{inner: objects, before: stopAt("UploadPart", 4)}, logs, src, inParts(), errCut).Sent
				b := &tap{inner: objects, before: func(c call) error {
					if c.op == op && (c.number == 0 || c.number >= 5) {
						return failure
					}
					return nil
				}}
				res, err := upload.New(b, logs, options()).Upload(t.Context(), key, src, inParts())
				sent += res.Sent
				if op == "Create" || op == "ListParts" && errors.Is(failure, backend.ErrDenied) {
					if err != nil {
						t.Fatal(err)
					}
				} else if !errors.Is(err, failure) || !strings.Contains(err.Error(), key) {
					t.Fatalf("got %v, want one that is %v and names the key", err, failure)
				}
				if op == "UploadPart" && !strings.Contains(err.Error(), "part 5") {
					t.Errorf("the error names no part: %v", err)
				}
				if n := b.count("Abort"); n > 0 && err != nil {
					t.Errorf("%d aborts", n)
				}
				if err != nil {
					sent += mustUpload(t, objects, logs, src, inParts()).Sent
				}
				if sent > int64(len(data)) {
					t.Errorf("%d bytes sent of %d", sent, len(data))
				}
				checkObject(t, objects, data)
				checkClean(t, objects, logs)
			})
		}
	}
	t.Run("a checkpoint that cannot be written", func(t *testing.T) {
		objects, logs, src := newStore(), checkpoint.NewMemory(), newSource(data)
		full := errors.New("no space left on device")
		l := &logTap{inner: logs, before: func(c call) error {
			if c.op == "Append" && c.number >= 5 {
				return full
			}
			return nil
		}}
		sent := mustFail(t, objects, l, src, inParts(), full).Sent
		if sent += mustUpload(t, objects, logs, src, inParts()).Sent; sent > int64(len(data)) {
			t.Errorf("%d bytes sent of %d", sent, len(data))
		}
		checkClean(t, objects, logs)
	})
}
