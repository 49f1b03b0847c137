package oss_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/fakeoss"
)

type keys struct{ id, secret, token string }

func (k keys) GetAccessKeyID() string     { return k.id }
func (k keys) GetAccessKeySecret() string { return k.secret }
func (k keys) GetSecurityToken() string   { return k.token }

// provider gives what it has.
type provider struct {
	mu  sync.Mutex
	has keys
}

func (p *provider) GetCredentials() sdk.Credentials {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.has
}

func (p *provider) set(k keys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.has = k
}

// refresher is a provider that can be told to get others.
type refresher struct {
	provider
	refresh func(ctx context.Context) (keys, error)
	calls   atomic.Int32
}

func (r *refresher) Refresh(ctx context.Context) error {
	r.calls.Add(1)
	k, err := r.refresh(ctx)
	if err == nil {
		r.set(k)
	}
	return err
}

// Temporary credentials expire within an upload, and the provider gets new ones.
func TestExpiredCredentialsAreRefreshed(t *testing.T) {
	for version, region := range signatures {
		for op, call := range map[string]func(context.Context, *oss.Backend) error{"Uploads": calls["Uploads"], "Put": calls["Put"], "Stat": calls["Stat"]} {
			t.Run(version+"/"+op, func(t *testing.T) {
				var now atomic.Pointer[time.Time]
				start := time.Now()
				now.Store(&start)
				old, fresh := keys{"STS.old", "secret-old", "token-old"}, keys{"STS.new", "secret-new", "token-new"}
				server := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time { return *now.Load() }, Credentials: []fakeoss.Credential{
					{AccessKeyID: old.id, AccessKeySecret: old.secret, SecurityToken: old.token, Expires: start.Add(time.Minute)},
					{AccessKeyID: fresh.id, AccessKeySecret: fresh.secret, SecurityToken: fresh.token},
				}})
				r := &refresher{provider: provider{has: old}, refresh: func(context.Context) (keys, error) { return fresh, nil }}
				b := oss.New(open(t, server.URL, oss.Config{Region: region, Credentials: r}), nil)
				if err := calls["Put"](t.Context(), b); err != nil {
					t.Fatal(err)
				}
				later := start.Add(2 * time.Minute)
				now.Store(&later)
				if err := call(t.Context(), b); sentinelOf(t, err) != backend.ErrDenied || !mended(err) || r.calls.Load() != 1 {
					t.Errorf("%v, mended %t, after %d calls of Refresh: want ErrDenied, mended, after one", err, mended(err), r.calls.Load())
				}
				if err := call(t.Context(), b); err != nil {
					t.Errorf("once more: %v", err)
				}
			})
		}
	}
}

// What may be mended, and what is said where it is not.
func TestCredentialsAreMended(t *testing.T) {
	old, fresh := keys{testKeyID, testSecret, testToken}, keys{"STS.other", "another-secret", "another-token"}
	same := keys{testKeyID, testSecret, "another-token"}
	changes := func(k keys) func(*refresher) {
		return func(r *refresher) { r.set(k) }
	}
	leak := fmt.Errorf("assume role: %w", fmt.Errorf("Post %q: key %s, secret %s, token %s: refused", "https://sts.example/?Signature=hidden&x=y", testKeyID, testSecret, testToken))
	for _, test := range []struct {
		name      string
		code      string
		meanwhile func(*refresher) // before the refusal
		refresh   func(context.Context) (keys, error)
		mended    bool
		says      string
	}{
		{name: "expired", code: "SecurityTokenExpired", meanwhile: changes(fresh), mended: true, says: "has others now"},
		{name: "only another token", code: "SecurityTokenExpired", meanwhile: changes(same), mended: true},
		{name: "invalid token", code: "InvalidSecurityToken", meanwhile: changes(fresh), mended: true},
		{name: "unknown key", code: "InvalidAccessKeyId", meanwhile: changes(fresh), mended: true},
		{name: "mixed", code: "AccessKeyIdAndSecurityTokenNotMatch", meanwhile: changes(fresh), mended: true},
		{name: "refreshed", code: "InvalidAccessKeyId", refresh: func(context.Context) (keys, error) { return fresh, nil }, mended: true, says: "has others now"},
		{name: "the same", code: "SecurityTokenExpired", refresh: func(context.Context) (keys, error) { return old, nil }, says: "gave the same again"},
		{name: "a failure", code: "SecurityTokenExpired", refresh: func(context.Context) (keys, error) { return fresh, leak }, says: "could not get others: assume role: Post"},
		{name: "nothing new", code: "SecurityTokenExpired", says: "get new ones"},
		{name: "denied", code: "AccessDenied", meanwhile: changes(fresh)},
		{name: "signature", code: "SignatureDoesNotMatch", meanwhile: changes(fresh)},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &refresher{provider: provider{has: old}, refresh: test.refresh}
			var p sdk.CredentialsProvider = &r.provider
			if test.refresh != nil {
				p = r
			}
			b := stubWith(t, oss.Config{Credentials: p}, func(w http.ResponseWriter, q *http.Request) {
				if test.meanwhile != nil {
					test.meanwhile(r)
				}
				answerWith(http.StatusForbidden, fault(test.code, ""))(w, q)
			})
			for op, call := range calls {
				r.set(old)
				err := call(t.Context(), b)
				if sentinelOf(t, err) != backend.ErrDenied || mended(err) != test.mended || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v, mended %t: want ErrDenied, mended %t, that says %q", op, err, mended(err), test.mended, test.says)
				}
				for _, text := range printed(err) {
					for _, secret := range []string{old.id, old.secret, old.token, fresh.id, fresh.secret, fresh.token, "hidden"} {
						if strings.Contains(text, secret) {
							t.Errorf("%s: %q has %q", op, text, secret)
						}
					}
				}
			}
		})
	}
	t.Run("a proxy's answer", func(t *testing.T) {
		p := &provider{has: old}
		b := stubWith(t, oss.Config{Credentials: p}, func(w http.ResponseWriter, q *http.Request) {
			p.set(fresh)
			http.Error(w, "<Error><Code>SecurityTokenExpired</Code></Error>", http.StatusForbidden)
		})
		if err := calls["Create"](t.Context(), b); err == nil || mended(err) {
			t.Errorf("%v, mended %t: want an error that is not", err, mended(err))
		}
	})
}

