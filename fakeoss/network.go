package fakeoss

import (
	"errors"
	"time"

	"github.com/tidemark-go/tidemark/internal/link"
)

// Network is how slow the line between a client and the server is. It holds for each connection by itself, as if each had a
// line of its own; the zero value adds nothing.
type Network struct {
	// Latency holds back the first byte that a new connection gives to the server, and the first byte of each answer.
	Latency time.Duration

	// ReceiveRate and SendRate bound what the server receives and sends, in bytes per second: at least 1024, or zero for
	// no bound.
	ReceiveRate, SendRate int64
}

func (n Network) check() error {
	bad := func(rate int64) bool { return rate != 0 && rate < link.MinRate }
	if n.Latency < 0 || bad(n.ReceiveRate) || bad(n.SendRate) {
		return errors.New("fakeoss: network: the latency is negative, or a rate is below 1024 bytes per second")
	}
	return nil
}

// network is the link that a handler's connections go over.
type network struct{ link.Shaper }

func (n *network) get() Network {
	l := n.Link()
	return Network{Latency: l.RTT, ReceiveRate: l.ConnRate, SendRate: l.SendRate}
}

// SetNetwork changes how slow the line is, also for the connections that exist. It reaches the connections of [NewServer]
// and [Listen] only. An error says which number is out of range; then nothing has changed.
func (h *Handler) SetNetwork(n Network) error {
	if err := n.check(); err != nil {
		return err
	}
	return h.network.Set(link.Link{RTT: n.Latency, ConnRate: n.ReceiveRate, SendRate: n.SendRate})
}
