package oss

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// Refresher is the optional interface of a credentials provider (sdk.CredentialsProvider) that can be told to get new credentials.
type Refresher interface {
	// Refresh gets new credentials, which the provider gives from then on. It is called when OSS has refused the present ones as expired or
	// not valid, by one call at a time, and once for all the calls that were refused meanwhile. Its context is that of such a call,
	// which the engine gives up after 30 s without a byte, and sooner beside parts that move: where getting new ones takes longer
	// than that, go on without it, and keep what comes. An error means that the provider has no others; its text gets into the
	// call's error, without the credentials and the queries of URLs in it.
	Refresh(ctx context.Context) error
}

// credentials are compared, and never printed.
type credentials struct{ id, secret, token string }

// credentials asks the provider as the SDK does for each request. Since it is asked twice, the request may be signed with newer ones than
// these; that costs a try more if they are refused as well.
func (b *Backend) credentials() (credentials, error) {
	provider := b.bucket.GetConfig().CredentialsProvider
	var c sdk.Credentials
	if e, ok := provider.(sdk.CredentialsProviderE); ok {
		var err error
		if c, err = e.GetCredentialsE(); err != nil {
			return credentials{}, err
		}
	} else {
		c = provider.GetCredentials()
	}
	if c == nil {
		return credentials{}, errors.New("the credentials provider gave none") // the SDK would panic
	}
	return credentials{c.GetAccessKeyID(), c.GetAccessKeySecret(), c.GetSecurityToken()}, nil
}

// renewal lets one call at a time ask the provider for new credentials.
type renewal struct {
	turn   chan struct{} // holds one element while a call asks
	failed atomic.Pointer[string]
}

// renew reports whether the provider has other credentials than used, after its Refresh if need be. If not, it may say why.
func (b *Backend) renew(ctx context.Context, used credentials) (bool, string) {
	before := b.renewal.failed.Load()
	select {
	case b.renewal.turn <- struct{}{}:
		defer func() { <-b.renewal.turn }()
	case <-ctx.Done():
		return false, ""
	}
	now, err := b.credentials()
	if err == nil && now != used {
		return true, ""
	}
	refresher, ok := b.bucket.GetConfig().CredentialsProvider.(Refresher)
	if !ok {
		return false, ""
	}
	if failed := b.renewal.failed.Load(); failed != before {
		return false, *failed // while this call waited
	}
	if err = refresher.Refresh(ctx); err == nil {
		now, err = b.credentials()
	}
	if err == nil && now != used {
		return true, ""
	}
	failed := "the provider gave the same again"
	if err != nil {
		failed = "the provider could not get others: " + printable(discreet(err.Error(), used, now), 300)
	}
	if ctx.Err() == nil { // else it says nothing to those who wait
		b.renewal.failed.Store(&failed)
	}
	return false, failed
}

// discreet takes credentials, and the queries of URLs, which may have a signature, out of what a provider says.
func discreet(text string, known ...credentials) string {
	for _, c := range known {
		for _, secret := range []string{c.secret, c.token, c.id} {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	words := strings.Fields(text)
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i], _, _ = strings.Cut(word, "?")
		}
	}
	return strings.Join(words, " ")
}
