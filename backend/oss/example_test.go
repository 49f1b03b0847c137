package oss_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

// A bucket of a server that runs in the same process.
func Example() {
	handler, err := fakeoss.New(&fakeoss.Options{Buckets: []string{"photos"}})
	if err != nil {
		log.Fatal(err)
	}
	server, err := fakeoss.Listen("127.0.0.1:0", handler)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close(context.Background())

	client := oss.NewHTTPClient()
	defer client.CloseIdleConnections()
	bucket, err := oss.Open("photos", oss.Config{ // or oss.FromEnv()
		Endpoint:        server.URL(),
		Region:          handler.Region(),
		AccessKeyID:     handler.Credential().AccessKeyID,
		AccessKeySecret: handler.Credential().AccessKeySecret,
		HTTPClient:      client,
	})
	if err != nil {
		log.Fatal(err)
	}
	store := oss.New(bucket, nil)

	ctx := context.Background()
	put := func(text string) (backend.Object, error) {
		return store.Put(ctx, "hello.txt", strings.NewReader(text), int64(len(text)), backend.Attributes{}, backend.CompleteOptions{IfAbsent: true})
	}
	object, err := put("Hello, tide!")
	fmt.Println(object.Size, object.ETag, err)
	_, err = put("Hello again.")
	fmt.Println(errors.Is(err, backend.ErrExists))
	// Output:
	// 12 1464F4CE72DAA69300C5F8FEF2326760 <nil>
	// true
}
