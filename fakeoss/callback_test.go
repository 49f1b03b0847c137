package fakeoss_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// listener is a callback server of a test, and what it was told.
type listener struct {
	*httptest.Server
	told   chan *http.Request
	bodies chan string
}

func listen(t *testing.T, answer http.HandlerFunc) *listener {
	l := &listener{told: make(chan *http.Request, 10), bodies: make(chan string, 10)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		l.told <- r
		l.bodies <- string(b)
		answer(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// heard is the callback that the request just answered has made: it came before the answer.
func (l *listener) heard(t *testing.T) (*http.Request, string) {
	t.Helper()
	select {
	case r := <-l.told:
		return r, <-l.bodies
	default:
		t.Fatal("no callback came")
		return nil, ""
	}
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func base64JSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestCallback(t *testing.T) {
	const form = "b=${bucket}&o=${object}&e=${etag}&s=${size}&m=${mimeType}&v=${x:var}&c=${crc64}&n=${x:none}&w=${imageInfo.width}"
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	l := listen(t, says(200, `{"Status":"OK"}`))
	vars := base64JSON(t, map[string]string{"x:var": "a&b"})
	wanted := url.Values{"b": {"bucket"}, "o": {"k +"}, "e": {strings.Trim(helloETag, `"`)}, "s": {"5"}, "m": {"text/plain"}, "v": {"a&b"},
		"c": {crcOf([]byte("hello"))}, "n": {""}, "w": {""}}
	check := func(t *testing.T, wanted url.Values) {
		t.Helper()
		r, body := l.heard(t)
		got, err := url.ParseQuery(body)
		if diff := cmp.Diff(wanted, got); diff != "" || err != nil {
			t.Errorf("callback's body, error %v (-want +got):\n%s", err, diff)
		}
		if r.Method != "POST" || r.URL.Path != "/cb" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("callback: %s %s %v", r.Method, r.URL, r.Header)
		}
	}
	t.Run("put, header", func(t *testing.T) {
		r := do(t, srv, request{method: "PUT", path: "/bucket/k%20%2B", body: "hello", header: map[string]string{"Content-Type": "text/plain",
			"x-oss-callback": base64JSON(t, map[string]string{"callbackUrl": l.URL + "/cb", "callbackBody": form}), "x-oss-callback-var": vars}})
		want(t, "put", r, 200, map[string]string{"ETag": helloETag, "Content-Type": "application/json", "x-oss-hash-crc64ecma": crcOf([]byte("hello"))})
		if r.body != `{"Status":"OK"}` {
			t.Errorf("body %q", r.body)
		}
		check(t, wanted)
	})
	t.Run("put, URL, host without scheme", func(t *testing.T) {
		conf := base64JSON(t, map[string]string{"callbackUrl": strings.TrimPrefix(l.URL, "http://") + "/cb", "callbackBody": form,
			"callbackHost": "example.com"})
		w := &wire{method: "PUT", bucket: "bucket", key: "k +", host: strings.TrimPrefix(srv.URL, "http://"),
			header: map[string]string{"Content-Type": "text/plain"}, query: [][2]string{{"callback", conf}, {"callback-var", vars}}}
		signer{version: "V4", id: srv.AccessKeyID, secret: srv.AccessKeySecret, presigned: true, now: now(), ttl: 60e9}.sign(w)
		want(t, "put", w.send(t, srv, "hello"), 200, map[string]string{"Content-Type": "application/json"})
		check(t, wanted)
	})
	t.Run("complete, JSON", func(t *testing.T) {
		id := initiate(t, srv, "/bucket/m?uploads")
		etag := uploadPart(t, srv, "m", id, 1, "hello").get("ETag")
		r := do(t, srv, request{method: "POST", path: "/bucket/m?uploadId=" + id, body: list(1, etag), header: map[string]string{
			"x-oss-callback": base64JSON(t, map[string]any{"callbackUrl": l.URL + "/cb", "callbackBodyType": "application/json", "callbackSNI": true,
				"callbackBody": `{"o":${object},"s":${size},"v":${x:var}}`}), "x-oss-callback-var": vars}})
		want(t, "complete", r, 200, map[string]string{"ETag": multipartETag("hello"), "Content-Type": "application/json"})
		if r.body != `{"Status":"OK"}` {
			t.Errorf("body %q", r.body)
		}
		told, body := l.heard(t)
		if ct := told.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("content type %q", ct)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"o": "m", "s": 5.0, "v": "a&b"}, got); diff != "" {
			t.Errorf("callback's body (-want +got):\n%s", diff)
		}
	})
	t.Run("the second URL", func(t *testing.T) {
		refusing := listen(t, says(500, ""))
		r := do(t, srv, request{method: "PUT", path: "/bucket/second", body: "hello", header: map[string]string{
			"x-oss-callback": base64JSON(t, map[string]string{"callbackUrl": refusing.URL + ";" + l.URL + "/cb", "callbackBody": "x=1"})}})
		want(t, "put", r, 200, nil)
		check(t, url.Values{"x": {"1"}})
	})
	t.Run("no URL is no callback", func(t *testing.T) {
		r := do(t, srv, request{method: "PUT", path: "/bucket/none", body: "hello", header: map[string]string{
			"x-oss-callback": base64JSON(t, map[string]string{"callbackBody": "x=1"})}})
		want(t, "put", r, 200, map[string]string{"Content-Length": "0"})
	})
}

// TestCallbackFailed: the status is 203, and the object is there.
func TestCallbackFailed(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc // nil: nobody listens
		message string
		ec      string
	}{
		{"status", says(502, `{}`), "Error status : 502.", ""},
		{"created", says(201, `{}`), "Error status : 201.", ""},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "Error status : 302.", ""},
		{"no JSON", says(200, `ok`), "Response body is not valid json format.", "0007-00000205"},
		{"empty", says(200, ``), "Response body is not valid json format.", "0007-00000205"},
		{"no length", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "{}")
		}, "The response of the callback has no valid Content-Length, or is too large.", ""},
		{"nobody", nil, "Error status : -1. OSS can not connect to your callbackUrl, please check it.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := gone.URL
			if c.answer != nil {
				to = listen(t, c.answer).URL
			}
			header := map[string]string{"x-oss-callback": base64JSON(t, map[string]string{"callbackUrl": to, "callbackBody": "x"})}
			id := initiate(t, srv, "/bucket/m?uploads")
			etag := uploadPart(t, srv, "m", id, 1, c.name).get("ETag")
			for _, rq := range []request{
				{method: "PUT", path: "/bucket/k", body: c.name, header: header},
				{method: "POST", path: "/bucket/m?uploadId=" + id, body: list(1, etag), header: header},
			} {
				r := do(t, srv, rq)
				wantError(t, rq.method, r, 203, "CallbackFailed", c.ec)
				if r.element("Message") != c.message {
					t.Errorf("message %q, want %q", r.element("Message"), c.message)
				}
				if got := do(t, srv, request{method: "GET", path: strings.SplitN(rq.path, "?", 2)[0]}).body; got != c.name {
					t.Errorf("the object is %q", got)
				}
			}
		})
	}
}

