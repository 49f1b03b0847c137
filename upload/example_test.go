package upload_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// The same call starts an upload to OSS and, when the program is run again after whatever stopped it, goes on with it.
func ExampleUploader_UploadFile() {
	bucket, err := oss.Open("my-bucket", oss.FromEnv()) // or any *oss.Bucket of aliyun-oss-go-sdk
	if err != nil {
		log.Fatal(err)
	}
	checkpoints, err := checkpoint.NewFile("") // in the user's state directory
	if err != nil {
		log.Fatal(err)
	}
	u := upload.New(oss.New(bucket, nil), checkpoints, nil)
	res, err := u.UploadFile(context.Background(), "backups/big.iso", "big.iso", nil)
	if err != nil {
		log.Fatal(err) // run it again: it goes on where it was
	}
	fmt.Printf("%d bytes sent, %d were there already\n", res.Sent, res.Reused)
}

// Anything that can be read at an offset is a source, with a name and a version of your choice.
func ExampleUploader_Upload() {
	text := "a text that stands for 48 TB"
	src := upload.NewSource(strings.NewReader(text), int64(len(text)), "db://dumps/today", "snapshot 1711")
	u := upload.New(memory.New(nil), checkpoint.NewMemory(), nil)
	res, err := u.Upload(context.Background(), "dumps/today", src, &upload.Request{IfAbsent: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes, CRC-64 %016x\n", res.Object.Size, res.CRC64)
	// Output: 28 bytes, CRC-64 ab2359283bd68dcd
}

// What was begun and did not end can be listed, resumed and aborted.
func ExampleUploader_Pending() {
	u := upload.New(memory.New(nil), checkpoint.NewMemory(), nil)
	for p, err := range u.Pending(context.Background(), "backups/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d of %d bytes, last driven by %s\n", p.Key, p.Stored, p.Size, p.Holder)
	}
	if _, err := u.AbortOlder(context.Background(), "backups/", 7*24*60*60*1e9); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output:
}
