package fakeoss

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// vectorCall is a request as the server gets it.
func vectorCall(t *testing.T, h *Handler, target string, header map[string]string) *call {
	t.Helper()
	r := httptest.NewRequest("PUT", target, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	c := &call{h: h, r: r}
	var err error
	if c.target, err = h.resolve(r); err != nil {
		t.Fatal(err)
	}
	if c.query, err = parseQuery(r.URL.RawQuery); err != nil {
		t.Fatal(err)
	}
	return c
}

func newTestHandler(t *testing.T, opts *Options) *Handler {
	t.Helper()
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// The vectors come from the signers of the two Go SDKs; those of V4 were recomputed independently of either.
func TestSignatureVectors(t *testing.T) {
	vectors := []struct {
		name, target  string
		header        map[string]string
		canonicalHash string
		secret, want  string
	}{
		{
			name:   "V1",
			target: "/bucket/1234%2B-/123/1.txt?partNumber=1&uploadId=U1",
			header: map[string]string{"Content-Type": "text/plain", "x-oss-meta-a": "v", "Date": "Sat, 16 Dec 2023 16:20:57 GMT",
				"Authorization": "OSS ak:E3nf0+I71DXANMIGB/UMiej9M4U="},
			secret: "sk", want: "E3nf0+I71DXANMIGB/UMiej9M4U=",
		},
		{
			name:   "V4 with x-oss-date",
			target: "/bucket/1234%2B-/123/1.txt?partNumber=1&uploadId=U1",
			header: map[string]string{"Content-Type": "text/plain", "x-oss-meta-a": "v", "x-oss-date": "20231216T162057Z",
				"x-oss-content-sha256": "UNSIGNED-PAYLOAD",
				"Authorization": "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request," +
					"Signature=acfac91c16d4da7ec5e1b7cf45dcf96b984c7e88611bc4ef0b2db27dc9a9d530"},
			canonicalHash: "2a7dfc1f10474348ef2722c88b0266852cfc690a00754149897a1b093940f92f",
			secret:        "sk", want: "acfac91c16d4da7ec5e1b7cf45dcf96b984c7e88611bc4ef0b2db27dc9a9d530",
		},
		{
			name:   "V4 of SDK v1, without x-oss-date",
			target: "/mybucket/a%2Fb%20c%2Bd",
			header: map[string]string{"Content-Type": "application/octet-stream", "Date": "Sun, 22 Nov 2026 19:01:51 GMT",
				"x-oss-content-sha256": "UNSIGNED-PAYLOAD",
				"Authorization": "OSS4-HMAC-SHA256 Credential=AK/20261122/cn-hangzhou/oss/aliyun_v4_request, " +
					"Signature=97e0a697d346dd59d17a04420f8fab9c3c1d9a7fbd90644ca5bb1aa6ff076694"},
			secret: "SK", want: "97e0a697d346dd59d17a04420f8fab9c3c1d9a7fbd90644ca5bb1aa6ff076694",
		},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			date, err := parseDate(first(v.header["x-oss-date"], v.header["Date"]))
			if err != nil {
				t.Fatal(err)
			}
			h := newTestHandler(t, &Options{Clock: func() time.Time { return date },
				Credentials: []Credential{{AccessKeyID: "ak", AccessKeySecret: "sk"}, {AccessKeyID: "AK", AccessKeySecret: "SK"}}})
			c := vectorCall(t, h, v.target, v.header)
			if signed, err := c.authenticate(); err != nil || !signed {
				t.Fatalf("authenticate: %v, %v", signed, err)
			}
			if v.canonicalHash != "" {
				sum := sha256.Sum256([]byte(canonicalRequestV4(c.r, c.target, c.query, nil)))
				if got := hex.EncodeToString(sum[:]); got != v.canonicalHash {
					t.Errorf("hash of the canonical request %s, want %s", got, v.canonicalHash)
				}
			}
			// The other direction: what the server makes of the same request, with no signature to copy.
			unsigned := maps.Clone(v.header)
			unsigned["Authorization"] = strings.Replace(v.header["Authorization"], v.want, "none", 1)
			c = vectorCall(t, h, v.target, unsigned)
			var who claim
			if fields, ok := strings.CutPrefix(unsigned["Authorization"], "OSS4-HMAC-SHA256 "); ok {
				who, err = c.claimV4Header(fields)
			} else {
				who, err = c.claimV1Header(strings.TrimPrefix(unsigned["Authorization"], "OSS "))
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _, _ := who.sign(v.secret); got != v.want {
				t.Errorf("signature %s, want %s", got, v.want)
			}
			for name, change := range map[string]func(*call){
				"method":     func(c *call) { c.r.Method = http.MethodGet },
				"key":        func(c *call) { c.target.key += "x" },
				"bucket":     func(c *call) { c.target.bucket += "x" },
				"type":       func(c *call) { c.r.Header.Set("Content-Type", "text/html") },
				"md5":        func(c *call) { c.r.Header.Set("Content-Md5", "1B2M2Y8AsgTpgAmY7PhCfg==") },
				"new header": func(c *call) { c.r.Header.Set("X-Oss-Meta-B", "v") },
				"query":      func(c *call) { c.query = append(c.query, pair{"acl", ""}) },
				"secret": func(c *call) {
					c.h.credentials = []Credential{{"ak", "x", "", time.Time{}}, {"AK", "x", "", time.Time{}}}
				},
				"signature": func(c *call) {
					a := []byte(c.r.Header.Get("Authorization"))
					a[len(a)-5] ^= 1
					c.r.Header.Set("Authorization", string(a))
				},
			} {
				h.credentials = []Credential{{AccessKeyID: "ak", AccessKeySecret: "sk"}, {AccessKeyID: "AK", AccessKeySecret: "SK"}}
				c := vectorCall(t, h, v.target, v.header)
				change(c)
				_, err := c.authenticate()
				if se, ok := err.(*serviceError); !ok || se.code != "SignatureDoesNotMatch" {
					t.Errorf("another %s: %v, want SignatureDoesNotMatch", name, err)
				}
			}
		})
	}
}

func TestParseRange(t *testing.T) {
	whole := byteRange{}
	for _, c := range []struct {
		header   string
		standard bool
		want     byteRange
		partial  bool
		fails    bool
	}{
		{"bytes=0-9", false, byteRange{0, 10}, true, false},
		{"bytes=90-", false, byteRange{90, 10}, true, false},
		{"bytes=-10", false, byteRange{90, 10}, true, false},
		{"bytes=-100", false, byteRange{0, 100}, true, false},
		{"bytes=99-99", false, byteRange{99, 1}, true, false},
		{"bytes=0-9,20-29", false, byteRange{0, 10}, true, false},
		{"bytes=-0", false, whole, false, true},
		{"bytes=-101", false, whole, false, false},
		{"bytes=-101", true, byteRange{0, 100}, true, false},
		{"bytes=0-100", false, whole, false, false},
		{"bytes=0-100", true, byteRange{0, 100}, true, false},
		{"bytes=100-", false, whole, false, false},
		{"bytes=100-", true, whole, false, true},
		{"bytes=9-1", false, whole, false, false},
		{"bytes=+1-2", false, whole, false, false},
		{"bytes=1--2", false, whole, false, false},
		{"bytes=a-b", false, whole, false, false},
		{"bytes=", false, whole, false, false},
		{"bytes=-", false, whole, false, false},
		{"bytes=99999999999999999999-", false, whole, false, false},
		{"0-9", false, whole, false, false},
		{"", false, whole, false, false},
	} {
		got, partial, err := parseRange(c.header, 100, c.standard)
		if got != c.want || partial != c.partial || (err != nil) != c.fails {
			t.Errorf("%q, standard %v: %v, %v, %v; want %v, %v, failure %v", c.header, c.standard, got, partial, err, c.want, c.partial, c.fails)
		}
	}
}
