package oss

import (
	"context"
	"errors"

	"github.com/tidemark-go/tidemark/backend"
)

// mendConnection sorts a call that got no answer by what became of its connections, and makes room for a fresh one if an idle one was
// dead.
func (b *Backend) mendConnection(ctx context.Context, e *Error, c *connections, err error, body *lentBody) {
	switch {
	case c.unreachable(ctx):
		e.causes = append(e.causes, backend.ErrUnreachable)
		e.remedy = c.failed(err)
	case c.deadIdle(ctx, err, body):
		// Others in the pool are as old: without this the next call would take one of them, and fail in the same way.
		if client := b.bucket.Client.HTTPClient; client != nil {
			client.CloseIdleConnections()
		}
		e.mended = true
	}
}

// mendRefusal puts right what OSS refused, if that can be done from here.
func (b *Backend) mendRefusal(ctx context.Context, e *Error, a *answer, with signed) {
	if !errors.Is(e, backend.ErrDenied) || ctx.Err() != nil {
		return
	}
	switch a.fault.Code {
	case "RequestTimeTooSkewed":
		if e.mended = b.setClock(a, with); e.mended {
			e.remedy += "; requests are dated by the server's from now on"
		}
	case "SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId", "AccessKeyIdAndSecurityTokenNotMatch":
		// The service's pages on EC 0002-00000004, -06, -07, -08 and -902; an access key ID of STS is unknown once it has expired.
		var failed string
		if e.mended, failed = b.renew(ctx, with.by); e.mended {
			e.remedy += "; the provider has others now"
		} else if failed != "" {
			e.remedy += "; " + failed
		}
		withContext(ctx, e)
	}
}
