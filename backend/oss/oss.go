// Package oss keeps uploads in a bucket of Alibaba Cloud OSS, through the aliyun-oss-go-sdk.
//
// The caller owns the client: endpoint, signature version, credentials provider, proxy and HTTP client are what the
// [sdk.Bucket] has. [Open] makes one from the usual environment variables for those who need nothing special:
//
//	bucket, err := oss.Open("my-bucket", oss.FromEnv())
//	...
//	store := oss.New(bucket, nil)
//
// The SDK signs and addresses the requests. Everything after that is done here, because an SDK call hides what the
// contract of package backend needs: each request carries its context, each answer is read whole with its status and
// headers, and is sorted into the three answers ([Error] says how). Each call is one request and is never repeated, but
// for a ListParts after the refusal of a part in a sequential upload.
//
// # Limits
//
// In a bucket with versioning, enabled or suspended, OSS ignores x-oss-forbid-overwrite, and so
// [backend.CompleteOptions].IfAbsent has no effect there: a new version is made.
//
// ETags are returned without quotes, in upper case.
package oss

import (
	"net"
	"net/url"
	"strings"
	"sync/atomic"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// The limits of the service, from its pages "Limits" and "Multipart upload".
const (
	minPartSize = 100 << 10 // bytes; checked by OSS only at Complete, and not for the last part
	maxPartSize = 5 << 30   // bytes
	maxParts    = 10000
	maxPutSize  = 5 << 30 // bytes
)

// Backend is a bucket as a [backend.MultipartBackend]. It is safe for concurrent use.
type Backend struct {
	bucket   sdk.Bucket
	location string
	clock    atomic.Int64 // nanoseconds that the server's clock is ahead of this machine's, as far as it has complained
	renewal  renewal
}

var (
	_ backend.MultipartBackend = (*Backend)(nil)
	_ backend.Putter           = (*Backend)(nil)
	_ backend.UploadLister     = (*Backend)(nil)
	_ backend.ETagger          = (*Backend)(nil)
)

// Options are the settings of a [Backend]. Nil and the zero value are the defaults.
type Options struct {
	// Location is what [backend.Info].Location says, and so what a checkpoint is found by. The default is "oss://<bucket>"
	// at the service's own endpoints, public, internal or accelerated, since a bucket's name is unique in all of OSS
	// (the service's page PutBucket), and "oss://<endpoint host>/<bucket>" elsewhere. Set it where the address changes (a
	// custom domain, a test server on another port) and an upload begun at one is to be resumed at another.
	Location string
}

// New returns the bucket as a backend. The client of bucket must not be changed afterwards.
//
// Make a client of your own with sdk.EnableCRC(false), as [Open] does. The SDK's CRC, which is on by default, has a data race:
// where the server answers before it has read the whole body, or the context ends, the SDK reads the sum while the transport
// still writes it. The engine verifies every part by a CRC of its own, which also takes a tenth of the SDK's time or less: the SDK's
// computes half a second for each GiB.
//
// The SDK's own retry setting has no effect (nothing in the SDK reads it), its MD5 and CRC settings are honoured, its rate
// limit too. A client that follows redirects should be told not to (sdk.RedirectEnabled(false)).
func New(bucket *sdk.Bucket, opts *Options) *Backend {
	b := &Backend{bucket: *bucket, renewal: renewal{turn: make(chan struct{}, 1)}}
	if opts != nil {
		b.location = opts.Location
	}
	if b.location == "" {
		b.location = "oss://" + bucket.BucketName
		if host := endpointHost(bucket.Client.Config.Endpoint); !strings.HasSuffix(host, ".aliyuncs.com") {
			b.location = "oss://" + host + "/" + bucket.BucketName
		}
	}
	return b
}

// Info describes the bucket. MinPartSize is 100 KiB, MaxPartSize and MaxPutSize are 5 GiB, MaxParts is 10,000.
func (b *Backend) Info() backend.Info {
	return backend.Info{
		Location:    b.location,
		MinPartSize: minPartSize,
		MaxPartSize: maxPartSize,
		MaxParts:    maxParts,
		MaxPutSize:  maxPutSize,
	}
}

// endpointHost returns the host of an endpoint, with its port unless that is the scheme's own. Whatever else someone may have
// put into the URL, a password above all, is left out.
func endpointHost(endpoint string) string {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint // as the SDK reads it
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}
