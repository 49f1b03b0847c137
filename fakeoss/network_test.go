package fakeoss

import (
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/internal/link"
)

func TestNetworkCheck(t *testing.T) {
	for _, n := range []Network{{Latency: -1}, {ReceiveRate: 1023}, {SendRate: -1}} {
		if h, err := New(&Options{Network: n}); err == nil {
			t.Errorf("%+v: accepted; closing: %v", n, h.Close())
		}
	}
}

// A Network is a link: what the server receives is bounded for each connection.
func TestNetworkIsLink(t *testing.T) {
	h := &Handler{}
	n := Network{Latency: time.Second, ReceiveRate: 2000, SendRate: 3000}
	if err := h.SetNetwork(n); err != nil {
		t.Fatal(err)
	}
	if got, want := h.network.Link(), (link.Link{RTT: time.Second, ConnRate: 2000, SendRate: 3000}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
	if got := h.network.get(); got != n {
		t.Errorf("%+v, not %+v", got, n)
	}
}