// TestCallbackRefused: before anything is stored.
func TestCallbackRefused(t *testing.T) {
	for _, loose := range []bool{false, true} {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Loose: loose})
		good := map[string]string{"callbackUrl": "http://127.0.0.1:1", "callbackBody": "x"}
		with := func(name, value string) string {
			m := map[string]string{name: value}
			for k, v := range good {
				if m[k] == "" {
					m[k] = v
				}
			}
			return base64JSON(t, m)
		}
		for _, c := range []struct {
			name, callback, vars string
			status               int
			code, element        string
		}{
			{"another machine", with("callbackUrl", "http://www.example.com/x"), "", 501, "NotImplemented", "www.example.com"},
			{"another machine without a scheme", with("callbackUrl", "www.example.com"), "", 501, "NotImplemented", "www.example.com"},
			{"another machine among others", with("callbackUrl", "http://127.0.0.1;http://10.0.0.1:80"), "", 501, "NotImplemented", "10.0.0.1:80"},
			{"scheme", with("callbackUrl", "ftp://127.0.0.1"), "", 400, "InvalidArgument", ""},
			{"six URLs", with("callbackUrl", strings.Repeat("http://127.0.0.1;", 5)+"http://127.0.0.1"), "", 400, "InvalidArgument", ""},
			{"type", with("callbackBodyType", "text/plain"), "", 400, "InvalidArgument", ""},
			{"no body", base64JSON(t, map[string]string{"callbackUrl": "http://127.0.0.1"}), "", 400, "InvalidArgument", ""},
			{"no base64", "x", "", 400, "InvalidArgument", ""},
			{"no JSON", base64.StdEncoding.EncodeToString([]byte("x")), "", 400, "InvalidArgument", ""},
			{"variable", base64JSON(t, good), base64JSON(t, map[string]string{"var": "x"}), 400, "InvalidArgument", ""},
			{"variable in upper case", base64JSON(t, good), base64JSON(t, map[string]string{"x:Var": "x"}), 400, "InvalidArgument", ""},
			{"variables", base64JSON(t, good), "x", 400, "InvalidArgument", ""},
		} {
			header := map[string]string{"x-oss-callback": c.callback}
			if c.vars != "" {
				header["x-oss-callback-var"] = c.vars
			}
			r := do(t, srv, request{method: "PUT", path: "/bucket/k", body: "x", header: header})
			wantError(t, c.name, r, c.status, c.code, "")
			if r.element("Header") != c.element {
				t.Errorf("%s: the refused name is %q, want %q", c.name, r.element("Header"), c.element)
			}
			want(t, c.name+": nothing is stored", do(t, srv, request{method: "HEAD", path: "/bucket/k"}), 404, nil)
		}
	}
}
