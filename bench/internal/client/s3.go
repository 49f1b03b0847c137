package client

import (
	"context"
	"net/url"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
)

func minioPut(job Job) (func(context.Context) error, error) {
	u, err := url.Parse(job.Endpoint)
	if err != nil {
		return nil, err
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: miniocredentials.NewStaticV4(accessKey, secretKey, ""), Secure: u.Scheme == "https",
		Region: Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		// Zeros are its defaults.
		_, err := client.FPutObject(ctx, Bucket, job.Key, job.File, minio.PutObjectOptions{PartSize: uint64(job.PartSize), NumThreads: uint(job.Workers)})
		return err
	}, nil
}

// s3Client has no configuration from the environment.
func s3Client(job Job) *s3.Client {
	return s3.New(s3.Options{
		Region: Region, BaseEndpoint: aws.String(job.Endpoint), UsePathStyle: true,
		Credentials: awscredentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

func awsTransfer(job Job) (func(context.Context) error, error) {
	client := transfermanager.New(s3Client(job), func(o *transfermanager.Options) {
		if job.Workers > 0 {
			o.PartSizeBytes, o.Concurrency = job.PartSize, job.Workers
		}
	})
	return withFile(job, func(ctx context.Context, f *os.File) error {
		_, err := client.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(Bucket), Key: aws.String(job.Key), Body: f})
		return err
	}), nil
}

// withFile opens the file within what is measured, as the calls that take a path do.
func withFile(job Job, do func(context.Context, *os.File) error) func(context.Context) error {
	return func(ctx context.Context) error {
		f, err := os.Open(job.File)
		if err != nil {
			return err
		}
		defer f.Close() // it was only read
		return do(ctx, f)
	}
}
