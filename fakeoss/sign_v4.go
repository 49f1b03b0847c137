package fakeoss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithmV4 = "OSS4-HMAC-SHA256"

	// unsignedPayload is the only value of x-oss-content-sha256 that the page "V4 signature" allows; no body is ever signed.
	unsignedPayload = "UNSIGNED-PAYLOAD"

	// maxPresignV4 is how long a presigned URL lives at most (EC 0002-00000232).
	maxPresignV4 = 604800
)

// scopeV4 is the credential of a V4 signature: ID/yyyymmdd/region/oss/aliyun_v4_request.
type scopeV4 struct {
	accessKeyID, day, region string
	rest                     string // the scope as it is signed, without the key ID
}

func (c *call) parseScope(credential string) (scopeV4, error) {
	f := strings.Split(credential, "/")
	if len(f) != 5 || f[0] == "" || f[3] != "oss" || f[4] != "aliyun_v4_request" {
		return scopeV4{}, errInvalidArgument("Authorization", "", "Invalid Credential in Authorization header.")
	}
	if f[2] != c.h.region {
		e := errInvalidArgument("", "", "Invalid signing region in Authorization header.")
		e.ec = "0002-00000226"
		return scopeV4{}, e.with("Authorization", f[2])
	}
	return scopeV4{accessKeyID: f[0], day: f[1], region: f[2], rest: strings.Join(f[1:], "/")}, nil
}

// checkDay refuses a scope of another day than the time signed.
func (s scopeV4) checkDay(sent time.Time) error {
	if s.day == sent.UTC().Format("20060102") {
		return nil
	}
	return errInvalidArgument("", "", "Invalid signing date in Authorization header.")
}

func (c *call) claimV4Header(fields string) (claim, error) {
	credential, signature, additional, hasAdditional, err := authorizationFields(fields, "=", "Credential")
	if err != nil {
		return claim{}, err
	}
	if hasAdditional && additional == "" {
		e := errInvalidArgument("", "", "Invalid AdditionalHeaders in Authorization header.")
		e.ec = "0002-00000209"
		return claim{}, e
	}
	// SDK v1 sends no x-oss-date, and signs the Date as it stands in its header.
	date := first(c.r.Header.Get("X-Oss-Date"), c.r.Header.Get("Date"))
	sent, err := parseDate(date)
	if err != nil {
		return claim{}, errNoDate()
	}
	scope, err := c.parseScope(credential)
	if err != nil {
		return claim{}, err
	}
	if err := c.checkSkew(sent); err != nil {
		return claim{}, err
	}
	if err := scope.checkDay(sent); err != nil {
		return claim{}, err
	}
	who, err := c.claimV4(scope, date, additional, c.query)
	who.signature = signature
	who.token = c.r.Header.Get("X-Oss-Security-Token")
	return who, err
}

func (c *call) claimV4URL() (claim, error) {
	for _, k := range []string{"x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature"} {
		if c.query.get(k) == "" {
			return claim{}, errAccessDenied("Query-string authentication requires the parameter "+k+".", "")
		}
	}
	if v := c.query.get("x-oss-signature-version"); v != algorithmV4 {
		return claim{}, errInvalidArgument("x-oss-signature-version", v, "Invalid signature version.")
	}
	date, expires := c.query.get("x-oss-date"), c.query.get("x-oss-expires")
	sent, err := time.Parse(timeFormatV4, date)
	if err != nil {
		return claim{}, errInvalidArgument("x-oss-date", date, "Invalid x-oss-date.")
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || seconds < 1 || seconds > maxPresignV4 {
		e := errInvalidArgument("x-oss-expires", expires, "X-Oss-Expires must be between 1 and 604800 seconds.")
		e.ec = "0002-00000232"
		return claim{}, e
	}
	scope, err := c.parseScope(c.query.get("x-oss-credential"))
	if err != nil {
		return claim{}, err
	}
	if err := scope.checkDay(sent); err != nil {
		return claim{}, err
	}
	now := c.h.now()
	if end := sent.Add(time.Duration(seconds) * time.Second); now.After(end) {
		return claim{}, errExpired(end, now)
	}
	if sent.Sub(now) > maxSkew {
		return claim{}, c.checkSkew(sent)
	}
	signed := slices.DeleteFunc(slices.Clone(c.query), func(p pair) bool { return p.key == "x-oss-signature" })
	who, err := c.claimV4(scope, date, c.query.get("x-oss-additional-headers"), signed)
	who.signature = c.query.get("x-oss-signature")
	who.token = c.query.get("x-oss-security-token")
	return who, err
}

func (c *call) claimV4(scope scopeV4, date, additional string, q query) (claim, error) {
	names, err := additionalHeaders(c.r, additional)
	if err != nil {
		return claim{}, err
	}
	if v := c.r.Header.Get("X-Oss-Content-Sha256"); v != "" && v != unsignedPayload {
		return claim{}, errInvalidArgument("x-oss-content-sha256", v, "The value must be "+unsignedPayload+".")
	}
	return claim{accessKeyID: scope.accessKeyID, ec: "0002-00000201",
		sign: func(secret string) (string, string, string) {
			canonical := canonicalRequestV4(c.r, c.target, q, names)
			hash := sha256.Sum256([]byte(canonical))
			s := algorithmV4 + "\n" + date + "\n" + scope.rest + "\n" + hex.EncodeToString(hash[:])
			return hex.EncodeToString(hmac256(signingKeyV4(secret, scope), s)), s, canonical
		}}, nil
}

func signingKeyV4(secret string, scope scopeV4) []byte {
	key := []byte("aliyun_v4" + secret)
	for _, s := range []string{scope.day, scope.region, "oss", "aliyun_v4_request"} {
		key = hmac256(key, s)
	}
	return key
}

func hmac256(key []byte, s string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(s))
	return mac.Sum(nil)
}

// canonicalRequestV4 is the page "V4 signature": unlike V1 it has the path escaped, and all of the query.
func canonicalRequestV4(r *http.Request, t target, q query, additional []string) string {
	path := "/"
	if t.bucket != "" {
		path += t.bucket + "/" + escapePath(t.key)
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(q) + "\n")
	also := map[string]bool{"content-type": true, "content-md5": true}
	for _, name := range additional {
		also[name] = true
	}
	for _, line := range headerLines(r, also) {
		b.WriteString(line)
	}
	b.WriteString("\n" + strings.Join(additional, ";") + "\n" + unsignedPayload)
	return b.String()
}
