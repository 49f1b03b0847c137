package checkpoint_test

import (
	"path/filepath"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance"
)

func TestFileConforms(t *testing.T) {
	disks := newDisks(t)
	conformance.TestStore(t, func(t *testing.T, dir string) conformance.Store {
		disk := disks.at(t, dir)
		dir = filepath.Join(dir, "made", "by", "the store")
		f := disk.openFile(t, dir)
		return conformance.Store{Store: f, LogFile: f.LogPath, PowerCut: func() checkpoint.Store {
			disk.powerCut(t)
			return disk.openFile(t, dir)
		}}
	})
}

func TestMemoryConforms(t *testing.T) {
	conformance.TestStore(t, func(*testing.T, string) conformance.Store {
		return conformance.Store{Store: checkpoint.NewMemory(), OneProcess: true}
	})
}