// Many calls are refused at once: the provider is asked once, whatever comes of it.
func TestRefreshIsShared(t *testing.T) {
	const many = 8
	old, fresh := keys{testKeyID, testSecret, testToken}, keys{"STS.other", "another-secret", "another-token"}
	for name, failure := range map[string]error{"success": nil, "failure": errors.New("sts is down")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				r := &refresher{provider: provider{has: old}, refresh: func(context.Context) (keys, error) {
					<-release
					return fresh, failure
				}}
				b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{Credentials: r}), nil)
				type outcome struct {
					mended bool
					why    string
				}
				outcomes := make(chan outcome, many)
				for range many {
					go func() {
						ok, why := oss.Renew(t.Context(), b, old.id, old.secret, old.token)
						outcomes <- outcome{ok, why}
					}()
				}
				synctest.Wait() // one asks, the others wait for it
				close(release)
				for range many {
					if o := <-outcomes; o.mended != (failure == nil) || (failure != nil && !strings.Contains(o.why, "sts is down")) {
						t.Errorf("mended %t, %q", o.mended, o.why)
					}
				}
				if n := r.calls.Load(); n != 1 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			entered := make(chan struct{}, 1)
			var r *refresher
			r = &refresher{provider: provider{has: old}, refresh: func(ctx context.Context) (keys, error) {
				if r.calls.Load() == 1 {
					entered <- struct{}{}
					<-ctx.Done()
					return keys{}, ctx.Err()
				}
				return fresh, nil
			}}
			b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{Credentials: r}), nil)
			ctx, cancel := context.WithCancel(t.Context())
			first, second := make(chan bool), make(chan bool)
			go func() {
				ok, _ := oss.Renew(ctx, b, old.id, old.secret, old.token)
				first <- ok
			}()
			<-entered
			go func() {
				ok, _ := oss.Renew(t.Context(), b, old.id, old.secret, old.token)
				second <- ok
			}()
			synctest.Wait()
			cancel()
			if <-first || !<-second {
				t.Error("want the cancelled one not mended, and the one that waited mended")
			}
		})
	})
}

// The clock of this machine is wrong. fakeoss verifies the signatures.
func TestClockIsCorrected(t *testing.T) {
	for version, region := range map[string]string{"V1": "", "V2": "", "V4": "cn-hangzhou"} {
		for _, off := range []time.Duration{-26 * time.Hour, -20 * time.Minute, 20 * time.Minute, 26 * time.Hour} {
			t.Run(fmt.Sprintf("%s/%v", version, off), func(t *testing.T) {
				var offset atomic.Int64
				offset.Store(int64(off))
				b, bucket, _ := serve(t, &fakeoss.Options{Buckets: []string{"bucket"}, Clock: func() time.Time {
					return time.Now().Add(time.Duration(offset.Load()))
				}}, region)
				if version == "V2" {
					bucket.Client.Config.AuthVersion = sdk.AuthV2
					b = oss.New(bucket, nil)
				}
				for range 2 {
					if err := calls["Put"](t.Context(), b); sentinelOf(t, err) != backend.ErrDenied || !mended(err) || !strings.Contains(err.Error(), "set this machine's clock") {
						t.Fatalf("%v, mended %t: want ErrDenied that says so, mended", err, mended(err))
					}
					for _, op := range []string{"Put", "Stat", "Create", "Uploads"} {
						if err := calls[op](t.Context(), b); err != nil {
							t.Errorf("%s by the server's time: %v", op, err)
						}
					}
					offset.Store(0) // somebody set the clock
				}
			})
		}
	}
}

// The server refuses every time, whatever is sent: that ends.
func TestClockThatCannotBeCorrected(t *testing.T) {
	for _, test := range []struct {
		name   string
		more   func(now time.Time) string
		header bool // Date
		first  bool // mended
	}{
		{"document", func(now time.Time) string {
			return "<ServerTime>" + now.Add(2*time.Hour).UTC().Format("2006-01-02T15:04:05.000Z") + "</ServerTime>"
		}, false, true},
		{"header", func(time.Time) string { return "" }, true, true},
		{"no time", func(time.Time) string { return "" }, false, false},
		{"a minute", func(now time.Time) string {
			return "<ServerTime>" + now.Add(30*time.Second).UTC().Format("2006-01-02T15:04:05.000Z") + "</ServerTime>"
		}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stub(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = nil
				headers := []string{}
				if test.header {
					headers = []string{"Date", time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat)}
				}
				answerWith(http.StatusForbidden, fault("RequestTimeTooSkewed", test.more(time.Now())), headers...)(w, r)
			})
			for i, want := range []bool{test.first, false, false} {
				if err := calls["UploadPart"](t.Context(), b); sentinelOf(t, err) != backend.ErrDenied || mended(err) != want || !strings.Contains(err.Error(), "set this machine's clock") {
					t.Errorf("call %d: %v, mended %t: want ErrDenied, mended %t", i, err, mended(err), want)
				}
			}
		})
	}
}
