// Package client uploads a file with one of several libraries, each by its own call for files, so that they can be compared. All get
// the same part size and concurrency, or none, and then their own defaults; all else is as the library has it by default, unless the
// client's name says otherwise.
package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Bucket and Region are what all clients name. The credentials are nobody's.
const (
	Bucket    = "bench-bucket"
	Region    = "cn-hangzhou"
	accessKey = "bench"
	secretKey = "bench-secret"
)

// Job is one upload.
type Job struct {
	Endpoint      string // http://127.0.0.1:port or https://…
	Key           string
	File          string
	PartSize      int64  // bytes; with Workers 0: the client's own default
	Workers       int    // parts at once; 0: the client's own default
	CheckpointDir string // exists, and is empty unless the upload is to be resumed
}

// Client is a library with its settings.
type Client struct {
	Name     string // for flags
	Title    string // for tables
	Modules  []string
	Resumes  bool   // keeps a checkpoint that outlives the process
	Checksum string // what goes over all bytes, end to end
	Settings string // what is not the library's default

	// prepare returns the upload. What prepare does is not measured.
	prepare func(Job) (func(context.Context) error, error)
}

// Prepare returns the upload of job, ready to be called once. Only the call is to be measured.
func (c Client) Prepare(job Job) (func(context.Context) error, error) { return c.prepare(job) }

const (
	moduleTidemark = "github.com/tidemark-go/tidemark"
	moduleV1       = "github.com/aliyun/aliyun-oss-go-sdk"
	moduleV2       = "github.com/aliyun/alibabacloud-oss-go-sdk-v2"
	moduleMinio    = "github.com/minio/minio-go/v7"
	moduleTransfer = "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	moduleManager  = "github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	moduleS3       = "github.com/aws/aws-sdk-go-v2/service/s3"
)

// All returns the clients in the order of the tables.
func All() []Client {
	return []Client{
		{Name: "tidemark", Title: "tidemark, File store", Modules: []string{moduleTidemark, moduleV1}, Resumes: true, Checksum: "CRC-64",
			Settings: "oss.Open with its own HTTP client, checkpoint.NewFile", prepare: tidemarkFile},
		{Name: "tidemark-memory", Title: "tidemark, Memory store", Modules: []string{moduleTidemark, moduleV1}, Checksum: "CRC-64",
			Settings: "oss.Open with its own HTTP client, checkpoint.NewMemory", prepare: tidemarkMemory},
		{Name: "raw", Title: "net/http, no checksum", Checksum: "none",
			Settings: "workers that PUT an io.SectionReader with its length, unsigned", prepare: raw},
		{Name: "raw+crc64", Title: "net/http, our CRC-64", Modules: []string{moduleTidemark}, Checksum: "CRC-64",
			Settings: "as before, through internal/crc64", prepare: rawCRC},
		{Name: "v1", Title: "Go SDK v1", Modules: []string{moduleV1}, Checksum: "CRC-64",
			Settings: "UploadFile, Routines, signature V4", prepare: v1{}.prepare},
		{Name: "v1-checkpoint", Title: "Go SDK v1, checkpoint", Modules: []string{moduleV1}, Resumes: true, Checksum: "CRC-64",
			Settings: "as before, CheckpointDir", prepare: v1{checkpoint: true}.prepare},
		{Name: "v1-nocrc", Title: "Go SDK v1, CRC off", Modules: []string{moduleV1}, Checksum: "none",
			Settings: "as v1, EnableCRC(false)", prepare: v1{noCRC: true}.prepare},
		{Name: "v2", Title: "Go SDK v2", Modules: []string{moduleV2}, Checksum: "CRC-64",
			Settings: "Uploader.UploadFile", prepare: v2{}.prepare},
		{Name: "v2-checkpoint", Title: "Go SDK v2, checkpoint", Modules: []string{moduleV2}, Resumes: true, Checksum: "CRC-64",
			Settings: "as before, EnableCheckpoint", prepare: v2{checkpoint: true}.prepare},
		{Name: "minio", Title: "minio-go", Modules: []string{moduleMinio}, Checksum: "its default",
			Settings: "FPutObject, NumThreads", prepare: minioPut},
		{Name: "aws-transfermanager", Title: "AWS transfermanager", Modules: []string{moduleTransfer, moduleS3}, Checksum: "CRC-32",
			Settings: "UploadObject of an *os.File", prepare: awsTransfer},
		{Name: "aws-manager", Title: "AWS manager", Modules: []string{moduleManager, moduleS3}, Checksum: "CRC-32",
			Settings: "Uploader.Upload of an *os.File", prepare: awsManager},
		{Name: "nothing", Title: "no upload at all", Checksum: "-",
			Settings: "the same program, for the memory that it has at rest", prepare: nothing},
	}
}

// Find returns the client of that name.
func Find(name string) (Client, error) {
	all := append(All(), yardsticks()...)
	i := slices.IndexFunc(all, func(c Client) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for _, c := range all {
			names = append(names, c.Name)
		}
		return Client{}, fmt.Errorf("no client %q; there are %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

func nothing(Job) (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}
