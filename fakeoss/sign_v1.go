package fakeoss

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// subresources are the query parameters that a V1 signature covers, and the only ones besides those of [operations] that are
// known to select another operation or change an outcome. The list is the one of aliyun-oss-go-sdk (conn.go).
var subresources = func() map[string]bool {
	set := map[string]bool{}
	for k := range strings.FieldsSeq(`acl uploads location cors logging website referer lifecycle delete append tagging
		objectMeta uploadId partNumber security-token position img style styleName replication replicationProgress
		replicationLocation cname bucketInfo comp qos live status vod startTime endTime symlink response-content-type
		response-content-language response-expires response-cache-control response-content-disposition
		response-content-encoding udf udfName udfImage udfId udfImageDesc udfApplication udfApplicationLog restore
		callback callback-var qosInfo policy stat encryption versions versioning versionId requestPayment sequential
		inventory inventoryId continuation-token asyncFetch worm wormId wormExtend withHashContext transferAcceleration
		regionList cloudboxes metaQuery resourceGroup rtc responseHeader`) {
		set[k] = true
	}
	return set
}()

// signedV1 tells whether a V1 signature covers a query parameter. SDK v2 adds every x-oss-* one; all of SDK v1's are in its list.
func signedV1(key string) bool { return subresources[key] || strings.HasPrefix(key, "x-oss-") }

func (c *call) claimV1Header(credential string) (claim, error) {
	id, signature, ok := strings.Cut(credential, ":")
	if !ok || id == "" || signature == "" {
		return claim{}, errAuthorization()
	}
	// x-oss-date stands in for Date where a client cannot set that (browsers); it is in the headers signed as well.
	date := first(c.r.Header.Get("X-Oss-Date"), c.r.Header.Get("Date"))
	sent, err := parseDate(date)
	if err != nil {
		return claim{}, errNoDate()
	}
	if err := c.checkSkew(sent); err != nil {
		return claim{}, err
	}
	who := c.claimV1(id, signature, date)
	who.token = c.r.Header.Get("X-Oss-Security-Token")
	return who, nil
}

func (c *call) claimV1URL() (claim, error) {
	for _, k := range []string{"OSSAccessKeyId", "Expires", "Signature"} {
		if c.query.get(k) == "" {
			return claim{}, errAccessDenied("Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters.", "")
		}
	}
	expires := c.query.get("Expires")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return claim{}, errAccessDenied("Invalid date (should be seconds since epoch): "+expires, "")
	}
	if c.h.now().Unix() > seconds {
		return claim{}, errExpired(time.Unix(seconds, 0), c.h.now())
	}
	who := c.claimV1(c.query.get("OSSAccessKeyId"), c.query.get("Signature"), expires)
	who.token = c.query.get("security-token")
	return who, nil
}

func errExpired(expired, now time.Time) *serviceError {
	return errAccessDenied("Request has expired.", "").
		with("Expires", xmlTime(expired)).with("ServerTime", xmlTime(now))
}

func (c *call) claimV1(id, signature, date string) claim {
	return claim{accessKeyID: id, signature: signature, ec: "0002-00000040",
		sign: func(secret string) (string, string, string) {
			s := stringToSignV1(c.r, c.target, c.query, date)
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(s))
			return base64.StdEncoding.EncodeToString(mac.Sum(nil)), s, ""
		}}
}

// stringToSignV1 is the page "Add a signature to the header".
func stringToSignV1(r *http.Request, t target, q query, date string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + date + "\n")
	for _, line := range headerLines(r, nil) {
		b.WriteString(line)
	}
	b.WriteString("/")
	if t.bucket != "" {
		b.WriteString(t.bucket + "/" + t.key)
	}
	var fields []pair
	for _, p := range q {
		if signedV1(p.key) {
			fields = append(fields, p)
		}
	}
	slices.SortStableFunc(fields, func(x, y pair) int { return strings.Compare(x.key, y.key) })
	for i, p := range fields {
		b.WriteString(map[bool]string{true: "?", false: "&"}[i == 0] + p.key)
		if p.value != "" {
			b.WriteString("=" + p.value)
		}
	}
	return b.String()
}

// headerLines returns the x-oss-* headers and those in also (lower case), as "name:value\n", sorted by name.
func headerLines(r *http.Request, also map[string]bool) []string {
	var lines []pair
	for k, v := range r.Header {
		name := strings.ToLower(k)
		if strings.HasPrefix(name, "x-oss-") || also[name] {
			lines = append(lines, pair{name, strings.TrimSpace(strings.Join(v, ","))})
		}
	}
	if also["host"] {
		lines = append(lines, pair{"host", r.Host})
	}
	slices.SortFunc(lines, func(x, y pair) int { return strings.Compare(x.key, y.key) })
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.key + ":" + l.value + "\n"
	}
	return out
}
