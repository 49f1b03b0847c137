package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// undelayed never comes to an end if anything is waited for before it is sent again.
var undelayed = &upload.Options{Threshold: -1, Concurrency: atOnce, Retry: upload.Retry{BaseDelay: 1000 * time.Hour, MaxDelay: 1000 * time.Hour}}

var regions = map[string]string{"V1": "", "V4": "cn-hangzhou"}

// watchmaker makes a clock that can be moved.
type watchmaker struct{ offset atomic.Int64 }

func (w *watchmaker) now() time.Time       { return time.Now().Add(time.Duration(w.offset.Load())) }
func (w *watchmaker) move(d time.Duration) { w.offset.Add(int64(d)) }

// temporary is a provider of one credential after another.
type temporary struct {
	list      []fakeoss.Credential
	refreshed atomic.Int32
}

type keys struct{ fakeoss.Credential }

func (k keys) GetAccessKeyID() string     { return k.AccessKeyID }
func (k keys) GetAccessKeySecret() string { return k.AccessKeySecret }
func (k keys) GetSecurityToken() string   { return k.SecurityToken }

func (p *temporary) GetCredentials() sdk.Credentials { return keys{p.list[p.refreshed.Load()]} }

func (p *temporary) Refresh(context.Context) error {
	p.refreshed.Add(1)
	return nil
}

// expiring are two credentials of STS; the first one expires in a minute.
func expiring() []fakeoss.Credential {
	return []fakeoss.Credential{
		{AccessKeyID: "STS.first", AccessKeySecret: "secret-1", SecurityToken: "token-1", Expires: time.Now().Add(time.Minute)},
		{AccessKeyID: "STS.second", AccessKeySecret: "secret-2", SecurityToken: "token-2"},
	}
}

// Temporary credentials expire while several parts are under way. With a provider that gets new ones the upload does not end, and the
// provider is asked once.
func TestCredentialsExpire(t *testing.T) {
	path, data := writeFile(t, 10*partSize)
	for version, region := range regions {
		t.Run(version, func(t *testing.T) {
			var clock watchmaker
			provider := &temporary{list: expiring()}
			h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}, Clock: clock.now, Credentials: provider.list}, amid(func() { clock.move(2 * time.Minute) }))
			b := h.bucket(oss.Config{Region: region, Credentials: provider})
			res, err := upload.New(oss.New(b, nil), checkpoint.NewMemory(), undelayed).UploadFile(t.Context(), key, path, &upload.Request{PartSize: partSize})
			if err != nil || res.Retries != atOnce {
				t.Errorf("%v, %+v", err, res)
			}
			if n, m := h.refused("SecurityTokenExpired"), provider.refreshed.Load(); n != atOnce || m != 1 {
				t.Errorf("%d requests were refused and the provider was asked %d times", n, m)
			}
			if !bytes.Equal(object(t, b, key), data) {
				t.Error("the object is not the file")
			}
		})
	}
}

// The same with credentials that nobody renews: the upload ends as denied and is kept, and new ones go on with it.
func TestStaticCredentialsExpire(t *testing.T) {
	path, data := writeFile(t, 10*partSize)
	for version, region := range regions {
		t.Run(version, func(t *testing.T) {
			var clock watchmaker
			creds := expiring()
			h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}, Clock: clock.now, Credentials: creds}, amid(func() { clock.move(2 * time.Minute) }))
			logs := checkpoint.NewMemory()
			req := &upload.Request{PartSize: partSize}
			_, err := upload.New(oss.New(h.bucket(oss.Config{Region: region}), nil), logs, undelayed).UploadFile(t.Context(), key, path, req)
			if !errors.Is(err, backend.ErrDenied) {
				t.Fatalf("got %v, want ErrDenied", err)
			}
			if n := h.refused("SecurityTokenExpired"); n < 1 || n > atOnce {
				t.Errorf("%d requests were refused", n)
			}
			b := h.bucket(oss.Config{Region: region, Credentials: &temporary{list: creds[1:]}})
			res, err := upload.New(oss.New(b, nil), logs, undelayed).UploadFile(t.Context(), key, path, req)
			if err != nil || !res.Resumed || res.Reused != 2*partSize {
				t.Errorf("with new ones: %v, %+v", err, res)
			}
			if begun, aborted := h.entries("InitiateMultipartUpload"), h.entries("AbortMultipartUpload"); len(begun) != 1 || len(aborted) != 0 {
				t.Errorf("%d uploads begun, %d aborted", len(begun), len(aborted))
			}
			if !bytes.Equal(object(t, b, key), data) {
				t.Error("the object is not the file")
			}
		})
	}
}

