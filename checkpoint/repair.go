package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// setAside renames the damaged log at path and puts one with records in its place, or none if there are none. It returns the new
// path of the damaged log. The caller is inside the guard. When it fails, or the process dies in it, the damaged log is still
// there, under its own name or the new one.
func (f *File) setAside(path, id string, records [][]byte) (aside string, err error) {
	delete(f.tails, id)
	temp := f.base(id) + tempSuffix
	if len(records) > 0 {
		if err := f.writeLog(temp, id, records); err != nil {
			return "", also(err, removeIfThere(temp))
		}
	}
	if aside, err = freeName(f.base(id) + damagedSuffix + time.Now().UTC().Format("20060102T150405.000000000Z")); err != nil {
		return "", also(err, removeIfThere(temp))
	}

	// A second name first, and then the new log over the old name: so there is a log at every moment. Not every file system has
	// hard links, and Windows does not rename over a file that somebody reads; without, a process that dies between the two renames
	// leaves the upload without a log, and ListParts and the content check find what it had sent.
	back := func() error { return os.Remove(aside) }
	if removeNeedsClose || len(records) == 0 || os.Link(path, aside) != nil {
		if err := os.Rename(path, aside); err != nil {
			return "", also(err, removeIfThere(temp))
		}
		back = func() error { return os.Rename(aside, path) }
	}
	if len(records) > 0 {
		if err := os.Rename(temp, path); err != nil {
			return "", also(also(err, back()), removeIfThere(temp))
		}
	}
	return aside, f.syncDir(f.dir)
}

// rewrite puts a copy of the log at path in its place, and syncs that. It is for a log whose sync failed: the operating system may
// then have forgotten which bytes it has not written, so that another sync succeeds and proves nothing. The caller is inside the guard.
func (f *File) rewrite(ctx context.Context, path, id string) error {
	s, err := f.scan(ctx, path, id)
	if err != nil {
		return err
	}
	if s.damage != "" || len(s.records) < f.tails[id].records {
		return fmt.Errorf("%s has lost records: %d are left", path, len(s.records))
	}
	if len(s.records) == 0 {
		return nil
	}
	temp := f.base(id) + tempSuffix
	err = f.writeLog(temp, id, s.records)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return also(err, removeIfThere(temp))
	}
	return nil
}

// writeLog makes a new file. What is in its place was left by a process that died, or is a link that leads elsewhere.
func (f *File) writeLog(path, id string, records [][]byte) (err error) {
	if err := removeIfThere(path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = also(err, file.Close()) }()
	log, s := header(id), newSeal(id)
	for at, rec := range records {
		log = s.appendRecord(log, at, rec)
	}
	if _, err := file.Write(log); err != nil {
		return err
	}
	return f.syncFile(file)
}

// freeName is path, or path with a number if there is such a file.
func freeName(path string) (string, error) {
	for free, n := path, 2; ; n++ {
		_, err := os.Lstat(free)
		if errors.Is(err, fs.ErrNotExist) {
			return free, nil
		}
		if err != nil {
			return "", err
		}
		free = fmt.Sprintf("%s-%d", path, n)
	}
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
