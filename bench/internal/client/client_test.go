package client

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-go/tidemark/bench/internal/discard"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// Every client sends the file as it is. (Whether in as many parts as it was told, each run of the bench checks.)
func TestContent(t *testing.T) {
	server, err := discard.Start(discard.Options{CRC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	control := discard.NewControl(server.Control())
	content := make([]byte, 17<<20+1)
	rand.NewChaCha8([32]byte{1}).Read(content) // it never fails
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want := crc64.Update(0, content)
	for _, c := range All() {
		if c.Name == "nothing" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			upload, err := c.Prepare(Job{
				Endpoint: server.Endpoint(), Key: c.Name, File: file, PartSize: 5 << 20, Workers: 3, CheckpointDir: t.TempDir(),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := upload(t.Context()); err != nil {
				t.Fatal(err)
			}
			state, err := control.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range state.Objects {
				if o.Key != c.Name {
					continue
				}
				// minio-go signs chunks of the content where there is no TLS, and the server has no CRC of that.
				if o.CRC64 != want && (c.Name != "minio" || o.CRC64 != 0) || o.Size != int64(len(content)) || o.Parts != 4 {
					t.Errorf("%d parts, %d bytes, CRC-64 %016x: not 4, %d, %016x", o.Parts, o.Size, o.CRC64, len(content), want)
				}
				return
			}
			t.Error("no object")
		})
	}
}

func TestListPartsOfNothing(t *testing.T) {
	server, err := discard.Start(discard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := NewRaw(Job{Endpoint: server.Endpoint(), Key: "key", Workers: 1}).ListParts(t.Context(), "none"); err == nil {
		t.Error("the parts of an upload that does not exist were listed")
	}
}

func TestFind(t *testing.T) {
	for _, c := range append(All(), Defaults()...) {
		if found, err := Find(c.Name); err != nil || found.Name != c.Name {
			t.Errorf("%s: %v, %v", c.Name, found.Name, err)
		}
	}
	if _, err := Find("v3"); err == nil {
		t.Error("there is no v3")
	}
}
