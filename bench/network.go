package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
	"github.com/tidemark-go/tidemark/internal/link"
)

// networkCase is a file that clients upload at their own defaults over a link, and what happens on it.
type networkCase struct {
	name string
	content
	server  serveOrder
	clients []string
	ideal   time.Duration // what the link would need; 0: not told
	limit   time.Duration // after which an upload has failed
	beside  bool          // a client of one connection uploads the same file at the same time

	rounds, peerRounds int // of this library with the yardstick, and of the other clients
}

const (
	mb = 1_000_000 // links are told in megabytes

	// patience is what an upload gets where connections may be silent; with one connection and none silent it takes a minute.
	patience = 90 * time.Second

	// leastSize is more than what this library sends in one request.
	leastSize = 10*mib + 1
)

var (
	distant = link.Link{RTT: 50 * time.Millisecond, ConnRate: 20 * mb}
	capped  = link.Link{RTT: 50 * time.Millisecond, ConnRate: 20 * mb, TotalRate: 20 * mb}
)

// networkCases returns the cases, those that are compared with each other in one group.
func (s settings) networkCases() [][]networkCase {
	size := func(n int64) int64 { return max(leastSize, n/s.shrink) }
	over := func(l link.Link) serveOrder { return serveOrder{CRC: true, Link: l} }
	both := []string{report.Ours, client.Raw32}
	var all, retrying []string // a yardstick that does not retry measures nothing where requests fail
	for _, c := range client.Defaults() {
		if all = append(all, c.Name); c.Name != client.Raw32 {
			retrying = append(retrying, c.Name)
		}
	}
	// ideal is what 32 connections take that are there from the first moment: a connection, and the answers of a part and of the end.
	ideal := func(n int64) time.Duration { return 3*distant.RTT + carries(n, 32*distant.ConnRate) }
	near, far, shared, half := size(256*mib), size(2048*mib), size(256*mib), size(128*mib)
	large := content{size: size(1024 * mib)}
	silent := distant
	silent.Silent = 0.1
	faulty := serveOrder{CRC: true, Faults: discard.Faults{Reset: 0.05, Unavailable: 0.05}}
	groups := [][]networkCase{
		{{name: report.Distance, content: content{size: near}, server: over(distant), clients: all, ideal: ideal(near), peerRounds: s.peerRounds}},
		{{name: report.Far, content: content{size: far, sparse: true}, server: over(distant), clients: both, ideal: ideal(far)}},
		{{name: report.Capped, content: content{size: shared}, server: over(capped), clients: all, ideal: carries(shared, capped.TotalRate), peerRounds: min(1, s.peerRounds)}},
		{
			{name: report.Two, content: content{size: half}, server: over(capped), clients: []string{client.Two}, ideal: carries(2*half, capped.TotalRate)},
			{name: report.Beside, content: content{size: half}, server: over(capped), clients: []string{report.Ours}, ideal: carries(2*half, capped.TotalRate), beside: true},
		},
		{{name: report.Faults, content: large, server: faulty, clients: retrying, rounds: s.faultSeeds, peerRounds: s.faultSeeds}},
		{{name: report.Cutting, content: large, server: over(link.Link{RTT: 20 * time.Millisecond, ConnRate: 20 * mb, CutAfter: 3 * mib}), clients: retrying, peerRounds: 1}},
		{
			{name: report.Silent, content: large, server: over(silent), clients: retrying, limit: min(s.limit, patience), peerRounds: 1},
			{name: report.Answering, content: large, server: over(distant), clients: retrying, limit: min(s.limit, patience), peerRounds: 1},
		},
	}
	for _, group := range groups {
		for i := range group {
			c := &group[i]
			c.clients = s.chosen(c.clients)
			if c.rounds == 0 {
				c.rounds = s.networkRounds
			}
			if c.limit == 0 {
				c.limit = s.limit
			}
		}
	}
	return s.chosenCases(groups)
}

// carries is how long a line takes for n bytes.
func carries(n, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// chosenCases leaves out what was not asked for.
func (s settings) chosenCases(groups [][]networkCase) [][]networkCase {
	for i := range groups {
		groups[i] = slices.DeleteFunc(groups[i], func(c networkCase) bool {
			return len(c.clients) == 0 || len(s.cases) > 0 && !slices.Contains(s.cases, c.name)
		})
	}
	return slices.DeleteFunc(groups, func(g []networkCase) bool { return len(g) == 0 })
}

// traceCase is a link on which this library's decisions are drawn.
type traceCase struct {
	title string
	networkCase
	capacity []report.Capacity
}

// traceCases returns six links. Each takes some seconds.
func (s settings) traceCases() []traceCase {
	if len(s.chosen([]string{report.Ours})) == 0 || len(s.cases) > 0 && !slices.Contains(s.cases, report.Traces) {
		return nil
	}
	long := link.Link{RTT: 80 * time.Millisecond, ConnRate: 10 * mb, TotalRate: 160 * mb}
	narrow := long
	narrow.TotalRate = 40 * mb
	cases := []traceCase{
		{title: "50 ms, 20 MB/s a connection", networkCase: networkCase{content: content{size: 4096 * mib}, server: serveOrder{Link: distant}}},
		{title: "The same, 20 MB/s in all", networkCase: networkCase{content: content{size: 160 * mib}, server: serveOrder{Link: capped}}, capacity: steady(capped.TotalRate)},
		{title: "A home line: 30 ms, 10 MB/s", networkCase: networkCase{content: content{size: 160 * mib},
			server: serveOrder{Link: link.Link{RTT: 30 * time.Millisecond, TotalRate: 10 * mb}}}, capacity: steady(10 * mb)},
		{title: "No link: the same machine", networkCase: networkCase{content: content{size: 2048 * mib}}},
		{title: "80 ms, 160 MB/s, from 4 to 8 s 40", networkCase: networkCase{content: content{size: 1280 * mib}, server: serveOrder{
			Link: long, Changes: []discard.Change{{After: 4 * time.Second, Link: narrow}, {After: 8 * time.Second, Link: long}},
		}}, capacity: []report.Capacity{{Rate: long.TotalRate}, {From: 4 * time.Second, Rate: narrow.TotalRate}, {From: 8 * time.Second, Rate: long.TotalRate}}},
		{title: "50 ms, 503 beyond 6 parts at once", networkCase: networkCase{content: content{size: 768 * mib},
			server: serveOrder{Link: distant, Faults: discard.Faults{Most: 6}}}, capacity: steady(6 * distant.ConnRate)},
	}
	for i := range cases {
		c := &cases[i]
		c.name, c.sparse, c.size, c.limit = fmt.Sprintf("%s-%d", report.Traces, i+1), true, max(leastSize, c.size/s.shrink), s.limit
	}
	return cases
}

func steady(rate int64) []report.Capacity { return []report.Capacity{{Rate: rate}} }
