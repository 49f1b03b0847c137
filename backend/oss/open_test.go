package oss_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

func TestOpen(t *testing.T) {
	with := func(change func(*oss.Config)) oss.Config {
		c := oss.Config{Region: "cn-hangzhou", AccessKeyID: testKeyID, AccessKeySecret: testSecret}
		change(&c)
		return c
	}
	for _, test := range []struct {
		name     string
		bucket   string
		config   oss.Config
		endpoint string // of the client; empty for an error
		location string
		err      error
		says     string
	}{
		{name: "region", config: with(func(c *oss.Config) {}), endpoint: "https://oss-cn-hangzhou.aliyuncs.com",
			location: "oss://bucket"},
		{name: "region as a location", config: with(func(c *oss.Config) { c.Region = "oss-cn-hangzhou" }),
			endpoint: "https://oss-cn-hangzhou.aliyuncs.com", location: "oss://bucket"},
		{name: "host", config: with(func(c *oss.Config) { c.Endpoint = "oss-cn-beijing-internal.aliyuncs.com" }),
			endpoint: "https://oss-cn-beijing-internal.aliyuncs.com", location: "oss://bucket"},
		{name: "URL, slash, port", config: with(func(c *oss.Config) { c.Endpoint = "https://OSS.example:443/" }),
			endpoint: "https://OSS.example:443", location: "oss://oss.example/bucket"},
		{name: "port", config: with(func(c *oss.Config) { c.Endpoint = "http://oss.example:8080" }),
			endpoint: "http://oss.example:8080", location: "oss://oss.example:8080/bucket"},
		{name: "loopback", config: with(func(c *oss.Config) { c.Endpoint = "127.0.0.1:9000" }), endpoint: "http://127.0.0.1:9000",
			location: "oss://127.0.0.1:9000/bucket"},
		{name: "IPv6", config: with(func(c *oss.Config) { c.Endpoint = "http://[::1]" }), endpoint: "http://[::1]", location: "oss://[::1]/bucket"},
		{name: "localhost", config: with(func(c *oss.Config) { c.Endpoint = "localhost:9000" }), endpoint: "http://localhost:9000",
			location: "oss://localhost:9000/bucket"},
		{name: "other address", config: with(func(c *oss.Config) { c.Endpoint = "10.0.0.1" }), endpoint: "https://10.0.0.1",
			location: "oss://10.0.0.1/bucket"},

		{name: "provider", config: oss.Config{Region: "cn-hangzhou", Credentials: &provider{}}, endpoint: "https://oss-cn-hangzhou.aliyuncs.com",
			location: "oss://bucket"},

		{name: "nothing", config: with(func(c *oss.Config) { c.Region = "" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT, OSS_REGION"},
		{name: "no ID", config: with(func(c *oss.Config) { c.AccessKeyID = "" }), err: backend.ErrDenied, says: "OSS_ACCESS_KEY_ID"},
		{name: "no secret", config: with(func(c *oss.Config) { c.AccessKeySecret = "" }), err: backend.ErrDenied, says: "OSS_ACCESS_KEY_SECRET"},
		{name: "bad region", config: with(func(c *oss.Config) { c.Region = "cn/../x" }), err: backend.ErrInvalid, says: "OSS_REGION"},
		{name: "password", config: with(func(c *oss.Config) { c.Endpoint = "http://me:hidden@oss.example" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT"},
		{name: "malformed", config: with(func(c *oss.Config) { c.Endpoint = "http://me:hidden@oss.exa mple:x" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT"},
		{name: "path", config: with(func(c *oss.Config) { c.Endpoint = "http://oss.example/bucket" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT"},
		{name: "scheme", config: with(func(c *oss.Config) { c.Endpoint = "ftp://oss.example" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT"},
		{name: "IPv6 zone", config: with(func(c *oss.Config) { c.Endpoint = "http://[fe80::1%25eth0]:80" }), err: backend.ErrInvalid, says: "zone"},
		{name: "no host", config: with(func(c *oss.Config) { c.Endpoint = "http://" }), err: backend.ErrInvalid, says: "OSS_ENDPOINT"},
		{name: "bucket in the endpoint", config: with(func(c *oss.Config) { c.Endpoint = "bucket.oss-cn-hangzhou.aliyuncs.com" }),
			err: backend.ErrInvalid, says: "bucket's name"},
		{name: "bucket name", bucket: "Bucket_1", config: with(func(c *oss.Config) {}), err: backend.ErrInvalid, says: "Bucket_1"},
		{name: "short bucket name", bucket: "b", config: with(func(c *oss.Config) {}), err: backend.ErrInvalid, says: "3 to 63"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := test.bucket
			if name == "" {
				name = "bucket"
			}
			bucket, err := oss.Open(name, test.config)
			if test.err != nil {
				if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hidden") {
					t.Errorf("%v, want %v that says %s and no password", err, test.err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := bucket.Client.Config.Endpoint; got != test.endpoint {
				t.Errorf("endpoint is %s, want %s", got, test.endpoint)
			}
			if got := oss.New(bucket, nil).Info().Location; got != test.location {
				t.Errorf("location is %s, want %s", got, test.location)
			}
			if got := bucket.Client.Config.AuthVersion; got != sdk.AuthV4 {
				t.Errorf("signatures are %s, want V4", got)
			}
			if strings.TrimPrefix(test.config.Region, "oss-") != bucket.Client.Config.Region {
				t.Errorf("region is %s", bucket.Client.Config.Region)
			}
		})
	}
	bucket, err := oss.Open("bucket", with(func(c *oss.Config) { c.Region, c.Endpoint = "", "localhost:1" }))
	if err != nil || bucket.Client.Config.AuthVersion != sdk.AuthV1 {
		t.Errorf("without a region: %v, want V1", err)
	}
}

func TestInfo(t *testing.T) {
	bucket := open(t, "http://127.0.0.1:1", oss.Config{})
	got := oss.New(bucket, &oss.Options{Location: "oss://photos"}).Info()
	want := backend.Info{Location: "oss://photos", MinPartSize: 102400, MaxPartSize: 5368709120, MaxParts: 10000, MaxPutSize: 5368709120}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	// A client made elsewhere may have a password in its endpoint.
	bucket.Client.Config.Endpoint = "http://me:hidden@oss.example/x?y"
	if got := oss.New(bucket, nil).Info().Location; got != "oss://oss.example/bucket" {
		t.Errorf("location is %s", got)
	}
}

func TestFromEnv(t *testing.T) {
	for name, value := range map[string]string{"ENDPOINT": " http://e ", "REGION": "r", "ACCESS_KEY_ID": "i", "ACCESS_KEY_SECRET": "s\n", "SESSION_TOKEN": "t"} {
		t.Setenv("OSS_"+name, value)
	}
	got := oss.FromEnv()
	want := oss.Config{Endpoint: "http://e", Region: "r", AccessKeyID: "i", AccessKeySecret: "s", SessionToken: "t"}
	if got != want {
		t.Error("the variables are not what FromEnv returned")
	}
}

func TestConfigPrintsNoSecrets(t *testing.T) {
	c := oss.Config{Endpoint: "https://me:hidden@oss.example", AccessKeyID: "i", AccessKeySecret: testSecret, SessionToken: testToken,
		Credentials: &provider{has: keys{"i", testSecret, testToken}}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "config", c)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, c, c, c), fmt.Sprint(&c), log.String(), string(encoded)} {
		if strings.Contains(text, testSecret) || strings.Contains(text, testToken) {
			t.Errorf("%s has a secret", text)
		}
	}
	if text := (oss.Config{Credentials: c.Credentials}).String(); !strings.Contains(text, "credentials true") {
		t.Errorf("%s: has credentials", text)
	}
	if text := c.String(); !strings.Contains(text, "oss.example") || strings.Contains(text, "hidden") {
		t.Errorf("%s: want the endpoint's host and no password", text)
	}
}

// A session token is sent, and the client keeps to what the server says: no redirect is followed, no compression is asked
// for, a connection is used again.
func TestHTTPClient(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	addresses := make(map[string]bool)
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		addresses[r.RemoteAddr] = true
		if got := r.Header.Get("x-oss-security-token"); got != testToken {
			t.Errorf("token is %q", got)
		}
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("asks for %s", got)
		}
		respond(w, http.StatusTemporaryRedirect, "", "Location", elsewhere.URL)
	})
	for op, call := range calls {
		if err := call(t.Context(), b); err == nil || sentinelOf(t, err) != nil {
			t.Errorf("%s: %v, want an error that is no sentinel", op, err)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections, want 1", len(addresses))
	}
}
