package dir

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidemark-go/tidemark/backend"
)

// Create implements [backend.MultipartBackend].
func (b *Backend) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	if err := ctx.Err(); err != nil {
		return backend.Upload{}, err
	}
	if _, err := b.accept(key, attrs, 0); err != nil {
		return backend.Upload{}, err
	}
	u := backend.Upload{Key: key, ID: rand.Text()}
	folder := path.Join(uploads, u.ID)
	if err := b.root.Mkdir(folder, 0o700); err != nil {
		return backend.Upload{}, sorted(err)
	}
	draft, token := path.Join(folder, "key.new"), path.Join(folder, open)
	err := b.create(draft, func(f *os.File) error {
		_, err := f.WriteString(key)
		return err
	})
	if err == nil {
		err = b.root.Rename(draft, token)
	}
	if err == nil {
		err = b.sync(folder, uploads)
	}
	if err != nil {
		return backend.Upload{}, errors.Join(err, b.root.RemoveAll(folder))
	}
	// The time is that of the file, since objects are dated by the same clock, which on a NAS is not ours.
	info, err := b.root.Lstat(token)
	if err != nil {
		return backend.Upload{}, err
	}
	u.Initiated = info.ModTime()
	return u, nil
}

// accept refuses what cannot become an object. It returns what is under the key, nil if nothing is.
func (b *Backend) accept(key string, attrs backend.Attributes, size int64) (fs.FileInfo, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if !attrs.IsZero() {
		asked, _ := json.Marshal(attrs) // which names them, and cannot fail
		return nil, fmt.Errorf("a directory keeps no attributes, asked were %s: %w", asked, backend.ErrInvalid)
	}
	if size < 0 {
		return nil, fmt.Errorf("size %d: %w", size, backend.ErrInvalid)
	}
	return b.look(key)
}

// UploadPart implements [backend.MultipartBackend]. The part is synced, its name is not: a name that a power cut takes is missed by
// ListParts and Complete, and the part is sent again.
func (b *Backend) UploadPart(ctx context.Context, u backend.Upload, number int, body io.ReadSeeker, size int64) (backend.Part, error) {
	if number < 1 || number > maxParts || size < 0 {
		return backend.Part{}, fmt.Errorf("part %d of %d bytes: numbers are 1 to %d: %w", number, size, maxParts, backend.ErrInvalid)
	}
	folder, err := b.find(ctx, u)
	if err != nil {
		return backend.Part{}, err
	}
	var crc uint64
	draft, name := path.Join(folder, "part."+rand.Text()), path.Join(folder, partName(number))
	err = b.create(draft, func(f *os.File) error {
		if crc, err = receive(ctx, f, body, size); err != nil {
			return err
		}
		_, err = f.Write(binary.BigEndian.AppendUint64(nil, crc))
		return err
	})
	if err == nil {
		err = sorted(b.root.Rename(draft, name))
	}
	if err != nil {
		b.root.Remove(draft) // the upload may go on for long
	}
	if err = b.explain(u, err); errors.Is(err, backend.ErrNoSuchUpload) {
		// It ended meanwhile, and its folder is being removed: what came too late goes as well.
		b.root.Remove(name)
		b.root.Remove(folder) // if it is empty
	}
	if err != nil {
		return backend.Part{}, err
	}
	return part(number, crc, size), nil
}

func partName(number int) string { return fmt.Sprintf("%05d", number) }

// part describes a part. Its ETag is of its content, so that sending the same bytes again changes nothing.
func part(number int, crc uint64, size int64) backend.Part {
	return backend.Part{Number: number, Size: size, ETag: etag(crc, size), CRC64: &crc}
}

// openPart opens a part at its start. What is read and what is said of it are of one file, also if the part is being replaced.
func (b *Backend) openPart(folder string, number int) (*os.File, backend.Part, error) {
	f, err := b.root.Open(path.Join(folder, partName(number)))
	if err != nil {
		return nil, backend.Part{}, err
	}
	var sum [8]byte
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() < int64(len(sum)):
		err = errDamaged
	default:
		_, err = f.ReadAt(sum[:], info.Size()-int64(len(sum)))
	}
	if err != nil {
		f.Close()
		return nil, backend.Part{}, err
	}
	return f, part(number, binary.BigEndian.Uint64(sum[:]), info.Size()-int64(len(sum))), nil
}

