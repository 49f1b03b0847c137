package fakeoss

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// adminRoot is where the administration is: "-" cannot be a bucket. Under a host that stands for a bucket, the path is a
// key and there is no administration.
const adminRoot = "/-/"

// maxAdminBody bounds what the administration reads.
const maxAdminBody = 1 << 20

// administers tells whether a request is for the administration.
func (h *Handler) administers(r *http.Request) bool {
	if !h.admin || !strings.HasPrefix(rawPath(r), adminRoot) {
		return false
	}
	t, err := h.resolve(r)
	return err == nil && t.pathStyle && t.bucket == "-"
}

// adminError is an answer of the administration that says no.
type adminError struct {
	status int
	err    error
}

func (e *adminError) Error() string { return e.err.Error() }

func adminRefusal(status int, format string, args ...any) error {
	return &adminError{status, fmt.Errorf(format, args...)}
}

// serveAdmin answers with JSON. It is not in the journal, and no fault meets it.
func (h *Handler) serveAdmin(w http.ResponseWriter, r *http.Request) {
	// Real time: it is the operating system that waits.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.bodyTimeout))
	v, err := h.administer(r)
	status := http.StatusOK
	if err != nil {
		status = http.StatusBadRequest
		var ae *adminError
		if errors.As(err, &ae) {
			status = ae.status
		}
		v = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
		h.logger.Error("administration", "error", err)
	}
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		h.logger.Debug("administration: answer cut short", "error", err)
	}
}

func (h *Handler) administer(r *http.Request) (any, error) {
	// A page in a browser can send requests to the loopback interface, but not without one of these.
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} {
		if r.Header.Get(name) != "" {
			return nil, adminRefusal(http.StatusForbidden, "requests of browsers are refused (header %s)", name)
		}
	}
	resource, rest, _ := strings.Cut(strings.TrimPrefix(rawPath(r), adminRoot), "/")
	if resource == "release" && rest != "" {
		if r.Method != http.MethodPost {
			return nil, adminRefusal(http.StatusMethodNotAllowed, "%s is not a method of %s", r.Method, rawPath(r))
		}
		name, err := unescapeKey(rest)
		if err != nil || !h.faults.releaseNamed(name) {
			return nil, adminRefusal(http.StatusNotFound, "no fault waits for the release %q", name)
		}
		return nil, nil
	}
	if rest != "" {
		resource += "/" + rest
	}
	methods := map[string]map[string]func(r *http.Request) (any, error){
		"faults":  {"GET": h.adminFaults, "POST": h.adminInject, "DELETE": h.adminForget},
		"journal": {"GET": h.adminJournal, "DELETE": h.adminClear},
		"network": {"GET": h.adminNetwork, "PUT": h.adminSetNetwork},
		"reset":   {"POST": h.adminReset},
	}[resource]
	if methods == nil {
		return nil, adminRefusal(http.StatusNotFound, "there is no %s", rawPath(r))
	}
	serve := methods[r.Method]
	if serve == nil {
		return nil, adminRefusal(http.StatusMethodNotAllowed, "%s is not a method of %s", r.Method, rawPath(r))
	}
	return serve(r)
}

// readAdmin reads the body of a request into v. Unknown names are refused: a misspelt fault would never fire.
func readAdmin(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return adminRefusal(http.StatusBadRequest, "the body: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return adminRefusal(http.StatusBadRequest, "the body: more than one value")
	}
	return nil
}

func adminBody(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAdminBody+1))
	if err != nil {
		return nil, adminRefusal(http.StatusBadRequest, "the body: %v", err)
	}
	if len(b) > maxAdminBody {
		return nil, adminRefusal(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxAdminBody)
	}
	return b, nil
}

// adminFault is a [Fault] in JSON. Times are in milliseconds, and a Release is a name.
type adminFault struct {
	Kind       FaultKind `json:"kind"`
	Operation  string    `json:"operation,omitempty"`
	Bucket     string    `json:"bucket,omitempty"`
	Key        string    `json:"key,omitempty"`
	PartNumber int       `json:"part_number,omitempty"`
	Nth        int       `json:"nth,omitempty"`
	Status     int       `json:"status,omitempty"`
	Code       string    `json:"code,omitempty"`
	RetryAfter int64     `json:"retry_after_ms,omitempty"`
	QoSDelay   int64     `json:"qos_delay_ms,omitempty"`
	Bytes      int64     `json:"bytes,omitempty"`
	Release    string    `json:"release,omitempty"`
	Later      int       `json:"later,omitempty"`
	Delay      int64     `json:"delay_ms,omitempty"`
}

// adminPlan is a fault and how far it has got.
type adminPlan struct {
	adminFault
	Seen        int    `json:"seen"`
	Fired       bool   `json:"fired"`
	Description string `json:"description"`
}

