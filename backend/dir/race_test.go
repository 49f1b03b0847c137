package dir

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
)

// fill makes a folder so large that reading it takes long enough for something to happen meanwhile.
func fill(t *testing.T, b *Backend, folder string) {
	t.Helper()
	for n := range 3000 {
		if err := b.root.WriteFile(path.Join(folder, fmt.Sprint("file", n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// An upload that is opened again while its folder is read is not taken for one that is gone.
func TestReopenedWhileRead(t *testing.T) {
	b := handle(t, t.TempDir())
	u, _ := begin(t, b)
	folder := path.Join(uploads, u.ID)
	fill(t, b, folder)
	for round := range 100 {
		token := path.Join(folder, fmt.Sprint(replace, round))
		if err := b.root.Rename(path.Join(folder, open), token); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		reading := make(chan struct{})
		wg.Go(func() {
			close(reading)
			for ctx.Err() == nil {
				if _, err := b.token(u.ID); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
		<-reading
		for range round { // at another moment in each round
			b.root.Lstat(token)
		}
		if err := b.root.Rename(token, path.Join(folder, open)); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
	}
}

// While an object is replaced again and again, it always has a CRC-64. Where names are folded, Stat reads the folder between the object and
// its CRC-64.
func TestStatWhileReplaced(t *testing.T) {
	b := handle(t, t.TempDir())
	b.folds = true
	fill(t, b, ".")
	replaced := func() error {
		_, err := b.Put(context.Background(), "key", bytes.NewReader(nil), 0, backend.Attributes{}, backend.CompleteOptions{})
		return err
	}
	if err := replaced(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		for range 50 {
			if err := replaced(); err != nil {
				t.Error(err)
			}
		}
	})
	for ctx.Err() == nil {
		if o, err := b.Stat(t.Context(), "key"); err != nil || o.CRC64 == nil {
			t.Errorf("%+v, %v", o, err)
		}
	}
	wg.Wait()
}
