package oss

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// remedy says what a person can do about an answer, in a few words; empty if the code says enough.
func remedy(op operation, a *answer) string {
	switch a.fault.Code {
	case "AccessDenied":
		if a.fault.Endpoint != "" {
			return "the bucket is reached through endpoint " + printable(a.fault.Endpoint, 200)
		}
		return "the credentials need " + op.action() + " on this bucket and key"
	case "InvalidAccessKeyId":
		return "the access key ID does not exist or is disabled"
	case "SignatureDoesNotMatch":
		return "check the access key secret"
	case "SecurityTokenExpired":
		return "the temporary credentials have expired: get new ones"
	case "InvalidSecurityToken":
		return "the session token is not valid: get new temporary credentials"
	case "AccessKeyIdAndSecurityTokenNotMatch":
		return "the session token belongs to another access key: set both from the same temporary credentials"
	case "RequestTimeTooSkewed":
		return clockSkew(a, time.Now())
	case "UserDisable":
		return "the account is disabled, for instance because a payment is overdue"
	case "SecondLevelDomainForbidden":
		return "this endpoint does not take path-style addresses: turn path style off"
	case "KmsServiceNotEnabled":
		return "enable KMS for the account, or ask for another encryption"
	case "NoSuchBucket":
		return "check the bucket's name and the endpoint"
	}
	if a.status >= 300 && a.status < 400 {
		if to, err := url.Parse(a.header.Get("Location")); err == nil && to.Host != "" {
			return "redirected to " + printable(to.Host, 200) + ", which is not followed: check the endpoint"
		}
		return "redirects are not followed: check the endpoint"
	}
	if a.fault.RequestID == "" {
		return fmt.Sprintf("the answer has no %s, so it is not from OSS but from something in between", sdk.HTTPHeaderOssRequestID)
	}
	return ""
}

// clockSkew says by how much the clock of this machine is wrong, from the times in the error document or, where it has
// none, from the Date of the answer and now.
func clockSkew(a *answer, now time.Time) string {
	server, err := time.Parse(time.RFC3339, a.fault.ServerTime)
	if err != nil {
		if server, err = http.ParseTime(a.header.Get(sdk.HTTPHeaderDate)); err != nil {
			return "set this machine's clock"
		}
	}
	if sent, err := time.Parse(time.RFC3339, a.fault.RequestTime); err == nil {
		now = sent
	}
	skew, direction := now.Sub(server).Round(time.Second), "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	return fmt.Sprintf("set this machine's clock, which is %s %s the server's", skew, direction)
}
