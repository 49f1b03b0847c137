package store

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// What follows is the part of gofakes3.Backend that is the same in every Store.

// putObject puts an object of exactly size bytes. Conditions are refused: OSS has others than S3, which the handler checks.
func putObject(s Store, bucket, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) error {
	if conditions != nil {
		return gofakes3.ErrNotImplemented
	}
	body, err := s.Spool()
	if err != nil {
		return err
	}
	n, err := io.Copy(body, io.LimitReader(input, size+1))
	if err == nil && n != size {
		err = gofakes3.ErrIncompleteBody
	}
	if err == nil {
		err = s.Link(bucket, key, meta, "", []Body{body})
	}
	if err != nil {
		return errors.Join(err, body.Discard())
	}
	return nil
}

func deleteMulti(s Store, bucket string, keys []string) (result gofakes3.MultiDeleteResult, err error) {
	for _, key := range keys {
		if _, err := s.DeleteObject(bucket, key); err != nil {
			return result, err
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

// listKeys returns a page of sorted keys. A delimiter is refused: the handler groups, since OSS counts groups in its pages.
func listKeys(keys []string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage, content func(key string) *gofakes3.Content) (*gofakes3.ObjectList, error) {
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	if prefix.HasDelimiter {
		return nil, gofakes3.ErrNotImplemented
	}
	list := gofakes3.NewObjectList()
	start := max(prefix.Prefix, page.Marker)
	i, found := slices.BinarySearch(keys, start)
	if found && start == page.Marker && page.Marker != "" {
		i++
	}
	for _, key := range keys[i:] {
		if !strings.HasPrefix(key, prefix.Prefix) {
			break
		}
		if page.MaxKeys > 0 && int64(len(list.Contents)) == page.MaxKeys {
			list.IsTruncated = true
			list.NextMarker = list.Contents[len(list.Contents)-1].Key
			break
		}
		list.Add(content(key))
	}
	return list, nil
}
