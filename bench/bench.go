package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// settings are what the command line says.
type settings struct {
	asked    []string // scenarios
	clients  []string // none: all that a scenario has
	parts    []int    // of the scenarios of many parts
	size     int64    // bytes of the large file
	partSize int64    // bytes of its parts
	workers  int

	rounds, slowRounds int
	kills, peerKills   int
	killParts          int

	cases                                 []string // of the scenario network; none: all
	networkRounds, peerRounds, faultSeeds int
	limit                                 time.Duration // of an upload over a network
	shrink                                int64         // what sizes over a network are divided by

	seed uint64

	dir           string // for files
	checkpointDir string // for checkpoints
}

// bench measures.
type bench struct {
	settings
	*launcher
	random      *rand.Rand
	progress    io.Writer
	own         string // directory for files, made and removed by the bench
	checkpoints string // the same for checkpoints
	cert, key   string // PEM files of the server
	files       map[content]file
}

// newBench makes directories of its own in those of the settings.
func newBench(s settings, progress io.Writer) (*bench, error) {
	l, err := newLauncher()
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, launcher: l, progress: progress, random: rand.New(rand.NewPCG(s.seed, s.seed)), files: map[content]file{}}
	if b.own, err = os.MkdirTemp(s.dir, "bench-"); err != nil {
		return nil, err
	}
	if b.checkpoints, err = os.MkdirTemp(s.checkpointDir, "bench-"); err != nil {
		return nil, fmt.Errorf("%w (and %s is left)", err, b.own)
	}
	b.cert, b.key = filepath.Join(b.own, "cert.pem"), filepath.Join(b.own, "key.pem")
	if err := writeCertificate(b.cert, b.key, time.Now()); err != nil {
		return nil, fmt.Errorf("%w (and %s is left)", err, b.own)
	}
	l.caFile = b.cert
	return b, nil
}

// close removes what the bench made.
func (b *bench) close() error {
	err := os.RemoveAll(b.own)
	if e := os.RemoveAll(b.checkpoints); err == nil {
		err = e
	}
	return err
}

// serve starts the server of a scenario.
func (b *bench) serve(ctx context.Context, sc scenario) (*server, error) {
	order := serveOrder{CRC: sc.crc}
	if sc.tls {
		order.Cert, order.Key = b.cert, b.key
	}
	return b.launcher.serve(ctx, order)
}
