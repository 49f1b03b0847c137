package client

import (
	"context"
	"os"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

// v2 is the Go SDK v2.
type v2 struct{ checkpoint bool }

func (v v2) prepare(job Job) (func(context.Context) error, error) {
	config := oss.LoadDefaultConfig().WithRegion(Region).WithEndpoint(job.Endpoint).WithUsePathStyle(true).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accessKey, secretKey))
	uploader := oss.NewUploader(oss.NewClient(config), func(o *oss.UploaderOptions) {
		if job.Workers > 0 {
			o.PartSize, o.ParallelNum = job.PartSize, job.Workers
		}
		o.EnableCheckpoint = v.checkpoint
		// Without the separator at the end, v2 puts its file into the parent directory.
		o.CheckpointDir = job.CheckpointDir + string(os.PathSeparator)
	})
	return func(ctx context.Context) error {
		_, err := uploader.UploadFile(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr(Bucket), Key: oss.Ptr(job.Key)}, job.File)
		return err
	}, nil
}
