package fakeoss

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// target is what a request addresses.
type target struct {
	bucket, key string
	endpoint    string // host and port at which this server answers without a bucket's name
	region      string // of a public host; empty if the host names none
	public      bool   // a host of aliyuncs.com: path style is refused there
	pathStyle   bool
}

// publicHost matches the endpoints of the service, in the three forms of its page "OSS domain names".
var publicHost = regexp.MustCompile(`^(?:oss-([a-z0-9-]+)|([a-z0-9-]+)\.oss)\.aliyuncs\.com$`)

// resolve splits a request into bucket and key, on the path as it was sent: net/url's cleaned and unescaped path cannot tell
// a slash of the key from one of the path, nor "a//b" from "a/b".
func (h *Handler) resolve(r *http.Request) (target, error) {
	host, port := splitHost(strings.ToLower(r.Host))
	path := rawPath(r)

	if bucket, ok := h.cnames[host]; ok {
		key, err := unescapeKey(strings.TrimPrefix(path, "/"))
		return target{bucket: bucket, key: key, endpoint: localEndpoint(r)}, err
	}
	t := target{endpoint: r.Host}
	if net.ParseIP(host) == nil {
		if label, rest, ok := strings.Cut(host, "."); ok && !h.isEndpoint(host) && h.isEndpoint(rest) {
			t.bucket, t.endpoint = label, rest+port
			t.region, t.public = publicRegion(rest)
			var err error
			t.key, err = unescapeKey(strings.TrimPrefix(path, "/"))
			return t, err
		}
		t.region, t.public = publicRegion(host)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	t.pathStyle = bucket != ""
	var err error
	if t.bucket, err = url.PathUnescape(bucket); err != nil {
		return t, errBadRequest("InvalidURI", "Couldn't parse the specified URI.")
	}
	t.key, err = unescapeKey(key)
	return t, err
}

// localEndpoint is the address of the socket that a request came to. A CNAME cannot stand for it: there the path has no bucket.
func localEndpoint(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return r.Host
}

func (h *Handler) isEndpoint(host string) bool {
	return h.endpoints[host] || publicHost.MatchString(host)
}

// publicRegion returns the region that a public host belongs to, empty for one of no region (transfer acceleration).
func publicRegion(host string) (region string, public bool) {
	m := publicHost.FindStringSubmatch(host)
	if m == nil {
		return "", false
	}
	region = m[1] + m[2]
	if strings.HasPrefix(region, "accelerate") {
		return "", true
	}
	return strings.TrimSuffix(region, "-internal"), true
}

// splitHost splits a Host header into the name, and the port with its colon, if there is one.
func splitHost(host string) (name, port string) {
	name, p, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), ""
	}
	return name, ":" + p
}

// rawPath returns the path exactly as the client sent it.
func rawPath(r *http.Request) string {
	uri := r.RequestURI
	if uri == "" { // a request made by hand, that came over no wire
		return r.URL.EscapedPath()
	}
	if !strings.HasPrefix(uri, "/") { // the absolute form, sent to a proxy
		if _, rest, ok := strings.Cut(uri, "://"); ok {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				uri = rest[i:]
			} else {
				uri = "/"
			}
		}
	}
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// unescapeKey unescapes the key of a path. A plus is a space, as old clients send it; every SDK sends a plus as %2B.
func unescapeKey(raw string) (string, error) {
	key, err := url.QueryUnescape(raw)
	if err != nil {
		return "", errBadRequest("InvalidURI", "Couldn't parse the specified URI.")
	}
	return key, nil
}

// bucketName: 3 to 63 lower-case letters, digits and hyphens, no hyphen at either end (the page PutBucket).
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// check tells whether the names are ones that OSS takes, and whether the host is one at which it answers for them.
func (t target) check(region string) error {
	if t.bucket == "" {
		return nil
	}
	if t.public && t.pathStyle {
		return &serviceError{status: http.StatusForbidden, code: "SecondLevelDomainForbidden",
			message: "Please use virtual hosted style to access."}
	}
	if !bucketName.MatchString(t.bucket) {
		return errBadRequest("InvalidBucketName", "The specified bucket is not valid.").with("BucketName", t.bucket)
	}
	if t.region != "" && t.region != region {
		return errAccessDenied("The bucket you are attempting to access must be addressed using the specified endpoint. "+
			"Please send all future requests to this endpoint.", "").
			with("Bucket", t.bucket).with("Endpoint", "oss-"+region+".aliyuncs.com")
	}
	if t.key != "" && !validKey(t.key) {
		return errInvalidObjectName(t.key)
	}
	return nil
}

// maxKey is the length of the longest key, in bytes (the page PutObject).
const maxKey = 1023

func validKey(key string) bool {
	return len(key) <= maxKey && key[0] != '/' && key[0] != '\\' && utf8.ValidString(key)
}
