// Command bench compares this library with those that people use today: the same file, uploaded by each in a process of its own to
// a server in another process that discards it. See docs/performance.md for what it found, and for how to read it.
//
//	go run . -all -o ../docs                                     # everything, some 45 minutes
//	go run . -scenario gib -clients tidemark,v1,raw -rounds 5    # a quick look
//
// The scenario network has each client at its own defaults on networks that delay, bound, cut, refuse and keep silent, and draws what this
// library decides on six of them. It has a page of its own, docs/network.md, and its chart is in docs/performance.md too:
//
//	go run . -scenario network -o ../docs                                              # the page and the chart, some 20 minutes
//	go run . -scenario network -cases distance,capped -clients tidemark -network-rounds 3    # a quick look
//	go run . -scenario network -cases traces -o DIR                                    # the chart alone, a minute
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := start(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start is the process in whatever role it has.
func start(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 2 {
		if known, err := play(ctx, args[0], args[1], stdin, stdout); known {
			return err
		}
	}
	return command(ctx, args, stdout, stderr)
}

// command is what a person starts.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	var out output
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	all := flags.Bool("all", false, "run every scenario")
	scenarios := flags.String("scenario", "", "run these, separated by commas: "+strings.Join(scenarioNames, ", "))
	clients := flags.String("clients", "", "only these clients, separated by commas (default: all that a scenario has)")
	counts := flags.String("parts", "1000,3000,10000", "numbers of parts of 100 KiB in the scenario parts, separated by commas")
	flags.Int64Var(&s.size, "size", 1<<30, "bytes of the large file; that of the scenario memory has twice as many")
	flags.Int64Var(&s.partSize, "part-size", 8*mib, "bytes of a part of the large file")
	flags.IntVar(&s.workers, "workers", 8, "parts sent at once")
	flags.IntVar(&s.rounds, "rounds", 9, "rounds, in each of which every client uploads once")
	flags.IntVar(&s.slowRounds, "slow-rounds", 1, "rounds of "+slow+" at more than 2000 parts")
	flags.IntVar(&s.kills, "kills", 10, "kills of this library in the scenario killed")
	flags.IntVar(&s.peerKills, "peer-kills", 1, "kills of each other client")
	flags.IntVar(&s.killParts, "kill-parts", 10000, "parts of 100 KiB of the upload that is killed")
	cases := flags.String("cases", "", "only these of the scenario network, separated by commas: "+strings.Join(report.NetworkCases, ", "))
	flags.IntVar(&s.networkRounds, "network-rounds", 5, "rounds over a network, of this library and the yardstick")
	flags.IntVar(&s.peerRounds, "peer-rounds", 2, "rounds over a network of the other clients, where each takes seconds")
	flags.IntVar(&s.faultSeeds, "fault-seeds", 10, "seeds of the case "+report.Faults+", for all clients")
	flags.DurationVar(&s.limit, "limit", 2*time.Minute, "time after which an upload over a network has failed")
	flags.Int64Var(&s.shrink, "shrink", 1, "divide the sizes over a network by this, but for the least that goes in parts")
	flags.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of the order of the clients")
	flags.StringVar(&s.dir, "dir", os.TempDir(), "where to make the files, 3 GB and 9 GB of holes; they are read from the page cache, which must hold them")
	flags.StringVar(&s.checkpointDir, "checkpoints", os.TempDir(), "where clients keep their checkpoints")
	flags.StringVar(&out.docs, "o", "", "write performance.md, network.md and their charts into this directory")
	flags.StringVar(&out.json, "json", "", "write all that was measured into this file")
	from := flags.String("from", "", "measure nothing, and read this file that -json wrote")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if *from != "" {
		r, err := load(*from)
		if err != nil {
			return err
		}
		return out.write(r, stdout)
	}
	if s.asked = split(*scenarios); *all {
		s.asked = scenarioNames
	}
	s.clients, s.cases = split(*clients), split(*cases)
	var err error
	if s.parts, err = s.check(split(*counts)); err != nil {
		return err
	}
	r, err := measureAll(ctx, s, stderr)
	r.Command = strings.Join(append([]string{"go run ."}, args...), " ")
	if err != nil {
		out.docs = "" // what was measured until then is shown, and not published
	}
	return errors.Join(err, out.write(r, stdout))
}

// measureAll runs the scenarios that were asked for. With an error it returns what was measured until then.
func measureAll(ctx context.Context, s settings, progress io.Writer) (r *report.Report, err error) {
	fmt.Fprintf(progress, "seed %d\n", s.seed)
	r = &report.Report{Machine: machine(ctx, s.dir, s.checkpointDir), Seed: s.seed, Workers: s.workers}
	defer func() {
		r.Clients = describe(measured(client.All(), r))
		r.NetworkClients = describe(crossed(client.Defaults(), r))
	}()
	b, err := newBench(s, progress)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	groups, kills := s.groups(), slices.Contains(s.asked, report.Killed)
	var networks [][]networkCase
	var traces []traceCase
	if slices.Contains(s.asked, report.Network) {
		networks, traces = s.networkCases(), s.traceCases()
	}
	var contents []content
	for _, sc := range slices.Concat(groups...) {
		contents = append(contents, sc.content)
	}
	if kills {
		contents = append(contents, s.killed().content)
	}
	for _, c := range slices.Concat(networks...) {
		contents = append(contents, c.content)
	}
	for _, c := range traces {
		contents = append(contents, c.content)
	}
	if err := b.makeFiles(ctx, contents); err != nil {
		return r, err
	}
	for _, group := range groups {
		rows, err := b.compare(ctx, group)
		r.Rows = append(r.Rows, rows...)
		if err != nil {
			return r, err
		}
	}
	if kills {
		if r.Kills, err = b.killAll(ctx); err != nil {
			return r, err
		}
	}
	for _, group := range networks {
		rows, err := b.crossAll(ctx, group)
		r.Network = append(r.Network, rows...)
		if err != nil {
			return r, err
		}
	}
	r.Traces, err = b.traceAll(ctx, traces)
	return r, err
}

// check refuses what does not exist, before anything is measured. It returns the numbers of parts.
func (s settings) check(counts []string) (parts []int, err error) {
	if len(s.asked) == 0 {
		return nil, fmt.Errorf("give -all, or -scenario with some of %s", strings.Join(scenarioNames, ", "))
	}
	for _, name := range s.asked {
		if !slices.Contains(scenarioNames, name) {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(scenarioNames, ", "))
		}
	}
	for _, name := range s.cases {
		if !slices.Contains(report.NetworkCases, name) {
			return nil, fmt.Errorf("no case %q; there are %s", name, strings.Join(report.NetworkCases, ", "))
		}
	}
	for _, name := range s.clients {
		if _, err := client.Find(name); err != nil {
			return nil, err
		}
	}
	for _, count := range counts {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > 10000 {
			return nil, fmt.Errorf("-parts %q: not a number from 1 to 10000", count)
		}
		parts = append(parts, n)
	}
	if s.rounds < 1 || s.workers < 1 || s.size < 1 || s.partSize < 1 || s.killParts < 2 {
		return nil, errors.New("-rounds, -workers, -size and -part-size must be at least 1, -kill-parts 2")
	}
	if s.networkRounds < 1 || s.peerRounds < 0 || s.faultSeeds < 1 || s.limit <= 0 || s.shrink < 1 {
		return nil, errors.New("-network-rounds, -fault-seeds and -shrink must be at least 1, -limit more than 0, -peer-rounds not negative")
	}
	return parts, nil
}
