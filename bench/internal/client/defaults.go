package client

import (
	"context"
	"errors"
	"sync"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// defaultPart is the part size of those whose call needs one. 8 MiB is what a reader of their documentation would take.
const defaultPart = 8 << 20

// The clients that only [Defaults] and [Find] have.
const (
	Raw32 = "raw-32"       // as many connections as the fastest link needs
	Raw1  = "raw-1"        // one connection: somebody else on the same link
	Two   = "tidemark-two" // two uploads at once of one Uploader, under the key with -1 and -2
)

// Defaults returns the clients as their users have them who set nothing, with the yardstick of a link.
func Defaults() []Client {
	var list []Client
	for _, d := range []struct{ name, title, settings string }{
		{"tidemark", "tidemark", "upload.New(b, checkpoint.NewFile(dir), nil), no Request"},
		{Raw32, "net/http, 32 connections", "32 workers that PUT parts of 8 MiB, without a checksum, a retry or a deadline"},
		{"v1", "Go SDK v1", "UploadFile, which asks for a part size: 8 MiB"},
		{"v2", "Go SDK v2", "Uploader.UploadFile"},
		{"minio", "minio-go", "FPutObject"},
		{"aws-transfermanager", "AWS transfermanager", "UploadObject of an *os.File"},
		{"aws-manager", "AWS manager", "Uploader.Upload of an *os.File"},
	} {
		c, err := Find(d.name)
		if err != nil {
			panic(err) // the names are above
		}
		c.Title, c.Settings = d.title, d.settings
		list = append(list, c)
	}
	return list
}

func yardsticks() []Client {
	return []Client{
		{Name: Raw32, Checksum: "none", prepare: rawConnections(32)},
		{Name: Raw1, Checksum: "none", prepare: rawConnections(1)},
		{Name: Two, Modules: []string{moduleTidemark, moduleV1}, Checksum: "CRC-64", prepare: tidemarkTwo},
	}
}

func rawConnections(n int) func(Job) (func(context.Context) error, error) {
	return func(job Job) (func(context.Context) error, error) {
		job.PartSize, job.Workers = defaultPart, n
		return raw(job)
	}
}

func tidemarkTwo(job Job) (func(context.Context) error, error) {
	store, err := checkpoint.NewFile(job.CheckpointDir)
	if err != nil {
		return nil, err
	}
	uploader, req, err := newUploader(job, store)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		var errs [2]error
		var both sync.WaitGroup
		for i, key := range []string{job.Key + "-1", job.Key + "-2"} {
			both.Go(func() { _, errs[i] = uploader.UploadFile(ctx, key, job.File, req) })
		}
		both.Wait()
		return errors.Join(errs[:]...)
	}, nil
}
