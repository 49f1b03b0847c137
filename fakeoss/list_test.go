package fakeoss_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// TestLists compares every prefix, delimiter and page size with a model that knows only sorting and grouping.
func TestLists(t *testing.T) {
	eachStore(t, func(t *testing.T, srv *fakeoss.TestServer) {
		bucket, err := newClient(t, srv, srv.URL).Bucket("bucket")
		if err != nil {
			t.Fatal(err)
		}
		const seed = 7
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		keys := []string{"dir/", "dir/a", "dir//b", "dirx", "+", "a b", "%2F", "ü/ü"}
		for range 40 {
			key := ""
			for range 1 + rnd.IntN(5) {
				key += string("ab/-é"[rnd.IntN(4)])
			}
			if key[0] != '/' {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for _, key := range keys {
			if err := bucket.PutObject(key, strings.NewReader(key)); err != nil {
				t.Fatal(err)
			}
		}
		for _, prefix := range []string{"", "a", "a/", "dir", "dir/", "ü", "zzz"} {
			for _, delimiter := range []string{"", "/", "a", "//"} {
				wanted := model(keys, prefix, delimiter)
				for _, size := range []int{1, 2, 3, 7, 1000} {
					name := fmt.Sprintf("prefix %q, delimiter %q, pages of %d", prefix, delimiter, size)
					if diff := cmp.Diff(wanted, listV1(t, bucket, prefix, delimiter, size)); diff != "" {
						t.Errorf("v1, %s (-want +got):\n%s", name, diff)
					}
					if diff := cmp.Diff(wanted, listV2(t, bucket, prefix, delimiter, size)); diff != "" {
						t.Errorf("v2, %s (-want +got):\n%s", name, diff)
					}
				}
			}
		}
	})
}

// model lists objects by their key, and common prefixes with "PRE " before them.
func model(keys []string, prefix, delimiter string) []string {
	out := []string{}
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		entry := key
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			entry = "PRE " + prefix + rest[:i+len(delimiter)]
		}
		if !slices.Contains(out, entry) {
			out = append(out, entry)
		}
	}
	return out
}

// page merges the two lists of a page in the order of their names.
func page(objects []oss.ObjectProperties, prefixes []string) []string {
	var names []string
	pre := map[string]bool{}
	for _, o := range objects {
		names = append(names, o.Key)
	}
	for _, p := range prefixes {
		names = append(names, p)
		pre[p] = true
	}
	slices.Sort(names)
	for i, n := range names {
		if pre[n] {
			names[i] = "PRE " + n
		}
	}
	return names
}

func listV1(t *testing.T, bucket *oss.Bucket, prefix, delimiter string, size int) []string {
	t.Helper()
	out := []string{}
	marker := ""
	for {
		r, err := bucket.ListObjects(oss.Prefix(prefix), oss.Delimiter(delimiter), oss.MaxKeys(size), oss.Marker(marker))
		if err != nil {
			t.Fatal(err)
		}
		names := page(r.Objects, r.CommonPrefixes)
		if len(names) > size || r.IsTruncated && len(names) != size {
			t.Fatalf("a page of %d, want %d", len(names), size)
		}
		out = append(out, names...)
		if !r.IsTruncated {
			return out
		}
		marker = r.NextMarker
	}
}

func listV2(t *testing.T, bucket *oss.Bucket, prefix, delimiter string, size int) []string {
	t.Helper()
	out := []string{}
	token := ""
	for {
		options := []oss.Option{oss.Prefix(prefix), oss.Delimiter(delimiter), oss.MaxKeys(size)}
		if token != "" {
			options = append(options, oss.ContinuationToken(token))
		}
		r, err := bucket.ListObjectsV2(options...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page(r.Objects, r.CommonPrefixes)...)
		if !r.IsTruncated {
			return out
		}
		token = r.NextContinuationToken
	}
}

func TestListV2Fields(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}})
	for _, key := range []string{"a", "b/1", "b/2", "c d"} {
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/" + url.PathEscape(key), body: key}), 200, nil)
	}
	r := do(t, srv, request{method: "GET", path: "/bucket/?list-type=2&delimiter=/&fetch-owner=true&start-after=a"})
	for name, value := range map[string]string{"KeyCount": "2", "Key": "c d", "IsTruncated": "false", "StartAfter": "a", "Type": "Normal",
		"Size": "3", "StorageClass": "Standard", "ETag": md5ETag("c d"), "MaxKeys": "100", "Name": "bucket", "EncodingType": ""} {
		if got := r.element(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if !strings.Contains(r.body, "<DisplayName>") || !strings.HasSuffix(r.element("LastModified"), ".000Z") {
		t.Errorf("list: %s", r.body)
	}
	if r := do(t, srv, request{method: "GET", path: "/bucket/?list-type=2"}); strings.Contains(r.body, "<Owner>") {
		t.Errorf("an owner that nobody asked for: %s", r.body)
	}
}
