package checkpoint

import "os"

// LogPath is the file that holds the log of id.
func (f *File) LogPath(id string) string { return f.logPath(id) }

// OnSync makes f call file and dir, with an absolute path, in place of every sync of a file's bytes and of a directory's names.
func (f *File) OnSync(file, dir func(path string) error) {
	f.syncFile = func(synced *os.File) error { return file(synced.Name()) }
	f.syncDir = dir
}
