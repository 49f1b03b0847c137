package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// killAll kills and resumes each client that resumes at all, this library more often than the others. With an error it returns what was
// measured until then.
func (b *bench) killAll(ctx context.Context) (kills []report.Kill, err error) {
	sc := b.killed()
	f := b.files[sc.content]
	server, err := b.serve(ctx, sc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	for _, c := range client.All() {
		if !c.Resumes || len(b.chosen([]string{c.Name})) == 0 {
			continue
		}
		times := b.peerKills
		if c.Name == "tidemark" {
			times = b.kills
		}
		for i := range times {
			k, err := b.kill(ctx, server, sc, c.Name, f)
			if err != nil {
				return kills, fmt.Errorf("%s: %s, kill %d: %w", sc.name, c.Name, i+1, err)
			}
			kills = append(kills, k)
			fmt.Fprintf(b.progress, "%-12s kill %d of %d: %-18s %d of %d sent again, %d in flight, first new byte after %v, ListParts alone %v\n",
				sc.name, i+1, times, c.Name, k.Resent, k.Acknowledged, k.InFlight, k.FirstNew.Round(time.Microsecond), k.ListParts.Round(time.Microsecond))
		}
	}
	return kills, nil
}

// kill has a client upload half of f, kills it, and has another process upload f.
func (b *bench) kill(ctx context.Context, server *server, sc scenario, name string, f file) (report.Kill, error) {
	job, err := b.job(server, sc, f)
	if err != nil {
		return report.Kill{}, err
	}
	defer os.RemoveAll(job.CheckpointDir) // of the bench's own directory, which is removed in the end
	if err := f.warm(); err != nil {
		return report.Kill{}, err
	}
	killed, err := b.killAtHalf(ctx, server, sc, uploadOrder{Client: name, Job: job})
	if err != nil {
		return report.Kill{}, err
	}
	state, err := b.settled(ctx, server)
	if err != nil {
		return report.Kill{}, err
	}
	if len(state.Objects) > 0 || len(state.Puts) == 0 {
		return report.Kill{}, errors.New("the upload was over before it was killed: take more parts")
	}
	// The same state, asked by a client that does nothing else.
	list, err := b.run(ctx, roleList, listOrder{Job: job, UploadID: state.Puts[0].Upload})
	if err != nil {
		return report.Kill{}, err
	}
	result, err := b.run(ctx, roleUpload, uploadOrder{Client: name, Job: job})
	if err != nil {
		return report.Kill{}, err
	}
	if state, err = b.settled(ctx, server); err != nil {
		return report.Kill{}, err
	}
	if err := verify(state, sc, job.Key, name, f); err != nil {
		return report.Kill{}, err
	}
	k := judge(state.Puts, killed.UnixNano(), result.Begun)
	k.Client, k.ListParts = name, list.Wall
	return k, server.Reset(ctx)
}

// killAtHalf returns when the process that uploads is dead. The time is of just before the signal was sent.
func (b *bench) killAtHalf(ctx context.Context, server *server, sc scenario, order uploadOrder) (time.Time, error) {
	cmd, err := b.command(ctx, roleUpload, order)
	if err != nil {
		return time.Time{}, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return time.Time{}, err
	}
	// One that ends by itself would never come to half.
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // it was killed, or the caller sees that the upload was over
		cancel(errors.New("the client ended before it was killed"))
		close(ended)
	}()
	err = server.Await(ctx, sc.parts()/2)
	killed := time.Now()
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	if e := cmd.Process.Kill(); err == nil && !errors.Is(e, os.ErrProcessDone) {
		err = e
	}
	<-ended
	return killed, err
}

// judge says what the second process did with the parts that the server had. Times are nanoseconds since 1970.
func judge(puts []discard.Put, killed, restarted int64) report.Kill {
	var k report.Kill
	acknowledged, stored := map[int]bool{}, map[int]bool{}
	for _, p := range puts {
		switch {
		case p.Begun >= restarted:
		case p.Acknowledged > 0 && p.Acknowledged <= killed:
			acknowledged[p.Number] = true
		case p.Stored > 0:
			k.InFlight++
			stored[p.Number] = true
		default:
			k.InFlight++
		}
	}
	k.Acknowledged, k.InFlightStored = len(acknowledged), len(stored)
	first := func(have *time.Duration, begun int64) {
		if since := time.Duration(begun - restarted); *have == 0 || since < *have {
			*have = since
		}
	}
	for _, p := range puts {
		if p.Begun < restarted {
			continue
		}
		first(&k.FirstPart, p.Begun)
		switch {
		case acknowledged[p.Number]:
			k.Resent++
			k.ResentBytes += p.Size
		case stored[p.Number]:
			k.InFlightResent++
		default:
			first(&k.FirstNew, p.Begun)
		}
	}
	return k
}
