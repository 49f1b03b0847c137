package fakeoss_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// A test needs one line for a server of its own, which ends with the test.
func ExampleNewServer() {
	test := func(t fakeoss.TB) { // in your tests: func TestReport(t *testing.T)
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"reports"}})

		client, err := oss.New(srv.URL, srv.AccessKeyID, srv.AccessKeySecret)
		if err != nil {
			t.Fatalf("%v", err)
		}
		bucket, err := client.Bucket("reports")
		if err != nil {
			t.Fatalf("%v", err)
		}
		if err := bucket.PutObject("2026/november.txt", strings.NewReader("all is well")); err != nil {
			t.Fatalf("%v", err)
		}
		body, err := bucket.GetObject("2026/november.txt")
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		fmt.Printf("%s %v\n", text, err)
	}
	runExample(test)
	// Output: all is well <nil>
}

// The third part of an upload is stored, but its answer is lost: what does the code under test do?
func ExampleHandler_Inject() {
	runExample(func(t fakeoss.TB) {
		srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"reports"}})
		fault := fakeoss.Fault{Kind: fakeoss.LoseAnswer, Operation: "UploadPart", PartNumber: 3}
		if err := srv.Inject(fault); err != nil {
			t.Fatalf("%v", err)
		}
		for _, f := range srv.Unfired() {
			fmt.Println("planned:", f)
		}
		// A fault that has not fired when the test ends fails the test.
	})
	// Output:
	// planned: LoseAnswer at UploadPart 1 part 3
	// test failed: a fault did not fire: LoseAnswer at UploadPart 1 part 3
}

// A process of its own serves a directory, for tests in other languages.
func ExampleListen() {
	h, err := fakeoss.New(&fakeoss.Options{Buckets: []string{"reports"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := fakeoss.Listen("127.0.0.1:0", h)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(srv.URL(), "http://127.0.0.1:"))
	fmt.Println(srv.Close(context.Background()))
	// Output:
	// true
	// <nil>
}

func runExample(test func(t fakeoss.TB)) {
	r := &recorder{}
	test(r)
	for _, f := range r.cleanups {
		f()
	}
	for _, e := range r.errors {
		fmt.Println("test failed:", e)
	}
}

var _ fakeoss.TB = testing.TB(nil)
