package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// target is a place in the store, as in oss://BUCKET/KEY. The key is taken as it stands: nothing in it is unescaped, and ".." means
// nothing.
type target struct {
	bucket, key string
}

const (
	scheme = "oss://"
	maxKey = 1023 // bytes, by OSS's page "Object naming"
)

// UnmarshalText reads oss://BUCKET, oss://BUCKET/ or oss://BUCKET/KEY.
func (t *target) UnmarshalText(text []byte) error {
	rest, ok := strings.CutPrefix(string(text), scheme)
	if !ok {
		return fmt.Errorf("%.80q is no URL of an object: it must begin with %s, as in oss://BUCKET/KEY", text, scheme)
	}
	t.bucket, t.key, _ = strings.Cut(rest, "/")
	if t.bucket == "" {
		return fmt.Errorf("%.80q names no bucket: write oss://BUCKET/KEY", text)
	}
	if err := checkBucket(t.bucket); err != nil {
		return err
	}
	return t.check()
}

func checkBucket(name string) error {
	if sdk.CheckBucketName(name) != nil {
		return fmt.Errorf("%.80q: a bucket's name has 3 to 63 of a-z, 0-9 and -, and no - at either end", name)
	}
	return nil
}

// check refuses a key before it fills a screen in an error of the service.
func (t target) check() error {
	if len(t.key) > maxKey {
		return fmt.Errorf("the key %.20q… has %d bytes: OSS takes up to %d", t.key, len(t.key), maxKey)
	}
	return nil
}

func (t target) String() string { return scheme + t.bucket + "/" + t.key }

// directory says that the URL names no object but what is below it.
func (t target) directory() bool { return t.key == "" || strings.HasSuffix(t.key, "/") }

// forFile is the target for a file: one that ends in "/", or that has no key, gets the file's name, as cp does it.
func (t target) forFile(path string) (target, error) {
	if !t.directory() {
		return t, nil
	}
	name := filepath.Base(filepath.Clean(path))
	if name == "." || name == ".." || name == string(filepath.Separator) {
		return t, &failure{code: exitUsage, err: errors.New(path + " is a directory"), remedy: "name a file in it"}
	}
	t.key += name
	if err := t.check(); err != nil {
		return t, &failure{code: exitUsage, err: err}
	}
	return t, nil
}
