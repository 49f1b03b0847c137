package oss_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

func TestListPartsInPages(t *testing.T) {
	b, _, _ := serve(t, nil, "cn-hangzhou")
	ctx := t.Context()
	u, err := b.Create(ctx, "key", backend.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	const total = 2100
	want := make([]backend.Part, total)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for n := range numbers {
				text := fmt.Sprint("part ", n)
				p, err := b.UploadPart(ctx, u, n, strings.NewReader(text), int64(len(text)))
				if err != nil {
					t.Errorf("part %d: %v", n, err)
				}
				want[n-1] = p
			}
		})
	}
	for n := 1; n <= total; n++ {
		numbers <- n
	}
	close(numbers)
	workers.Wait()

	var got []backend.Part
	pages := 0
	for after, more := 0, true; more; pages++ {
		var parts []backend.Part
		if parts, more, err = b.ListParts(ctx, u, after); err != nil {
			t.Fatal(err)
		}
		got = append(got, parts...)
		after = parts[len(parts)-1].Number
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-uploaded +listed):\n%s", diff)
	}
	if pages != 3 {
		t.Errorf("%d pages, want 3", pages)
	}
	for _, p := range got {
		if p.CRC64 == nil {
			t.Fatalf("part %d is listed without its CRC-64", p.Number)
		}
	}
}

func TestOddKeys(t *testing.T) {
	for version, region := range signatures {
		t.Run(version, func(t *testing.T) {
			b, bucket, _ := serve(t, nil, region)
			ctx := t.Context()
			want := make(map[string]string)
			for _, key := range oddKeys {
				u, err := b.Create(ctx, key, backend.Attributes{})
				if err != nil {
					t.Errorf("%q: %v", key, err)
					continue
				}
				want[key] = u.ID
				part, err := b.UploadPart(ctx, u, 1, strings.NewReader(key), int64(len(key)))
				if err != nil {
					t.Errorf("%q: %v", key, err)
				}
				if parts, _, err := b.ListParts(ctx, u, 0); err != nil || len(parts) != 1 {
					t.Errorf("%q: %v, %v", key, parts, err)
				}
				second, err := b.Create(ctx, key, backend.Attributes{})
				if err != nil {
					t.Errorf("%q: %v", key, err)
				}
				if _, err := b.Complete(ctx, second, []backend.Part{mustPart(t, b, second, key)}, backend.CompleteOptions{}); err != nil {
					t.Errorf("%q: %v", key, err)
				}
				if stat, err := b.Stat(ctx, key); err != nil || stat.Size != int64(len(key)) || *stat.CRC64 != *part.CRC64 {
					t.Errorf("%q: %+v, %v", key, stat, err)
				}
			}
			got := make(map[string]string)
			for u, err := range b.Uploads(ctx, "") {
				if err != nil {
					t.Fatal(err)
				}
				if u.Initiated.IsZero() {
					t.Errorf("%q: listed without its time", u.Key)
				}
				got[u.Key] = u.ID
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("uploads (-created +listed):\n%s", diff)
			}
			list, err := bucket.ListObjectsV2(sdk.MaxKeys(1000))
			if err != nil || len(list.Objects) != len(oddKeys) {
				t.Errorf("%d objects (%v), want %d", len(list.Objects), err, len(oddKeys))
			}
			for key, id := range got {
				if err := b.Abort(ctx, backend.Upload{Key: key, ID: id}); err != nil {
					t.Errorf("%q: %v", key, err)
				}
			}
		})
	}
}

func TestUploadsInPages(t *testing.T) {
	b, _, _ := serve(t, nil, "cn-hangzhou")
	ctx := t.Context()
	want := make(map[backend.Upload]bool)
	create := func(key string) {
		u, err := b.Create(ctx, key, backend.Attributes{})
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(key, "a b/") {
			u.Initiated = time.Time{}
			want[u] = true
		}
	}
	for i := range 1050 {
		create(fmt.Sprintf("a b/%d%%", i%350)) // three uploads of each key, so that pages end within one
	}
	create("a+b/x")
	create("a c")
	got := make(map[backend.Upload]bool)
	for u, err := range b.Uploads(ctx, "a b/") {
		if err != nil {
			t.Fatal(err)
		}
		u.Initiated = time.Time{}
		if got[u] {
			t.Errorf("%v is listed twice", u)
		}
		got[u] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uploads (-created +listed):\n%s", diff)
	}
	// One may stop early.
	for range b.Uploads(ctx, "") {
		break
	}
}

func TestAddressStyles(t *testing.T) {
	server := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Endpoints: []string{"oss-cn-hangzhou.aliyuncs.com"}})
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for endpoint, host := range map[string]string{
		"http://127.0.0.1:" + u.Port():                    "127.0.0.1:" + u.Port(),
		"127.0.0.1:" + u.Port():                           "127.0.0.1:" + u.Port(),
		"http://localhost:" + u.Port():                    "localhost:" + u.Port(),
		"localhost:" + u.Port():                           "localhost:" + u.Port(),
		"http://oss-cn-hangzhou.aliyuncs.com:" + u.Port(): "bucket.oss-cn-hangzhou.aliyuncs.com:" + u.Port(),
	} {
		var got string
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		b := oss.New(open(t, endpoint, oss.Config{
			AccessKeyID: server.AccessKeyID, AccessKeySecret: server.AccessKeySecret, Region: "cn-hangzhou",
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				got = r.URL.Host
				r = r.Clone(r.Context())
				r.URL.Host = u.Host // whatever the name, to the test's server; the Host header says which was meant
				return transport.RoundTrip(r)
			})},
		}), nil)
		if _, err := b.Stat(t.Context(), "nothing"); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", endpoint, err)
		}
		if got != host {
			t.Errorf("%s: sent to %s, want %s", endpoint, got, host)
		}
	}
}
