//lint:file-ignore SA1019 The manager is deprecated, and is what most programs still have.

package client

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func awsManager(job Job) (func(context.Context) error, error) {
	uploader := manager.NewUploader(s3Client(job), func(u *manager.Uploader) {
		if job.Workers > 0 {
			u.PartSize, u.Concurrency = job.PartSize, job.Workers
		}
	})
	return withFile(job, func(ctx context.Context, f *os.File) error {
		_, err := uploader.Upload(ctx, &s3.PutObjectInput{Bucket: aws.String(Bucket), Key: aws.String(job.Key), Body: f})
		return err
	}), nil
}
