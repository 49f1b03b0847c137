package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// With --admin, and only then, a test in another language injects a fault and reads the journal over HTTP.
func TestFakeAdmin(t *testing.T) {
	for flag, want := range map[string]bool{"--admin": true, "": false} {
		t.Run(flag, func(t *testing.T) {
			args := []string{"--bucket", testBucket}
			if flag != "" {
				args = append(args, flag)
			}
			fake, env := fakeProcess(t, nil, args...)
			url := ""
			for _, e := range env {
				if value, ok := strings.CutPrefix(e, "OSS_ENDPOINT="); ok {
					url = value
				}
			}
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			ask := func(method, path, body string) (int, string) {
				r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				if err = errors.Join(err, resp.Body.Close()); err != nil {
					t.Fatal(err)
				}
				return resp.StatusCode, string(b)
			}
			if status, body := ask("POST", "/-/faults", `{"kind": "Refuse", "operation": "PutObject"}`); (status == 200) != want {
				t.Errorf("inject: %d %s", status, body)
			}
			if status, body := ask("GET", "/-/faults?unfired", ""); strings.Contains(body, `"kind":"Refuse"`) != want {
				t.Errorf("unfired: %d %s", status, body)
			}
			client.CloseIdleConnections()
			stop(t, fake)
		})
	}
}