// errDamaged: a part is too short to be one, which only damage to the disk or another program can have done.
var errDamaged = errors.New("damaged part")

// ListParts implements [backend.MultipartBackend]. A page has at most 1000 parts.
func (b *Backend) ListParts(ctx context.Context, u backend.Upload, after int) ([]backend.Part, bool, error) {
	const page = 1000
	folder, err := b.find(ctx, u)
	if err != nil {
		return nil, false, err
	}
	entries, err := fs.ReadDir(b.root.FS(), folder) // sorted by name, and so by number
	if err != nil {
		return nil, false, b.explain(u, sorted(err))
	}
	var parts []backend.Part
	for _, e := range entries {
		number, notPart := strconv.Atoi(e.Name())
		if notPart != nil || number <= after {
			continue
		}
		if len(parts) == page {
			return parts, true, nil
		}
		f, p, err := b.openPart(folder, number)
		if errors.Is(err, errDamaged) {
			continue // it is sent again, and replaced
		}
		if err != nil {
			return nil, false, b.explain(u, sorted(err))
		}
		f.Close() // it was only read
		parts = append(parts, p)
	}
	return parts, false, ctx.Err()
}

// Abort implements [backend.MultipartBackend].
func (b *Backend) Abort(ctx context.Context, u backend.Upload) error {
	folder, err := b.find(ctx, u)
	if err != nil {
		return err
	}
	// Without its token the upload is gone, in one step. Whoever comes second finds it missing.
	if err := b.root.Remove(path.Join(folder, open)); err != nil {
		return b.explain(u, sorted(err))
	}
	err = b.settle(folder)
	if left := b.root.RemoveAll(folder); left != nil && !errors.Is(left, syscall.ENOTEMPTY) {
		err = errors.Join(err, left)
	} // whoever still writes into the folder will find the upload gone, and remove it
	return err
}

// Uploads implements [backend.UploadLister].
func (b *Backend) Uploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return func(yield func(backend.Upload, error) bool) {
		folders, err := fs.ReadDir(b.root.FS(), uploads)
		if err != nil {
			yield(backend.Upload{}, sorted(err))
			return
		}
		for _, f := range folders {
			if !f.IsDir() {
				continue
			}
			t, err := b.token(f.Name())
			if err == nil {
				err = ctx.Err()
			}
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				yield(backend.Upload{}, sorted(err))
				return
			case strings.HasPrefix(t.key, prefix):
				if !yield(backend.Upload{Key: t.key, ID: f.Name(), Initiated: t.initiated}, nil) {
					return
				}
			}
		}
	}
}

// token is the file in an upload's folder that says by its name how far the upload is. Its text is the key.
type token struct {
	name, key string
	initiated time.Time
}

// token finds the token of an upload. An error that is fs.ErrNotExist says that there is none: the folder belongs to no upload.
func (b *Backend) token(id string) (token, error) {
	folder := path.Join(uploads, id)
	for {
		if t, err := b.readToken(folder, open); !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
		entries, err := fs.ReadDir(b.root.FS(), folder)
		if err != nil {
			return token{}, err
		}
		i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == open || strings.HasPrefix(e.Name(), decided) })
		if i < 0 { // or it was opened again while the folder was read, which may then show neither of the names
			return b.readToken(folder, open)
		}
		if t, err := b.readToken(folder, entries[i].Name()); !errors.Is(err, fs.ErrNotExist) {
			return t, err
		} // else it was just renamed, or removed
	}
}

func (b *Backend) readToken(folder, name string) (token, error) {
	info, err := b.root.Lstat(path.Join(folder, name))
	if err != nil {
		return token{}, err
	}
	key, err := b.root.ReadFile(path.Join(folder, name))
	return token{name, string(key), info.ModTime()}, err
}
