package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// Bad values are refused before anything begins, in a message that names the flag and has nothing of the parser's own guesses.
func TestFlagRefused(t *testing.T) {
	server := serve(t, &fakeoss.Options{})
	file, checkpoints := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "logs")
	write(t, file, 100)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--fake", ""}, "--fake: is empty"},
		{[]string{"--fake="}, "--fake: is empty"},
		{[]string{"--location", ""}, "--location: is empty"},
		{[]string{"--endpoint", ""}, "--endpoint: is empty"},
		{[]string{"--region", ""}, "--region: is empty"},
		{[]string{"--source-id", ""}, "--source-id: is empty"},
		{[]string{"--limit", "-5"}, `--limit: "-5" is no size: [^?]*$`},
		{[]string{"--part-size", "-5MiB"}, `--part-size: "-5MiB" is no size: [^?]*$`},
		{[]string{"--part-size", "6GiB"}, "--part-size 6GiB: a part must have 100KiB to 5GiB$"},
		{[]string{"--concurrency", "-1"}, "--concurrency must be 1 to 1000"},
		{[]string{"--concurrency", "0"}, "--concurrency must be 1 to 1000"},
		{[]string{"--concurrency", "1001"}, "--concurrency must be 1 to 1000"},
		{[]string{"--min-concurrency", "0"}, "--min-concurrency must be 1 to 1000"},
		{[]string{"--max-concurrency", "1001"}, "--max-concurrency must be 1 to 1000"},
		{[]string{"--min-concurrency", "9", "--max-concurrency", "8"}, "--min-concurrency 9 is more than --max-concurrency 8; see"},
		{[]string{"--concurrency", "4", "--min-concurrency", "1"}, "--concurrency fixes what .*; leave out the one or the others; see"},
		{[]string{"--concurrency", "4", "--max-concurrency", "8"}, "--concurrency fixes what .*; leave out the one or the others; see"},
		{[]string{"--outage", "-1h"}, "--outage must not be negative; 0 does not wait"},
		{[]string{"--outage", "2"}, `--outage: "2" is no time: .*36h`},
		{[]string{"--attempts", "-1"}, "--attempts must be at least 1"},
		{[]string{"--retry-delay", "5"}, `--retry-delay: "5" is no time: .*5s`},
		{[]string{"--retry-delay", "-5s"}, "--retry-delay and --max-retry-delay must be more than 0"},
		{[]string{"--storage-class", "Cold"}, `--storage-class: "Cold" is none of Standard, IA`},
		{[]string{"--acl", "public"}, `--acl: "public" is none of default, private, public-read, public-read-write`},
		{[]string{"--encryption", "aes"}, `--encryption: "aes" is none of AES256, KMS, SM4`},
		{[]string{"--encryption-key-id", "k"}, "--encryption-key-id needs --encryption KMS"},
		{[]string{"--encryption", "SM4", "--encryption-key-id", "k"}, "--encryption-key-id needs --encryption KMS"},
		{[]string{"--meta", "a_b=c"}, `--meta: the name "a_b" must have only letters`},
		{[]string{"--meta", "=c"}, `--meta: the name "" must have only letters`},
		{[]string{"--meta", "a=1", "--meta", "A=2"}, `--meta: "a" is there twice`},
		{[]string{"--meta", "a= b"}, `--meta: the value of "a"`},
		{[]string{"--meta", "a"}, `--meta: .*"a"`},
	} {
		t.Run(test.args[0], func(t *testing.T) {
			args := append([]string{"put", file, "oss://" + testBucket + "/k", "--checkpoint-dir", checkpoints}, test.args...)
			fails(t, exitUsage, "^tidemark: (put: )?"+test.want, server.env(), args...)
		})
	}
	fails(t, exitUsage, "--checkpoint-dir: is empty", server.env(), "put", file, "oss://"+testBucket+"/k", "--checkpoint-dir", "")
	fails(t, exitUsage, "--older-than must not be negative$", server.env(), "abort", "oss://"+testBucket+"/k", "--older-than", "-7d")
	fails(t, exitUsage, "--dir: is empty", nil, "fake", "--dir", "")
	fails(t, exitUsage, `--bucket: "A_b": a bucket's name has`, nil, "fake", "--bucket", "A_b")
	fails(t, exitUsage, `--bucket: "bucket/k": a bucket's name has`, nil, "fake", "--bucket", "bucket/k")
	if _, err := os.Stat(checkpoints); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a checkpoint was begun: %v", err)
	}
	if journal := server.Journal(); len(journal) > 0 {
		t.Errorf("something was sent: %v", journal)
	}
}

// What the help says of the defaults is what holds, and is the library's.
func TestDefaults(t *testing.T) {
	var cl commandLine
	parser, err := kong.New(&cl, objectVars(), kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"put", "file", "oss://abc/k"}); err != nil {
		t.Fatal(err)
	}
	got := cl.Put.options()
	want := &upload.Options{Retry: upload.Retry{
		Attempts: upload.DefaultAttempts, BaseDelay: upload.DefaultBaseDelay, MaxDelay: upload.DefaultMaxDelay, Outage: upload.DefaultOutage,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	help := strings.Join(strings.Fields(must(t, nil, "put", "--help")), " ")
	for _, flag := range []string{
		fmt.Sprintf("--max-concurrency=N At most so many, where it is found out (default: %d)", upload.DefaultMaxConcurrency),
		fmt.Sprintf("make progress (default: %d)", upload.DefaultAttempts),
	} {
		if !strings.Contains(help, flag) {
			t.Errorf("the help lacks %q:\n%s", flag, help)
		}
	}
}

// What the command lets through the adapter takes too.
func TestAllowedValues(t *testing.T) {
	server := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{testBucket}})
	cred := server.Handler.Credential()
	opened, err := oss.Open(testBucket, oss.Config{
		Endpoint: server.URL, Region: server.Region(), AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret,
		HTTPClient: server.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := oss.New(opened, nil)
	var flags []objectFlags
	for _, v := range storageClasses {
		flags = append(flags, objectFlags{StorageClass: v})
	}
	for _, v := range acls {
		flags = append(flags, objectFlags{ACL: v})
	}
	for _, v := range encryptions {
		flags = append(flags, objectFlags{Encryption: v})
	}
	flags = append(flags, objectFlags{Encryption: "KMS", EncryptionKeyID: "k"}, objectFlags{Meta: map[string]string{"A-1": "b c"}})
	for _, f := range flags {
		if err := f.Validate(); err != nil {
			t.Error(err)
		}
		if _, err := b.Create(t.Context(), "k", f.attributes()); errors.Is(err, backend.ErrInvalid) {
			t.Error(err)
		}
	}
}