// MarshalText writes the kind by its name.
func (k FaultKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of a kind.
func (k *FaultKind) UnmarshalText(text []byte) error {
	for kind, name := range faultKinds {
		if name == string(text) {
			*k = kind
			return nil
		}
	}
	return fmt.Errorf("fakeoss: %q is not a kind of fault", text)
}

// maxMillis keeps a number of milliseconds within a [time.Duration].
const maxMillis = int64(24 * time.Hour / time.Millisecond)

func (h *Handler) fromAdmin(a adminFault) (Fault, error) {
	for _, ms := range []int64{a.RetryAfter, a.QoSDelay, a.Delay} {
		if ms < 0 || ms > maxMillis {
			return Fault{}, fmt.Errorf("a time must be from 0 to %d milliseconds", maxMillis)
		}
	}
	f := Fault{Kind: a.Kind, Operation: a.Operation, Bucket: a.Bucket, Key: a.Key, PartNumber: a.PartNumber, Nth: a.Nth,
		Status: a.Status, Code: a.Code, Bytes: a.Bytes, Later: a.Later,
		RetryAfter: time.Duration(a.RetryAfter) * time.Millisecond,
		QoSDelay:   time.Duration(a.QoSDelay) * time.Millisecond,
		Delay:      time.Duration(a.Delay) * time.Millisecond,
	}
	if a.Release != "" {
		f.Release = h.faults.named(a.Release)
	}
	return f, nil
}

func (h *Handler) adminFaults(r *http.Request) (any, error) {
	unfired := r.URL.Query().Has("unfired")
	list := []adminPlan{}
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	for _, p := range h.faults.plans {
		if p.fired && unfired {
			continue
		}
		list = append(list, adminPlan{Seen: p.seen, Fired: p.fired, Description: p.Fault.String(), adminFault: adminFault{
			Kind: p.Kind, Operation: p.Operation, Bucket: p.Bucket, Key: p.Key, PartNumber: p.PartNumber, Nth: p.Nth,
			Status: p.Status, Code: p.Code, Bytes: p.Bytes, Later: p.Later, Release: h.faults.nameOf(p.Release),
			RetryAfter: p.RetryAfter.Milliseconds(), QoSDelay: p.QoSDelay.Milliseconds(), Delay: p.Delay.Milliseconds(),
		}})
	}
	return map[string]any{"faults": list}, nil
}

// adminInject takes a fault or an array of them: all or none.
func (h *Handler) adminInject(r *http.Request) (any, error) {
	b, err := adminBody(r)
	if err != nil {
		return nil, err
	}
	var list []adminFault
	if bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		err = readAdmin(b, &list)
	} else {
		list = make([]adminFault, 1)
		err = readAdmin(b, &list[0])
	}
	if err != nil {
		return nil, err
	}
	faults := make([]Fault, len(list))
	for i, a := range list {
		if faults[i], err = h.fromAdmin(a); err != nil {
			return nil, adminRefusal(http.StatusBadRequest, "fault %d: %v", i, err)
		}
	}
	if err := h.Inject(faults...); err != nil {
		return nil, adminRefusal(http.StatusBadRequest, "%v", err)
	}
	return map[string]int{"injected": len(faults)}, nil
}

func (h *Handler) adminForget(*http.Request) (any, error) {
	h.faults.forget()
	return nil, nil
}

// adminJournal lists what has happened after a number of the journal's sequence.
func (h *Handler) adminJournal(r *http.Request) (any, error) {
	after := uint64(0)
	if s := r.URL.Query().Get("after"); s != "" {
		var err error
		if after, err = strconv.ParseUint(s, 10, 64); err != nil {
			return nil, adminRefusal(http.StatusBadRequest, "after=%s is not a number", s)
		}
	}
	all, sequence := h.journal.since(after)
	return map[string]any{"sequence": sequence, "entries": all}, nil
}

func (h *Handler) adminClear(*http.Request) (any, error) {
	h.journal.clear()
	return nil, nil
}

// adminNetwork is a [Network] in JSON.
type adminNetwork struct {
	Latency     int64 `json:"latency_ms"`
	ReceiveRate int64 `json:"receive_rate"`
	SendRate    int64 `json:"send_rate"`
}

func (h *Handler) adminNetwork(*http.Request) (any, error) {
	n := h.network.get()
	return adminNetwork{n.Latency.Milliseconds(), n.ReceiveRate, n.SendRate}, nil
}

func (h *Handler) adminSetNetwork(r *http.Request) (any, error) {
	b, err := adminBody(r)
	if err != nil {
		return nil, err
	}
	var n adminNetwork
	if err := readAdmin(b, &n); err != nil {
		return nil, err
	}
	if n.Latency < 0 || n.Latency > maxMillis {
		return nil, adminRefusal(http.StatusBadRequest, "latency_ms must be from 0 to %d", maxMillis)
	}
	err = h.SetNetwork(Network{Latency: time.Duration(n.Latency) * time.Millisecond, ReceiveRate: n.ReceiveRate, SendRate: n.SendRate})
	if err != nil {
		return nil, adminRefusal(http.StatusBadRequest, "%v", err)
	}
	return nil, nil
}

// adminReset brings everything but what is stored to the state of a new server without faults.
func (h *Handler) adminReset(*http.Request) (any, error) {
	h.faults.forget()
	h.journal.clear()
	return nil, h.SetNetwork(Network{})
}
