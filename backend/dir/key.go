package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/backend"
)

const (
	maxKey     = 1024 // bytes, as in most stores
	maxElement = 255  // bytes of a file's name, on nearly all file systems
)

// checkKey refuses, with ErrInvalid, a key that can be no file's path. The rules of Windows hold on Windows only.
func checkKey(key string) error {
	why := ""
	switch {
	case key == "" || len(key) > maxKey:
		why = fmt.Sprintf("is not 1 to %d bytes long", maxKey)
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		why = "is not UTF-8 without NUL"
	case !fs.ValidPath(key) || key == ".":
		why = `has an element that is empty, "." or ".."`
	case runtime.GOOS == "windows" && (!filepath.IsLocal(filepath.FromSlash(key)) || strings.ContainsFunc(key, notOnWindows)):
		why = `is no path on Windows: it has a reserved name, a control character or one of \ : * ? " < > |`
	}
	for i, element := range strings.Split(key, "/") {
		switch {
		case why != "":
		case len(element) > maxElement:
			why = fmt.Sprintf("has an element of more than %d bytes", maxElement)
		case i == 0 && strings.EqualFold(element, own):
			why = "is in the folder that this backend keeps for itself"
		case runtime.GOOS == "windows" && strings.TrimRight(element, ". ") != element:
			why = "is no path on Windows: an element ends in a dot or a space"
		}
	}
	if why != "" {
		return fmt.Errorf("key %.80q %s: %w", key, why, backend.ErrInvalid)
	}
	return nil
}

func notOnWindows(r rune) bool { return r < ' ' || strings.ContainsRune(`\:*?"<>|`, r) }

// look returns what is under key, nil if nothing is. It refuses, with ErrInvalid, a key where no object can be because of
// what is there: a folder, a file in the place of a folder, a symbolic link, another spelling.
func (b *Backend) look(key string) (fs.FileInfo, error) {
	elements := strings.Split(key, "/")
	for i, element := range elements {
		name := path.Join(elements[:i+1]...)
		info, err := b.root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, sorted(err)
		}
		if b.folds {
			entries, err := fs.ReadDir(b.root.FS(), path.Dir(name))
			if err != nil {
				return nil, sorted(err)
			}
			if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == element }) {
				return nil, fmt.Errorf("%q is here in another spelling, which the file system takes for the same: %w", name, backend.ErrInvalid)
			}
		}
		last := i == len(elements)-1
		if last && info.Mode().IsRegular() {
			return info, nil
		}
		if last || !info.IsDir() {
			return nil, fmt.Errorf("key %q cannot be a file, since %q is %s: %w", key, name, kind(info.Mode()), backend.ErrInvalid)
		}
	}
	return nil, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m.IsRegular():
		return "a file"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "no regular file"
}
