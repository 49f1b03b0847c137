package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// compare goes round and round: in each round every client uploads the file of each scenario once, in an order that is drawn anew. So
// what is compared is measured at the same time, whatever else the machine does meanwhile. With an error it returns what was measured
// until then.
func (b *bench) compare(ctx context.Context, scenarios []scenario) (rows []report.Row, err error) {
	type entry struct {
		scenario
		*server
		row int
	}
	var entries []entry
	for _, sc := range scenarios {
		server, err := b.serve(ctx, sc)
		if err != nil {
			return rows, err
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		for _, name := range sc.clients {
			entries = append(entries, entry{sc, server, len(rows)})
			rows = append(rows, report.Row{Scenario: sc.name, Client: name, Parts: sc.parts(), Size: sc.size})
		}
	}
	for round := range b.rounds {
		for _, i := range b.random.Perm(len(entries)) {
			e, row := entries[i], &rows[entries[i].row]
			if isSlow(row.Client, row.Parts) && round >= b.slowRounds {
				continue
			}
			s, err := b.upload(ctx, e.server, e.scenario, row.Client, b.files[e.content])
			if err != nil {
				return rows, fmt.Errorf("%s: round %d: %w", row.Scenario, round+1, err)
			}
			row.Samples = append(row.Samples, s)
			fmt.Fprintf(b.progress, "round %d of %d: %-12s %-18s CPU %7.3f s, wall %7.3f s, peak %4d MiB\n",
				round+1, b.rounds, row.Scenario, row.Client, s.CPU.Seconds(), s.Wall.Seconds(), s.Peak>>20)
		}
	}
	return rows, nil
}

// upload has one client upload f in a process of its own, and holds against the file what the server has then.
func (b *bench) upload(ctx context.Context, server *server, sc scenario, name string, f file) (report.Sample, error) {
	job, err := b.job(server, sc, f)
	if err != nil {
		return report.Sample{}, err
	}
	defer os.RemoveAll(job.CheckpointDir) // of the bench's own directory, which is removed in the end
	if err := f.warm(); err != nil {
		return report.Sample{}, err
	}
	before, err := server.State(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	result, err := b.run(ctx, roleUpload, uploadOrder{Client: name, Job: job})
	if err != nil {
		return report.Sample{}, err
	}
	state, err := b.settled(ctx, server)
	if err != nil {
		return report.Sample{}, err
	}
	if name != "nothing" {
		if err := verify(state, sc, job.Key, name, f); err != nil {
			return report.Sample{}, err
		}
	}
	s := report.Sample{Wall: result.Wall, CPU: result.User + result.Sys, Peak: result.Peak, Written: -1}
	if !sc.tls {
		// What was written, and did not arrive at the server, was written to files.
		s.Written = max(0, result.Written-(state.Received-before.Received))
	}
	return s, server.Reset(ctx)
}

// job makes a new key and an empty directory for checkpoints.
func (b *bench) job(server *server, sc scenario, f file) (client.Job, error) {
	dir, err := os.MkdirTemp(b.checkpoints, "checkpoints-")
	return client.Job{
		Endpoint: server.Endpoint, Key: filepath.Base(dir), File: f.path, PartSize: sc.partSize, Workers: b.workers, CheckpointDir: dir,
	}, err
}

// settled waits until the server has no request under way, and returns its state.
func (b *bench) settled(ctx context.Context, server *server) (discard.State, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		state, err := server.State(ctx)
		if err != nil || state.Active == 0 {
			return state, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return state, ctx.Err()
		}
	}
}

// verify makes sure that the upload was what is compared: all of the file, in as many parts.
func verify(state discard.State, sc scenario, key, name string, f file) error {
	for _, o := range state.Objects {
		switch {
		case o.Key != key:
			continue
		case o.Parts != sc.parts() || o.Size != sc.size:
			return fmt.Errorf("%s: the object has %d bytes in %d parts, the file %d in %d", name, o.Size, o.Parts, sc.size, sc.parts())
		case sc.crc && o.CRC64 != f.crc:
			return fmt.Errorf("%s: the object's CRC-64 is %016x, the file's %016x", name, o.CRC64, f.crc)
		}
		return nil
	}
	return fmt.Errorf("%s: the server has no object", name)
}
