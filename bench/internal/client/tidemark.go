package client

import (
	"context"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// location names the bucket in checkpoints, so that a resumed upload is found though the server has another port.
const location = "oss://" + Bucket

func tidemarkFile(job Job) (func(context.Context) error, error) {
	store, err := checkpoint.NewFile(job.CheckpointDir)
	if err != nil {
		return nil, err
	}
	return tidemark(job, store)
}

func tidemarkMemory(job Job) (func(context.Context) error, error) {
	return tidemark(job, checkpoint.NewMemory())
}

func tidemark(job Job, store checkpoint.Store) (func(context.Context) error, error) {
	uploader, req, err := newUploader(job, store)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := uploader.UploadFile(ctx, job.Key, job.File, req)
		return err
	}, nil
}

// newUploader is as users embed it.
func newUploader(job Job, store checkpoint.Store) (*upload.Uploader, *upload.Request, error) {
	bucket, err := oss.Open(Bucket, oss.Config{Endpoint: job.Endpoint, Region: Region, AccessKeyID: accessKey, AccessKeySecret: secretKey})
	if err != nil {
		return nil, nil, err
	}
	b := oss.New(bucket, &oss.Options{Location: location})
	if job.Workers == 0 {
		return upload.New(b, store, nil), nil, nil
	}
	// A negative threshold, so that small files of tests go in parts as well.
	return upload.New(b, store, &upload.Options{Concurrency: job.Workers, Threshold: -1}), &upload.Request{PartSize: job.PartSize}, nil
}
