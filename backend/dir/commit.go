package dir

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/internal/crc64"
)

// How an upload ends. Each step is the renaming of one file, which either happens or does not, and which only one process can do:
//
//  1. The object is assembled in the upload's folder, as object.X, where X is random, and synced.
//  2. The token `key` becomes `publish.X`: it is decided what will be published. An Abort, or another Complete, that comes now
//     finds no `key`, and this one finds none if they came first.
//  3. object.X becomes the object. It can do so only once.
//  4. The folder is removed.
//
// Whoever comes upon an upload that is decided, because it is just being completed or because the process died, does steps 3 and 4
// and then knows that the upload is gone. If step 3 is refused, object.X becomes refused.X, and the token `key` again.
//
// Under IfAbsent the token is `publish-if-absent.X`, and step 3 is a hard link, which is refused if something is there.
//
// The names that a step changed are synced before the next one, and the upload's folder once more before it is removed and before a
// refusal is answered. So a power cut takes nothing back that was answered: an upload that was completed, refused or aborted is not found
// decided again, when the object may be a newer one. This counts on no order in which a file system keeps what was not synced.
const (
	open     = "key"
	decided  = "publish" // the prefix of both that follow
	replace  = "publish."
	ifAbsent = "publish-if-absent."
	object   = "object."
)

// errOvertaken: somebody else ended the upload.
var errOvertaken = errors.New("another call ended the upload")

// find returns the folder of an upload that is open. It ends one that is decided.
func (b *Backend) find(ctx context.Context, u backend.Upload) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	gone := fmt.Errorf("upload %.40q of %.80q: %w", u.ID, u.Key, backend.ErrNoSuchUpload)
	if u.ID == "" || len(u.ID) > maxElement || strings.Trim(u.ID, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", gone // not of rand.Text, whose length may grow, so not to be used as a name
	}
	folder := path.Join(uploads, u.ID)
	for range 100 { // twice is the rule; more often only if others end it and are refused, again and again
		t, err := b.token(u.ID)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			b.root.Remove(folder) // if it is empty: who removed the upload could not, while somebody still wrote into it
			return "", gone
		case err == nil && t.key != u.Key:
			return "", gone
		case err != nil:
			return "", sorted(err)
		case t.name == open:
			return folder, nil
		}
		if err := b.conclude(folder, t.name, t.key); err != nil && !noEffect(err) && !errors.Is(err, errOvertaken) {
			return "", err
		}
	}
	return "", fmt.Errorf("upload %s of %.80q does not come to rest", u.ID, u.Key)
}

// explain returns the error of a step in an upload's folder, which may have failed because the upload ended meanwhile.
func (b *Backend) explain(u backend.Upload, err error) error {
	if _, gone := b.find(context.Background(), u); errors.Is(gone, backend.ErrNoSuchUpload) {
		return gone
	}
	return err
}

// Complete implements [backend.MultipartBackend].
func (b *Backend) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	if len(parts) == 0 || len(parts) > maxParts {
		return backend.Object{}, fmt.Errorf("%d parts, not 1 to %d: %w", len(parts), maxParts, backend.ErrInvalid)
	}
	folder, err := b.find(ctx, u)
	if err != nil {
		return backend.Object{}, err
	}
	old, err := b.accept(u.Key, opts.Attributes, 0)
	if err == nil && old != nil && opts.IfAbsent {
		err = fmt.Errorf("%q: %w", u.Key, backend.ErrExists)
	}
	if err != nil {
		return backend.Object{}, err
	}
	x := rand.Text()
	assembled := path.Join(folder, object+x)
	var crc uint64
	err = b.create(assembled, func(f *os.File) error {
		crc, err = b.assemble(ctx, f, folder, parts)
		return err
	})
	if err == nil {
		err = ctx.Err() // looked at for the last time: what is decided is done
	}
	if err != nil {
		b.root.Remove(assembled)
		return backend.Object{}, b.explain(u, err)
	}
	info, sum, err := b.remember(u.Key, assembled, crc)
	token := replace + x
	if opts.IfAbsent {
		token = ifAbsent + x
	}
	if err == nil {
		err = b.root.Rename(path.Join(folder, open), path.Join(folder, token))
	}
	if err != nil { // which a NAS that is asked twice also says of what it did the first time
		there, lerr := b.first(path.Join(folder, token))
		if lerr != nil {
			return backend.Object{}, fmt.Errorf("%v; whether it was done is not known: %w", err, lerr)
		}
		if there == "" {
			err = b.explain(u, sorted(err))
			b.root.Remove(assembled)
			b.root.Remove(folder) // if it is empty, since the upload is gone
			return backend.Object{}, err
		}
	}
	if err = b.settle(folder); err == nil {
		err = b.conclude(folder, token, u.Key)
	}
	if errors.Is(err, errOvertaken) {
		// By its time, which no other object of this key and size has: the inode may be another file's by now.
		if now, lerr := b.root.Lstat(u.Key); lerr == nil && sumName(u.Key, now) == sum {
			err = nil // it was our object that they published
		}
	}
	if noEffect(err) {
		b.forget(sum)
	}
	if err != nil {
		return backend.Object{}, err
	}
	b.forgetOld(u.Key, old, info)
	return describe(u.Key, info, &crc), nil
}

