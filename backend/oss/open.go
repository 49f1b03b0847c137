package oss

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
)

// Config says how to reach OSS, for [Open]. It prints without its secrets.
type Config struct {
	// Endpoint is a URL or a host, for instance "https://oss-cn-hangzhou.aliyuncs.com". Without a scheme it is https, but
	// http for localhost and the loopback addresses. The default is the public endpoint of Region. An IP address and
	// localhost are addressed in path style, since a bucket cannot be put in front of them. A custom domain (CNAME) needs a
	// client of your own.
	Endpoint string

	// Region, for instance "cn-hangzhou", makes the signatures V4. Without it they are V1, and Endpoint is required.
	Region string

	AccessKeyID     string
	AccessKeySecret string `json:"-"`
	SessionToken    string `json:"-"` // of temporary credentials; empty for others

	// Credentials replaces the three fields above. It is asked twice for every request, from several goroutines, so it should answer
	// from memory; if it is an sdk.CredentialsProviderE, it may fail. If it gives others in time by itself, or is a [Refresher], an
	// upload outlives credentials that expire while it lasts.
	Credentials sdk.CredentialsProvider `json:"-"`

	// HTTPClient replaces the client of [NewHTTPClient]. Change one of those rather than make another. If you bring your own, it
	// needs a Transport of its own with MaxIdleConnsPerHost of at least the parts that are sent at once
	// (net/http's default is 2, and throws the other connections away after each part), MaxConnsPerHost and Client.Timeout left
	// at 0 (a part may take long), CheckRedirect returning http.ErrUseLastResponse, and limits of its own on silence, which
	// net/http has none of while it sends.
	HTTPClient *http.Client `json:"-"`
}

// FromEnv returns what the environment says: OSS_ENDPOINT, OSS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and
// OSS_SESSION_TOKEN. [Open] says what is missing.
func FromEnv() Config {
	return Config{
		Endpoint:        strings.TrimSpace(os.Getenv("OSS_ENDPOINT")),
		Region:          strings.TrimSpace(os.Getenv("OSS_REGION")),
		AccessKeyID:     strings.TrimSpace(os.Getenv("OSS_ACCESS_KEY_ID")),
		AccessKeySecret: strings.TrimSpace(os.Getenv("OSS_ACCESS_KEY_SECRET")),
		SessionToken:    strings.TrimSpace(os.Getenv("OSS_SESSION_TOKEN")),
	}
}

// Open returns the bucket of that name, for [New]. It sends nothing, so the bucket may not exist. Redirects are not followed,
// and the SDK's own CRC is off: the engine compares its own with the one that the store returns.
//
// A missing credential is ErrDenied, all else that is missing or wrong is ErrInvalid; the error names the variable to set.
func Open(bucket string, c Config) (*sdk.Bucket, error) {
	if err := sdk.CheckBucketName(bucket); err != nil {
		return nil, fmt.Errorf("oss: bucket name %.70q must have 3 to 63 of a-z, 0-9 and -, and no - at either end: %w", bucket, backend.ErrInvalid)
	}
	if c.AccessKeyID == "" && c.Credentials == nil {
		return nil, fmt.Errorf("oss: no access key ID (OSS_ACCESS_KEY_ID): %w", backend.ErrDenied)
	}
	if c.AccessKeySecret == "" && c.Credentials == nil {
		return nil, fmt.Errorf("oss: no access key secret (OSS_ACCESS_KEY_SECRET): %w", backend.ErrDenied)
	}
	region := strings.TrimPrefix(c.Region, "oss-") // as the service itself writes it in a bucket's location
	if strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, fmt.Errorf("oss: region %.70q (OSS_REGION) must have only a-z, 0-9 and -: %w", c.Region, backend.ErrInvalid)
	}
	endpoint, err := c.endpoint(region, bucket)
	if err != nil {
		return nil, err
	}

	client := c.HTTPClient
	if client == nil {
		client = NewHTTPClient()
	}
	options := []sdk.ClientOption{
		sdk.HTTPClient(client),
		sdk.EnableCRC(false),
		sdk.RedirectEnabled(false), // for the SDK's record; the HTTP client decides
		sdk.ForcePathStyle(isLocalhost(endpoint.Hostname())),
	}
	if c.Credentials != nil {
		options = append(options, sdk.SetCredentialsProvider(c.Credentials))
	} else if c.SessionToken != "" {
		options = append(options, sdk.SecurityToken(c.SessionToken))
	}
	if region != "" {
		options = append(options, sdk.Region(region), sdk.AuthVersion(sdk.AuthV4))
	}
	opened, err := sdk.New(endpoint.String(), c.AccessKeyID, c.AccessKeySecret, options...)
	if err != nil {
		return nil, fmt.Errorf("oss: %w: %w", err, backend.ErrInvalid)
	}
	b, err := opened.Bucket(bucket)
	if err != nil {
		return nil, fmt.Errorf("oss: %w: %w", err, backend.ErrInvalid)
	}
	return b, nil
}

// endpoint returns the URL of the service: scheme and host, nothing else.
func (c Config) endpoint(region, bucket string) (*url.URL, error) {
	if c.Endpoint == "" && region == "" {
		return nil, fmt.Errorf("oss: no endpoint and no region (OSS_ENDPOINT, OSS_REGION): %w", backend.ErrInvalid)
	}
	text := c.Endpoint
	if text == "" {
		text = "https://oss-" + region + ".aliyuncs.com"
	}
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	// The text is not repeated in the error: it may hold a password.
	if err != nil || u.Hostname() == "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("oss: endpoint (OSS_ENDPOINT) must be a host or an http or https URL: %w", backend.ErrInvalid)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("oss: endpoint (OSS_ENDPOINT) must have only a scheme, a host and a port: %w", backend.ErrInvalid)
	}
	host := u.Hostname()
	if strings.Contains(host, "%") {
		// The SDK makes a URL of it that cannot be read, and then uses the URL nonetheless: a nil pointer.
		return nil, fmt.Errorf("oss: endpoint (OSS_ENDPOINT) must not have an IPv6 zone: %w", backend.ErrInvalid)
	}
	if strings.HasPrefix(host, bucket+".") && strings.HasSuffix(host, ".aliyuncs.com") {
		return nil, fmt.Errorf("oss: endpoint (OSS_ENDPOINT) %s must not begin with the bucket's name: %w", host, backend.ErrInvalid)
	}
	if u.Scheme == "" {
		u.Scheme = "https"
		if ip := net.ParseIP(host); isLocalhost(host) || ip != nil && ip.IsLoopback() {
			u.Scheme = "http"
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// isLocalhost reports whether host is localhost or below it (RFC 6761), which the SDK takes for a domain of the service.
func isLocalhost(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// String describes c without its credentials.
func (c Config) String() string {
	return fmt.Sprintf("endpoint %q, region %q, credentials %t", endpointHost(c.Endpoint), c.Region, c.AccessKeyID != "" || c.Credentials != nil)
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for log/slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
