package fakeoss

import (
	"io"
	"log/slog"
	"time"

	"github.com/tidemark-go/tidemark/fakeoss/internal/store"
)

// Options are the settings of a server. The zero value, or nil, is a server in memory without buckets, in the region
// cn-hangzhou, with one pair of credentials that it makes up.
type Options struct {
	// Dir keeps everything in this directory, so that it survives the process, however that ends. It is created if it is
	// not there. A second server on the same directory is refused. Empty: everything is in memory.
	Dir string

	// Credentials are those that are accepted. None: a pair is made up; [Handler.Credential] returns it.
	Credentials []Credential

	// Region is the one that V4 signatures name, and that buckets are in. Empty: cn-hangzhou.
	Region string

	// Buckets are created, as private ones, unless they exist.
	Buckets []string

	// Endpoints are host names, without port, at which the server answers in the virtual-host style too (the bucket as the
	// first label) beside localhost and the service's own names under aliyuncs.com. Under an IP address, or a host that
	// is none of these, the bucket is the first element of the path.
	Endpoints []string

	// CNAMEs maps host names, without port, to the bucket that answers there.
	CNAMEs map[string]string

	// Clock is what the server takes for the time. Nil: [time.Now].
	Clock func() time.Time

	// Policy is asked for every permission that a request needs, after its signature, or the ACL that lets it do without, was
	// found in order; false refuses the request with 403 AccessDenied. It is called from several goroutines. Nil: whoever
	// signs may do everything. A PutObject asks for oss:PutObject on its key, and if it has tags for oss:PutObjectTagging;
	// a CopyObject for oss:GetObject on its source and oss:PutObject on its key; see the page "RAM Policy" of the service.
	Policy func(PolicyRequest) bool

	// Loose ignores unknown query parameters and x-oss-* headers. Without it they are refused with 501 NotImplemented,
	// since a client that relies on one would get another outcome here than from the service.
	Loose bool

	// Faults are injected from the start; see [Handler.Inject].
	Faults []Fault

	// JournalWriter gets each [Entry] as a line of JSON as soon as its request has ended.
	JournalWriter io.Writer

	// JournalLimit is the number of entries that [Handler.Journal] keeps, the latest ones. Zero: 100,000.
	JournalLimit int

	// Logger gets what goes wrong inside the server. Nil: nothing is logged.
	Logger *slog.Logger
}

// Credential is an access key, permanent or temporary.
type Credential struct {
	AccessKeyID     string
	AccessKeySecret string

	// SecurityToken makes it a temporary one, as STS gives: a request must carry the token, too.
	SecurityToken string

	// Expires ends the life of a temporary one. Zero: never.
	Expires time.Time
}

// String leaves the secrets out.
func (c Credential) String() string { return c.AccessKeyID }

// Errors of a directory, for [errors.Is].
var (
	// ErrInUse: another server has the directory open. The error names the directory and the process.
	ErrInUse = store.ErrInUse

	// ErrVersion: the directory was written by a version of this package that this one does not know.
	ErrVersion = store.ErrVersion
)
