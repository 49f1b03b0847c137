package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Append adds rec as record number at, or returns ErrConflict. It returns when the operating system has the record: it survives the
// process, and after [File.Sync] a power cut. A torn end of the log is cut off first. A write that fails half-way is undone.
//
// An append costs the same whatever the number of records: the log is read only by a store's first append to it, and when someone
// else appended since. A log that is damaged is ErrConflict: Load repairs it.
func (f *File) Append(ctx context.Context, id string, at int, rec []byte) error {
	if err := begin(ctx, id); err != nil {
		return err
	}
	if err := checkRecord(rec); err != nil {
		return err
	}
	if at == 0 {
		if err := f.makeDir(); err != nil {
			return fmt.Errorf("checkpoint: append: %w; %s", err, f.remedy(err))
		}
	}
	leave, err := f.enter(ctx)
	if err != nil {
		path := f.logPath(id)
		if _, e := os.Lstat(path); at != 0 && ctx.Err() == nil && errors.Is(e, fs.ErrNotExist) {
			return ErrConflict
		}
		return fmt.Errorf("checkpoint: append to %s: %w", path, err)
	}
	return also(f.append(ctx, id, at, rec), leave())
}

// append is Append inside the guard.
func (f *File) append(ctx context.Context, id string, at int, rec []byte) (err error) {
	path := f.tails[id].path
	if path == "" {
		path = f.logPath(id)
	}
	file, size, err := openLog(path, at)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrConflict) {
		return ErrConflict
	}
	if err != nil {
		return fmt.Errorf("checkpoint: append: %w; %s", err, f.remedy(err))
	}
	defer func() {
		if e := file.Close(); e != nil { // some network file systems only now say that the disk is full
			delete(f.tails, id)
			err = also(err, fmt.Errorf("checkpoint: append: %w; %s", e, f.remedy(e)))
		}
	}()

	t, err := f.tail(ctx, file, size, path, id)
	if err != nil {
		return err
	}
	if t.records != at {
		return ErrConflict
	}
	var line []byte
	if t.size == 0 {
		line = header(id)
	}
	line = newSeal(id).appendRecord(line, at, rec)

	delete(f.tails, id)
	if _, err := file.WriteAt(line, t.size); err != nil {
		return fmt.Errorf("checkpoint: append: %w; %s", also(err, undo(file, path, t.size)), f.remedy(err))
	}
	f.tails[id] = tail{
		path:    path,
		size:    t.size + int64(len(line)),
		records: at + 1,
		bytes:   [lineOverhead]byte(line[len(line)-lineOverhead:]),
	}
	return nil
}

// openLog opens a log of so many bytes to append to it, and makes it for the first record.
func openLog(path string, at int) (file *os.File, size int64, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && at == 0:
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return file, 0, err
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, ErrConflict // damage, which Load repairs
	}
	file, err = openToAppend(path)
	return file, info.Size(), err
}

// tail says where a log of size bytes ends and how many records it has, and cuts a torn end off.
func (f *File) tail(ctx context.Context, file *os.File, size int64, path, id string) (tail, error) {
	if t, ok := f.tails[id]; ok && t.size == size {
		var end [lineOverhead]byte
		if _, err := file.ReadAt(end[:], t.size-lineOverhead); err != nil {
			return tail{}, fmt.Errorf("checkpoint: append: %w", err)
		}
		if end == t.bytes {
			return t, nil
		}
	}
	delete(f.tails, id)
	s, err := f.scan(ctx, path, id)
	if err != nil {
		return tail{}, fmt.Errorf("checkpoint: append to %s: %w", path, err)
	}
	if s.damage != "" {
		return tail{}, ErrConflict
	}
	if s.end < size {
		if err := file.Truncate(s.end); err != nil {
			return tail{}, fmt.Errorf("checkpoint: append: cut off a torn end: %w; %s", err, f.remedy(err))
		}
	}
	return tail{path: path, size: s.end, records: len(s.records)}, nil
}

// undo takes back a write that failed half-way. If that fails as well, a torn end is left, which the next append cuts off.
func undo(file *os.File, path string, size int64) error {
	if err := file.Truncate(size); err != nil {
		return err
	}
	if size > 0 {
		return nil
	}
	// Windows does not remove a file that is open; an empty log is none.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !removeNeedsClose {
		return err
	}
	return nil
}