// The clock of this machine is further off than the service allows, from the start or, as after a sleep, from some moment on.
func TestClockIsOff(t *testing.T) {
	path, data := writeFile(t, 10*partSize)
	for version, region := range regions {
		for _, off := range []time.Duration{-20 * time.Minute, 20 * time.Minute} {
			for _, c := range []struct {
				name      string
				threshold int64
				middle    bool
				refused   int
			}{
				{"in parts", -1, false, 1},
				{"in one", 1 << 30, false, 1},
				{"from the middle on", -1, true, atOnce},
			} {
				t.Run(fmt.Sprintf("%s/%v/%s", version, off, c.name), func(t *testing.T) {
					var clock watchmaker
					between := amid(func() { clock.move(off) })
					if !c.middle {
						clock.move(off)
						between = nil
					}
					h := newHost(t, &fakeoss.Options{Buckets: []string{"tide"}, Clock: clock.now}, between)
					opts := *undelayed
					opts.Threshold = c.threshold
					req := &upload.Request{PartSize: partSize}
					_, err := upload.New(oss.New(h.bucket(oss.Config{Region: region}), nil), checkpoint.NewMemory(), &opts).UploadFile(t.Context(), key, path, req)
					if err != nil {
						t.Fatal(err)
					}
					if n := h.refused("RequestTimeTooSkewed"); n != c.refused {
						t.Errorf("%d requests were refused, want %d", n, c.refused)
					}
					clock.move(-time.Duration(clock.offset.Load())) // for a reader that does not correct its own
					if !bytes.Equal(object(t, h.bucket(oss.Config{Region: region}), key), data) {
						t.Error("the object is not the file")
					}
				})
			}
		}
	}
}

// All connections that a client keeps are dead when it needs them again, and it cannot know. That costs no time and no failure,
// neither of the first request after a pause nor of several parts that meet one each.
func TestIdleConnectionsAreDropped(t *testing.T) {
	path, data := writeFile(t, 10*partSize)
	for name, c := range map[string]struct {
		between func(h *host)
		amid    func(h *host) // while the second upload is begun
		dead    int           // connections that are met, at least
	}{
		"closed":                     {func(h *host) { h.down(); h.up() }, nil, 0},
		"forgotten":                  {(*host).forget, nil, 1},
		"forgotten before the parts": {nil, (*host).forget, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var h *host
			begun := 0
			h = newHost(t, &fakeoss.Options{Buckets: []string{"tide"}}, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Has("uploads") {
					if begun++; begun == 2 && c.amid != nil {
						c.amid(h)
					}
				}
				next.ServeHTTP(w, r)
			})
			b := h.bucket(oss.Config{})
			u := upload.New(oss.New(b, nil), checkpoint.NewMemory(), undelayed)
			req := &upload.Request{PartSize: partSize}
			if _, err := u.UploadFile(t.Context(), "first", path, req); err != nil {
				t.Fatal(err)
			}
			if c.between != nil {
				c.between(h)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			res, err := u.UploadFile(ctx, key, path, req)
			if err != nil || res.Retries < c.dead {
				t.Errorf("%v, %+v", err, res)
			}
			if !bytes.Equal(object(t, b, key), data) {
				t.Error("the object is not the file")
			}
		})
	}
}
