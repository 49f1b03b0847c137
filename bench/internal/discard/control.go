package discard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// State is what happened since the last Reset.
type State struct {
	Received int64    `json:"received"` // bytes on the connections, with headers and TLS, since the server started
	Active   int64    `json:"active"`   // requests under way
	Puts     []Put    `json:"puts"`
	Objects  []Object `json:"objects"`
	Traffic  Traffic  `json:"traffic"` // Reset forgets nothing of it
}

func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		traffic := s.traffic.get()
		s.uploads.mu.Lock()
		defer s.uploads.mu.Unlock()
		// What cannot be written is missed by the one who asked.
		_ = json.NewEncoder(w).Encode(State{Received: s.received.Load(), Active: s.active.Load(), Puts: s.uploads.puts,
			Objects: slices.Collect(maps.Values(s.uploads.objects)), Traffic: traffic})
	})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) { s.uploads.reset() })
	mux.HandleFunc("GET /await", func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.Atoi(r.URL.Query().Get("acknowledged"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-s.uploads.await(count):
		case <-r.Context().Done():
		}
	})
	return mux
}

// Control asks a server, which may be in another process, what it saw.
type Control struct{ url string }

// NewControl speaks to the server whose [Server.Control] is url.
func NewControl(url string) *Control { return &Control{url: url} }

// Reset makes the server forget all uploads and objects. No request may be under way.
func (c *Control) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/reset", nil)
}

// State returns what the server saw since the last Reset.
func (c *Control) State(ctx context.Context) (State, error) {
	var s State
	err := c.call(ctx, http.MethodGet, "/state", &s)
	return s, err
}

// Await returns when so many parts were acknowledged since the last Reset. One may wait at a time.
func (c *Control) Await(ctx context.Context, acknowledged int) error {
	return c.call(ctx, http.MethodGet, fmt.Sprintf("/await?acknowledged=%d", acknowledged), nil)
}

func (c *Control) call(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // the status is what counts
		return fmt.Errorf("control %s: %s: %s", path, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
