package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-go/tidemark/internal/crc64"
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
	files       map[string]file
}

// newBench makes directories of its own in those of the settings.
func newBench(s settings, progress io.Writer) (*bench, error) {
	l, err := newLauncher()
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, launcher: l, progress: progress, random: rand.New(rand.NewPCG(s.seed, s.seed)), files: map[string]file{}}
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

// file is what is uploaded.
type file struct {
	path string
	size int64
	crc  uint64
}

// settle is how old a file must be before it is uploaded. This library reads a younger one twice, since its time stamps prove
// nothing yet; nobody measures that.
const settle = 3 * time.Second

// file returns a file of that size, made when it is asked for first: random bytes, or a hole.
func (b *bench) file(size int64, sparse bool) (file, error) {
	name := fmt.Sprintf("%d-%t", size, sparse)
	if f, ok := b.files[name]; ok {
		return f, nil
	}
	f := file{path: filepath.Join(b.own, name), size: size}
	w, err := os.Create(f.path)
	if err != nil {
		return file{}, err
	}
	if sparse {
		err = w.Truncate(size)
	} else {
		_, err = io.CopyN(w, rand.NewChaCha8([32]byte{1}), size)
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return file{}, err
	}
	<-time.After(settle)
	if f.crc, err = f.read(); err != nil {
		return file{}, err
	}
	b.files[name] = f
	return f, nil
}

// warm reads the file, so that it is in the page cache if there is room.
func (f file) warm() error {
	_, err := f.read()
	return err
}

func (f file) read() (crc uint64, err error) {
	r, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer r.Close() // it was only read
	buffer := make([]byte, mib)
	for {
		n, err := r.Read(buffer)
		crc = crc64.Update(crc, buffer[:n])
		if err == io.EOF {
			return crc, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
