package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// A log outlives the process that wrote it, and of two that go on with it one wins.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "uploads")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	// A process records what it does, and dies.
	store, err := checkpoint.NewFile(dir)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Append(ctx, "oss://bucket/key", 0, []byte(`{"kind":"intent"}`)); err != nil {
		log.Fatal(err)
	}

	// Another one finds the record and goes on.
	store, err = checkpoint.NewFile(dir)
	if err != nil {
		log.Fatal(err)
	}
	records, err := store.Load(ctx, "oss://bucket/key")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", records)
	fmt.Println(store.Append(ctx, "oss://bucket/key", len(records), []byte(`{"kind":"part","number":1}`)))

	// A third one, that has not seen part 1, cannot write in its place.
	err = store.Append(ctx, "oss://bucket/key", len(records), []byte(`{"kind":"part","number":2}`))
	fmt.Println(errors.Is(err, checkpoint.ErrConflict))

	// Output:
	// [{"kind":"intent"}]
	// <nil>
	// true
}
