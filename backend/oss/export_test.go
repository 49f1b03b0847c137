package oss

import sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

// Bucket returns the bucket under b.
func Bucket(b *Backend) *sdk.Bucket { return &b.bucket }
