package fakeoss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The second version of the signature is superseded and left out of the service's pages, but old clients send it. What is
// known of it: auth.go of aliyun-oss-go-sdk, and the pages of the error-detail codes.
const versionV2 = "OSS2"

func (c *call) claimV2Header(fields string) (claim, error) {
	id, signature, additional, hasAdditional, err := authorizationFields(fields, ":", "AccessKeyId")
	if err != nil {
		return claim{}, err
	}
	if hasAdditional && additional == "" {
		return claim{}, errAuthorization()
	}
	date := first(c.r.Header.Get("X-Oss-Date"), c.r.Header.Get("Date"))
	sent, err := parseDate(date)
	if err != nil {
		return claim{}, errNoDate()
	}
	if err := c.checkSkew(sent); err != nil {
		return claim{}, err
	}
	who, err := c.claimV2(id, signature, date, additional, c.query)
	who.token = c.r.Header.Get("X-Oss-Security-Token")
	return who, err
}

func (c *call) claimV2URL() (claim, error) {
	for _, k := range []string{"x-oss-access-key-id", "x-oss-expires", "x-oss-signature"} {
		if c.query.get(k) == "" {
			e := errAccessDenied("Query-string authentication requires the parameter "+k+".", "")
			if k == "x-oss-access-key-id" {
				e.ec = "0002-00000115"
			}
			return claim{}, e
		}
	}
	additional := c.query.get("x-oss-additional-headers")
	if additional == "" && c.query.has("x-oss-additional-headers") {
		return claim{}, errInvalidArgument("x-oss-additional-headers", "", "Invalid additional headers.").withEC("0002-00000076")
	}
	expires := c.query.get("x-oss-expires")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return claim{}, errAccessDenied("Invalid date (should be seconds since epoch): "+expires, "")
	}
	if c.h.now().Unix() > seconds {
		return claim{}, errExpired(time.Unix(seconds, 0), c.h.now())
	}
	signed := slices.DeleteFunc(slices.Clone(c.query), func(p pair) bool { return p.key == "x-oss-signature" })
	who, err := c.claimV2(c.query.get("x-oss-access-key-id"), c.query.get("x-oss-signature"), expires, additional, signed)
	who.token = c.query.get("security-token")
	return who, err
}

func (c *call) claimV2(id, signature, date, additional string, q query) (claim, error) {
	names, err := additionalHeaders(c.r, additional)
	// No source has a detail code for this version's wrong signature; V1's is the one of all that are not V4.
	return claim{accessKeyID: id, signature: signature, ec: "0002-00000040",
		sign: func(secret string) (string, string, string) {
			s := stringToSignV2(c.r, c.target, q, date, names)
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(s))
			return base64.StdEncoding.EncodeToString(mac.Sum(nil)), s, ""
		}}, err
}

// stringToSignV2 differs from V1's in that it has all of the query, headers that the client chooses, and the resource escaped,
// its slashes as well.
func stringToSignV2(r *http.Request, t target, q query, date string, additional []string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + date + "\n")
	also := map[string]bool{}
	for _, name := range additional {
		also[name] = true
	}
	for _, line := range headerLines(r, also) {
		b.WriteString(line)
	}
	resource := "/"
	if t.bucket != "" {
		resource += t.bucket + "/" + t.key
	}
	b.WriteString(strings.Join(additional, ";") + "\n" + escape(resource))
	if len(q) > 0 {
		b.WriteString("?" + canonicalQuery(q))
	}
	return b.String()
}

// additionalHeaders splits the list of the headers that a V2 or V4 signature covers beside the usual ones. The names come in
// lower case (the page of EC 0002-00000076), and each is to be in the request.
func additionalHeaders(r *http.Request, list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	names := strings.Split(list, ";")
	for _, name := range names {
		if name != strings.ToLower(name) {
			return nil, errInvalidArgument("AdditionalHeaders", name, "A header named in AdditionalHeaders is not in lower case.")
		}
		if name != "host" && len(r.Header.Values(name)) == 0 {
			return nil, errInvalidArgument("AdditionalHeaders", name, "A header named in AdditionalHeaders is missing.")
		}
	}
	slices.Sort(names)
	return names, nil
}

// canonicalQuery is the query escaped, and sorted after that.
func canonicalQuery(q query) string {
	fields := make([]pair, len(q))
	for i, p := range q {
		fields[i] = pair{escape(p.key), escape(p.value)}
	}
	slices.SortStableFunc(fields, func(x, y pair) int { return strings.Compare(x.key, y.key) })
	var b strings.Builder
	for i, p := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key)
		if p.value != "" {
			b.WriteString("=" + p.value)
		}
	}
	return b.String()
}

// first returns the first of the values that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
