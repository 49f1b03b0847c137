package fakeoss

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of a callback (the page Callback).
const (
	maxCallbackURLs     = 5
	maxCallbackResponse = 3 << 20
	callbackTimeout     = 5 * time.Second
)

// callback is what a Put or a Complete wants to be told to another server when the object is there.
type callback struct {
	urls     []string
	host     string
	body     string
	json     bool // the body is JSON, not a form
	variable map[string]string
}

// callback reads the parameter of that name, from the header or from the URL. It is nil if there is none.
func (c *call) callback() (*callback, error) {
	v := first(c.r.Header.Get("X-Oss-Callback"), c.query.get("callback"))
	if v == "" {
		return nil, nil
	}
	var in struct {
		URL      string `json:"callbackUrl"`
		Host     string `json:"callbackHost"`
		Body     string `json:"callbackBody"`
		BodyType string `json:"callbackBodyType"`
	}
	if err := decodeCallback(v, &in); err != nil {
		return nil, errInvalidArgument("callback", v, "The callback configuration is not base64-encoded JSON.")
	}
	if in.URL == "" {
		return nil, nil // the page: then no callback is configured
	}
	cb := &callback{host: in.Host, body: in.Body}
	switch in.BodyType {
	case "", "application/x-www-form-urlencoded":
	case "application/json":
		cb.json = true
	default:
		return nil, errInvalidArgument("callbackBodyType", in.BodyType, "The callback body type is not supported.")
	}
	if in.Body == "" {
		return nil, errInvalidArgument("callbackBody", "", "The callback body is empty.")
	}
	cb.urls = strings.Split(in.URL, ";")
	if len(cb.urls) > maxCallbackURLs {
		return nil, errInvalidArgument("callbackUrl", in.URL, "More than 5 callback URLs.")
	}
	for i, u := range cb.urls {
		if !strings.Contains(u, "://") {
			u = "http://" + u
		}
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, errInvalidArgument("callbackUrl", u, "The callback URL is not valid.")
		}
		if !loopback(parsed.Hostname()) {
			return nil, errNotImplemented("callback to another machine,", parsed.Host)
		}
		cb.urls[i] = u
	}
	if v := first(c.r.Header.Get("X-Oss-Callback-Var"), c.query.get("callback-var")); v != "" {
		if err := decodeCallback(v, &cb.variable); err != nil {
			return nil, errInvalidArgument("callback-var", v, "The callback variables are not base64-encoded JSON.")
		}
		for name := range cb.variable {
			if !strings.HasPrefix(name, "x:") || name != strings.ToLower(name) {
				return nil, errInvalidArgument("callback-var", name, "The name of a variable begins with x: and is in lower case.")
			}
		}
	}
	return cb, nil
}

func decodeCallback(v string, into any) error {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// loopback tells whether a host is this machine: a test must not tell the world of its objects.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// notify makes the callback of a request whose object is there. What the other server answers becomes the body of a; if none
// answers as it should the error is the one that the client gets although the object stays.
func (c *call) notify(cb *callback, m *objectMeta, a *answer) (*answer, error) {
	if cb == nil {
		return a, nil
	}
	body := cb.expand(c.callbackVariables(m))
	var reply []byte
	var err error
	for _, u := range cb.urls {
		if reply, err = c.post(cb, u, body); err == nil {
			a.body = reply
			delete(a.header, "Content-MD5") // it spoke of the body that this one stands for
			return a.set("Content-Type", "application/json"), nil
		}
	}
	return nil, err
}

// callbackVariables are the service's own: text, or numbers that JSON has without quotes.
func (c *call) callbackVariables(m *objectMeta) map[string]any {
	client, _ := splitHost(c.r.RemoteAddr)
	return map[string]any{
		"bucket":     c.target.bucket,
		"object":     c.target.key,
		"etag":       m.ETag,
		"size":       m.Size,
		"mimeType":   m.Header["Content-Type"],
		"crc64":      strconv.FormatUint(m.CRC64, 10),
		"contentMd5": base64.StdEncoding.EncodeToString(m.MD5),
		"reqId":      c.id,
		"clientIp":   client,
		"operation":  c.op.name,
	}
}

var variable = regexp.MustCompile(`\$\{([^{}]*)\}`)

// expand puts the values for the variables of the body. One that is not known is empty.
func (cb *callback) expand(values map[string]any) string {
	return variable.ReplaceAllStringFunc(cb.body, func(s string) string {
		name := s[2 : len(s)-1]
		var value any = cb.variable[name]
		if v, ok := values[name]; ok {
			value = v
		}
		if !cb.json {
			return url.QueryEscape(fmt.Sprint(value))
		}
		b, err := json.Marshal(value)
		if err != nil {
			return `""` // of what values holds, all can be marshalled
		}
		return string(b)
	})
}

// post tells one server, and returns its answer.
func (c *call) post(cb *callback, to, body string) (_ []byte, err error) {
	// The service goes on though its client is gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), callbackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return nil, errCallback("Error status : -1. OSS can not connect to your callbackUrl, please check it.", "")
	}
	if cb.host != "" {
		r.Host = cb.host
	}
	r.Header.Set("User-Agent", "aliyun-oss-callback")
	r.Header.Set("Content-Type", map[bool]string{true: "application/json", false: "application/x-www-form-urlencoded"}[cb.json])
	r.Header["x-oss-bucket"] = []string{c.target.bucket}
	r.Header["x-oss-request-id"] = []string{c.id}
	resp, err := callbackClient().Do(r)
	if err != nil {
		c.h.logger.Debug("callback", "request", c.id, "error", err)
		return nil, errCallback("Error status : -1. OSS can not connect to your callbackUrl, please check it.", "")
	}
	defer c.h.closing(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return nil, errCallback(fmt.Sprintf("Error status : %d.", resp.StatusCode), "")
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxCallbackResponse+1))
	if err != nil || resp.ContentLength < 0 || len(reply) > maxCallbackResponse {
		return nil, errCallback("The response of the callback has no valid Content-Length, or is too large.", "")
	}
	if reply = bytes.TrimSpace(reply); !json.Valid(reply) {
		return nil, errCallback("Response body is not valid json format.", "0007-00000205")
	}
	return reply, nil
}

// callbackClient makes a client for one request, whose connection ends with it and never leaves this machine.
func callbackClient() *http.Client {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if host, _ := splitHost(address); !loopback(host) {
			return errors.New("not a loopback address")
		}
		return nil
	}}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errCallback is no error by its status: the object is there, and only the callback is not.
func errCallback(message, ec string) *serviceError {
	return &serviceError{status: http.StatusNonAuthoritativeInfo, code: "CallbackFailed", message: message, ec: ec}
}
