package fakeoss

import (
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// maxSkew is how far the clocks of client and service may differ.
const maxSkew = 15 * time.Minute

// claim is what a request says of who sent it, taken apart but not yet believed.
type claim struct {
	accessKeyID string
	token       string
	signature   string
	ec          string // the error-detail code of a wrong signature

	// sign returns the signature that the secret gives, and what was signed. canonical is the canonical request of V4.
	sign func(secret string) (signature, stringToSign, canonical string)
}

// authenticate returns whether the request is signed (false: anonymous), or the error of section "Authentication" of the
// service's pages. The checks come in the service's order as far as it is known: form, time, key, token, signature.
func (c *call) authenticate() (signed bool, err error) {
	header := c.r.Header.Get("Authorization")
	v1URL := c.query.has("OSSAccessKeyId") || c.query.has("Signature")
	v2URL := c.query.get("x-oss-signature-version") == versionV2
	v4URL := !v2URL && (c.query.has("x-oss-signature-version") || c.query.has("x-oss-signature"))
	if header != "" && (v1URL || v2URL || v4URL) || v1URL && (v2URL || v4URL) {
		return false, errInvalidArgument("", "", "Only one auth mechanism allowed; credentials are there twice, in the header or in the URL.")
	}
	var who claim
	switch {
	case strings.HasPrefix(header, "OSS4-HMAC-SHA256 "):
		who, err = c.claimV4Header(strings.TrimPrefix(header, "OSS4-HMAC-SHA256 "))
	case strings.HasPrefix(header, "OSS "):
		who, err = c.claimV1Header(strings.TrimPrefix(header, "OSS "))
	case strings.HasPrefix(header, "OSS2 "):
		who, err = c.claimV2Header(strings.TrimPrefix(header, "OSS2 "))
	case header != "":
		err = errAuthorization()
	case v2URL:
		who, err = c.claimV2URL()
	case v4URL:
		who, err = c.claimV4URL()
	case v1URL:
		who, err = c.claimV1URL()
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	cred, err := c.credential(who)
	if err != nil {
		return false, err
	}
	signature, stringToSign, canonical := who.sign(cred.AccessKeySecret)
	if subtle.ConstantTimeCompare([]byte(signature), []byte(who.signature)) != 1 {
		return false, errSignature(who, stringToSign, canonical)
	}
	c.accessKeyID = cred.AccessKeyID
	return true, nil
}

// credential finds the credential that a claim names.
func (c *call) credential(who claim) (Credential, error) {
	tokenKnown := false
	var keyKnown bool
	for _, cred := range c.h.credentials {
		if cred.SecurityToken != "" && cred.SecurityToken == who.token {
			tokenKnown = true
		}
		if cred.AccessKeyID != who.accessKeyID {
			continue
		}
		if cred.SecurityToken != who.token {
			// A temporary key is unknown without its token.
			keyKnown = keyKnown || who.token != ""
			continue
		}
		if cred.SecurityToken != "" && !cred.Expires.IsZero() && !c.h.now().Before(cred.Expires) {
			return cred, errForbidden("SecurityTokenExpired", "The security token you provided has expired.", "")
		}
		return cred, nil
	}
	switch {
	case tokenKnown:
		return Credential{}, errForbidden("AccessKeyIdAndSecurityTokenNotMatch",
			"The access key ID and the security token you provided do not match.", "")
	case keyKnown:
		return Credential{}, errForbidden("InvalidSecurityToken", "The security token you provided is invalid.", "")
	}
	return Credential{}, errForbidden("InvalidAccessKeyId",
		"The OSS Access Key Id you provided does not exist in our records.", "0002-00000902").
		with("OSSAccessKeyId", who.accessKeyID)
}

// errAuthorization: the header is not of one of the three forms.
func errAuthorization() *serviceError {
	return errInvalidArgument("Authorization", "", "Authorization header is invalid.")
}

func errForbidden(code, message, ec string) *serviceError {
	return &serviceError{status: http.StatusForbidden, code: code, message: message, ec: ec}
}

func errSignature(who claim, stringToSign, canonical string) *serviceError {
	e := errForbidden("SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.", who.ec)
	e.with("OSSAccessKeyId", who.accessKeyID).
		with("SignatureProvided", who.signature).
		with("StringToSign", stringToSign).
		with("StringToSignBytes", spacedHex(stringToSign))
	if canonical != "" {
		e.with("CanonicalRequest", canonical)
	}
	return e
}

func spacedHex(s string) string {
	digits := strings.ToUpper(hex.EncodeToString([]byte(s)))
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		b.WriteString(digits[i:i+2] + " ")
	}
	return b.String()
}

// errNoDate: the page of the status 403 says AccessDenied, the page on signatures in the header 400 InvalidArgument. The
// former is newer and more specific.
func errNoDate() *serviceError {
	return errAccessDenied("OSS authentication requires a valid Date.", "0002-00000503")
}

// checkSkew refuses a header-signed request whose clock is off.
func (c *call) checkSkew(sent time.Time) error {
	now := c.h.now()
	if d := now.Sub(sent); d <= maxSkew && d >= -maxSkew {
		return nil
	}
	return errForbidden("RequestTimeTooSkewed",
		"The difference between the request time and the current time is too large.", "0002-00000504").
		with("MaxAllowedSkewMilliseconds", "900000").
		with("RequestTime", xmlTime(sent)).
		with("ServerTime", xmlTime(now))
}

const timeFormatV4 = "20060102T150405Z"

// parseDate reads a Date or x-oss-date: both forms occur in both headers, depending on the SDK.
func parseDate(s string) (time.Time, error) {
	if t, err := time.Parse(timeFormatV4, s); err == nil {
		return t, nil
	}
	return http.ParseTime(s)
}

// xmlTime is a time as OSS writes it into XML. The milliseconds are always zero: oss2 refuses others.
func xmlTime(t time.Time) string {
	return t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}

// authorizationFields reads the list of an Authorization header of V2 and V4. The first field is named id.
func authorizationFields(list, separator, id string) (first, signature, additional string, hasAdditional bool, err error) {
	for field := range strings.SplitSeq(list, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(field), separator)
		switch k {
		case id:
			first = v
		case "Signature":
			signature = v
		case "AdditionalHeaders":
			additional, hasAdditional = v, true
		default:
			return "", "", "", false, errAuthorization()
		}
	}
	if first == "" || signature == "" {
		return "", "", "", false, errAuthorization()
	}
	return first, signature, additional, hasAdditional, nil
}
