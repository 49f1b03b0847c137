package dir_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/tidemark-go/tidemark/backend/dir"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/upload"
)

// A large file goes to a NAS. If the network or the machine fails, the same program, run again, goes on where it was.
func Example() {
	nas, err := os.MkdirTemp("", "nas") // for you: "/mnt/nas"
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(nas)

	b, err := dir.New(nas)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	u := upload.New(b, checkpoint.NewMemory(), nil) // for you: checkpoint.NewFile
	if _, err := u.UploadFile(context.Background(), "backups/example.go", "example_test.go", nil); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(nas, "backups", "example.go"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.16s\n", data)
	// Output: package dir_test
}
