package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// crossAll measures the cases of a group, round and round, in an order that is drawn anew for each. With an error it returns what was
// measured until then; an upload that fails is not an error, but a result.
func (b *bench) crossAll(ctx context.Context, group []networkCase) ([]report.NetworkRow, error) {
	var rows []report.NetworkRow
	var cases []networkCase // of the rows
	most := 0
	for _, c := range group {
		most = max(most, c.rounds, c.peerRounds)
		for _, name := range c.clients {
			cases = append(cases, c)
			rows = append(rows, report.NetworkRow{Case: c.name, Client: name, Size: c.size, Ideal: c.ideal})
		}
	}
	for round := range most {
		for _, i := range b.random.Perm(len(rows)) {
			c, row := cases[i], &rows[i]
			if ours := row.Client == report.Ours || row.Client == client.Raw32 || row.Client == client.Two; ours && round >= c.rounds || !ours && round >= c.peerRounds {
				continue
			}
			run, _, err := b.cross(ctx, c, row.Client, uint64(round)+1)
			if err != nil {
				return rows, fmt.Errorf("%s: %s: %w", c.name, row.Client, err)
			}
			row.Runs = append(row.Runs, run)
			fmt.Fprintf(b.progress, "round %d: %-10s %-18s %s\n", round+1, c.name, row.Client, run)
		}
	}
	return rows, nil
}

// traceAll draws what this library does on each link.
func (b *bench) traceAll(ctx context.Context, cases []traceCase) (traces []report.Trace, err error) {
	for _, c := range cases {
		run, traffic, err := b.cross(ctx, c.networkCase, report.Ours, 1)
		if err != nil {
			return traces, fmt.Errorf("%s: %w", c.title, err)
		}
		t := report.Trace{Title: c.title, Capacity: c.capacity, Run: run}
		for _, s := range traffic.Samples {
			p := report.TracePoint{At: s.At, Connections: s.Active}
			for _, n := range s.Bytes {
				p.Bytes += n
			}
			t.Points = append(t.Points, p)
		}
		traces = append(traces, t)
		fmt.Fprintf(b.progress, "%s: %-36s %s\n", report.Traces, c.title, run)
	}
	return traces, nil
}

// cross has one client upload the file of a case once, to a server that is new: the connections and part requests of each run are counted
// from the first, and so meet what the seed says.
func (b *bench) cross(ctx context.Context, c networkCase, name string, seed uint64) (run report.NetworkRun, traffic discard.Traffic, err error) {
	order := c.server
	order.Link.Seed, order.Faults.Seed = seed, seed
	server, err := b.launcher.serve(ctx, order)
	if err != nil {
		return run, traffic, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	f := b.files[c.content]
	job, err := b.job(server, scenario{}, f)
	if err != nil {
		return run, traffic, err
	}
	defer os.RemoveAll(job.CheckpointDir) // of the bench's own directory, which is removed in the end
	job.Workers = 0                       // the client's defaults
	if err := f.warm(); err != nil {
		return run, traffic, err
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	besideEnded := make(chan error, 1)
	if c.beside {
		other := job
		other.Key += "-beside"
		go func() {
			_, err := b.run(limited, roleUpload, uploadOrder{Client: client.Raw1, Job: other})
			besideEnded <- err
		}()
	} else {
		besideEnded <- nil
	}
	result, failed := b.run(limited, roleUpload, uploadOrder{Client: name, Job: job})
	if e := <-besideEnded; failed == nil {
		failed = e
	}
	if ctx.Err() != nil {
		return run, traffic, ctx.Err()
	}
	state, err := server.State(ctx)
	if err != nil {
		return run, traffic, err
	}
	run = report.NetworkRun{
		Seed: seed, Wall: result.Wall, Bytes: state.Traffic.Bytes, Eaten: state.Traffic.Eaten, Faults: state.Traffic.Faults,
		Most: state.Traffic.Most, Late: late(state.Traffic.Samples), Beside: share(state.Traffic.Samples, job.Key+"-beside"),
	}
	keys := []string{job.Key}
	switch {
	case name == client.Two:
		keys = []string{job.Key + "-1", job.Key + "-2"}
	case c.beside:
		keys = append(keys, job.Key+"-beside")
	}
	if failed == nil {
		run.Each, failed = whole(state.Objects, keys, f, c.size, result.Begun)
	}
	switch {
	case errors.Is(limited.Err(), context.DeadlineExceeded) && failed != nil:
		run.Error = fmt.Sprintf("not finished in %v", c.limit)
	case failed != nil:
		run.Error = firstLine(failed, name, job)
	}
	return run, state.Traffic, nil
}

// whole makes sure that each key is the file, and returns how long each took since the start. A CRC of 0 is of signed chunks, and says
// nothing.
func whole(objects []discard.Object, keys []string, f file, size, begun int64) (each []time.Duration, err error) {
	for _, key := range keys {
		i := slices.IndexFunc(objects, func(o discard.Object) bool { return o.Key == key })
		if i < 0 {
			return nil, errors.New("the server has no object")
		}
		if o := objects[i]; o.Size != size || o.CRC64 != f.crc && o.CRC64 != 0 {
			return nil, fmt.Errorf("the object has %d bytes and the CRC-64 %016x, the file %d and %016x", o.Size, o.CRC64, size, f.crc)
		}
		each = append(each, time.Duration(objects[i].Completed-begun))
	}
	return each, nil
}

// late is how many part requests there were at once on average over the second half of the time in which bytes came.
func late(samples []discard.Sample) float64 {
	for len(samples) > 0 && len(samples[len(samples)-1].Bytes) == 0 {
		samples = samples[:len(samples)-1]
	}
	samples = samples[len(samples)/2:]
	sum := 0
	for _, s := range samples {
		sum += s.Active
	}
	return float64(sum) / float64(max(1, len(samples)))
}

// share is what a key had of all bytes, from the first sample in which it and others had some to the last. It is 0 if there is none.
func share(samples []discard.Sample, key string) float64 {
	contested := func(s discard.Sample) bool { return s.Bytes[key] > 0 && len(s.Bytes) > 1 }
	first := slices.IndexFunc(samples, contested)
	if first < 0 {
		return 0
	}
	last := len(samples)
	for !contested(samples[last-1]) {
		last--
	}
	var own, all int64
	for _, s := range samples[first:last] {
		own += s.Bytes[key]
		for _, n := range s.Bytes {
			all += n
		}
	}
	return float64(own) / float64(all)
}

var localAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// firstLine is what a client says of why it failed, without what only this run knows.
func firstLine(err error, name string, job client.Job) string {
	text := err.Error()
	var failed *processError
	if errors.As(err, &failed) {
		text = failed.stderr
		if _, after, ok := strings.Cut(text, name+": "); ok { // a library may have printed before
			text = after
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.NewReplacer(job.Endpoint, "http://server", strings.TrimPrefix(job.Endpoint, "http://"), "server", job.File, "FILE",
		job.CheckpointDir, "DIR", job.Key, "KEY", "|", "/").Replace(text)
	text = localAddress.ReplaceAllString(text, "client")
	if len(text) > 160 { // what was tried is at the beginning, and the reason at the end
		text = strings.ToValidUTF8(text[:80]+"…"+text[len(text)-80:], "")
	}
	return text
}