// assemble writes the parts into f and returns the CRC-64 of the whole. It copies from file to file, which some systems do without
// reading, and some file systems without copying.
func (b *Backend) assemble(ctx context.Context, f *os.File, folder string, parts []backend.Part) (whole uint64, err error) {
	for i, p := range parts {
		if i > 0 && p.Number <= parts[i-1].Number {
			return 0, fmt.Errorf("part %d after part %d: %w", p.Number, parts[i-1].Number, backend.ErrInvalidPart)
		}
		from, stored, err := b.openPart(folder, p.Number)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
			return 0, fmt.Errorf("part %d is not there: %w", p.Number, backend.ErrInvalidPart)
		}
		if err != nil {
			return 0, sorted(err)
		}
		if stored.ETag != p.ETag {
			err = fmt.Errorf("part %d has ETag %s, not %.80s: %w", p.Number, stored.ETag, p.ETag, backend.ErrInvalidPart)
		}
		const step = 16 << 20 // between two looks at the context
		for left := stored.Size; left > 0 && err == nil; left -= step {
			if err = ctx.Err(); err == nil {
				_, err = io.CopyN(f, from, min(left, step))
			}
		}
		from.Close() // it was only read
		if err != nil {
			return 0, err
		}
		whole = crc64.Combine(whole, *stored.CRC64, stored.Size)
	}
	return whole, nil
}

// conclude publishes what a token decided, and removes the folder. It returns nil also if others published it. An error that is a
// sentinel says that nothing was published, and that the upload is open again; errOvertaken that somebody else did the one or the other.
func (b *Backend) conclude(folder, token, key string) error {
	x := token[strings.LastIndexByte(token, '.')+1:]
	from, refused, name := path.Join(folder, object+x), path.Join(folder, "refused."+x), path.Join(folder, token)
	if err := b.publish(from, key, strings.HasPrefix(token, ifAbsent)); err != nil {
		there, lerr := b.first(from, refused, name)
		switch {
		case lerr != nil:
			return lerr
		case there == from && noEffect(err):
			return b.refuse(folder, token, from, refused, err)
		case there == from:
			return err
		case there == refused: // by somebody who may have died
			return cmp.Or(b.reopen(folder, token, refused), errOvertaken)
		case there == "":
			return errOvertaken
		}
		// The token alone, without the object or its refusal: somebody published it, and may have died before it was durable.
	}
	if err := b.sync(above(key)...); err != nil {
		return fmt.Errorf("%q is published, but may not be durable: %w", key, err)
	}
	err := b.root.Remove(from) // under IfAbsent it is a second link; while it is there, the next one publishes it again
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = b.settle(folder)
	}
	if err != nil {
		return fmt.Errorf("%q is published, but its upload may be found once more: %w", key, err)
	}
	b.root.RemoveAll(folder) // what stays belongs to no upload any more, and New removes it one day
	return nil
}

// refuse opens a decided upload again, because of why, which it returns.
func (b *Backend) refuse(folder, token, from, refused string, why error) error {
	err := b.root.Rename(from, refused)
	if errors.Is(err, fs.ErrNotExist) {
		return errOvertaken
	}
	if err == nil {
		err = b.reopen(folder, token, refused)
	}
	if err != nil {
		return fmt.Errorf("go back after %v: %w", why, err)
	}
	return why
}

// reopen gives a refused upload its token back, unless somebody else did.
func (b *Backend) reopen(folder, token, refused string) error {
	err := b.root.Rename(path.Join(folder, token), path.Join(folder, open))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = b.settle(folder)
	}
	if err == nil {
		b.root.Remove(refused) // else it is removed with its folder
	}
	return err
}

// settle syncs an upload's folder. One that is gone needs no sync: who removed it had done so before.
func (b *Backend) settle(folder string) error {
	if err := b.sync(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// first returns the first of the names that is there, "" if none is.
func (b *Backend) first(names ...string) (string, error) {
	for _, name := range names {
		if _, err := b.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return name, err
		}
	}
	return "", nil
}

// publish makes the file from the object key, in one step.
func (b *Backend) publish(from, key string, absent bool) error {
	if err := b.root.MkdirAll(path.Dir(key), 0o777); err != nil {
		return sorted(err)
	}
	if !absent {
		return sorted(b.root.Rename(from, key))
	}
	err := b.root.Link(from, key)
	switch {
	case errors.Is(err, fs.ErrExist) && b.same(from, key):
		return nil // somebody else did it, or a NAS that was asked twice
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%q: %w", key, backend.ErrExists)
	case unlinkable(err):
		return fmt.Errorf("IfAbsent needs hard links, which this file system has not (%v): %w", err, backend.ErrInvalid)
	}
	return sorted(err)
}
