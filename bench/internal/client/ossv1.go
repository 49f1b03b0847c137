package client

import (
	"context"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// v1 is the Go SDK v1. Its signature is V4, as that of the others; its own default is V1, which the service retires.
type v1 struct{ checkpoint, noCRC bool }

func (v v1) prepare(job Job) (func(context.Context) error, error) {
	client, err := oss.New(job.Endpoint, accessKey, secretKey, oss.Region(Region), oss.AuthVersion(oss.AuthV4), oss.EnableCRC(!v.noCRC))
	if err != nil {
		return nil, err
	}
	bucket, err := client.Bucket(Bucket)
	if err != nil {
		return nil, err
	}
	var options []oss.Option
	if job.Workers == 0 {
		job.PartSize = defaultPart
	} else {
		options = append(options, oss.Routines(job.Workers))
	}
	if v.checkpoint {
		options = append(options, oss.CheckpointDir(true, job.CheckpointDir))
	}
	// UploadFile does not pass a context on to its parts: whoever measures kills the process.
	return func(context.Context) error { return bucket.UploadFile(job.Key, job.File, job.PartSize, options...) }, nil
}
