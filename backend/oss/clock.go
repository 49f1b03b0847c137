package oss

import (
	"net/http"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// clockMoved is how far a clock must be from where a call took it to be, for another try to make sense. The service allows 15 minutes
// (EC 0002-00000504), so what is less is not what it refused.
const clockMoved = time.Minute

// signed is what a call was signed with.
type signed struct {
	at     time.Time     // by the clock of this machine
	offset time.Duration // added to it
	by     credentials
}

// date is the Date header of the request. The SDK puts it into the signature as it stands, in V1, V2 and V4, and takes the day of V4's
// scope from it.
func (s signed) date() string { return s.at.Add(s.offset).UTC().Format(http.TimeFormat) }

// setClock learns the server's time from a refusal of the date. It reports whether this call, if made again, is dated otherwise than it
// was: by more than clockMoved, so that a server that refuses its own time too is not asked for ever.
func (b *Backend) setClock(a *answer, s signed) bool {
	// The document has the time at which the request was looked at, which is when it began to be sent; Date that of the answer, which may be
	// minutes later, after all of a body.
	local := s.at
	server, err := time.Parse(time.RFC3339, a.fault.ServerTime)
	if err != nil {
		local = time.Now()
		if server, err = http.ParseTime(a.header.Get(sdk.HTTPHeaderDate)); err != nil {
			return false
		}
	}
	offset := server.Sub(local)
	if (offset - s.offset).Abs() <= clockMoved {
		return false
	}
	b.clock.Store(int64(offset))
	return true
}
