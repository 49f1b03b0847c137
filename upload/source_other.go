//go:build !linux && !darwin && !windows

package upload

import (
	"io/fs"
	"os"
)

// Size and modification time are all that is had here; os.FileInfo has them.
func identify(*os.File, fs.FileInfo) (identity, error) { return identity{}, nil }
