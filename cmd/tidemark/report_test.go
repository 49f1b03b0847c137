package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/upload"
)

// What the engine did about a bad network is in both reports, and a field of the JSON is there when it is zero.
func TestReport(t *testing.T) {
	res := &upload.Result{Object: backend.Object{Size: 3 << 20, ETag: "e"}, CRC64: 7, Sent: 3 << 20, Parts: 3, PartSize: 1 << 20}
	to := target{bucket: testBucket, key: "k"}
	for _, test := range []struct {
		retries, hedged int
		text, json      string
	}{
		{0, 0, "oss://tide-bucket/k: 3.0 MiB in 2s, 1.5 MiB/s; sent 3.0 MiB; CRC-64 7\n", `"retries":0,"hedged":0,"resumed"`},
		{5, 2, "oss://tide-bucket/k: 3.0 MiB in 2s, 1.5 MiB/s; sent 3.0 MiB, 5 retries, 2 hedged; CRC-64 7\n", `"retries":5,"hedged":2,"resumed"`},
	} {
		res.Retries, res.Hedged = test.retries, test.hedged
		var text, json bytes.Buffer
		if err := report(&text, &putCommand{}, to, res, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := report(&json, &putCommand{JSON: true}, to, res, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.text, text.String()); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
		if !strings.Contains(json.String(), test.json) {
			t.Errorf("the JSON lacks %s: %s", test.json, &json)
		}
	}
}
