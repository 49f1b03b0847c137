package fakeoss

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// serviceError is an answer of OSS that says no. Code, status and EC (the error-detail code) are those of the service's
// pages "HTTP status code" and "EC error codes"; ec is empty where no page and no recorded answer gives one.
type serviceError struct {
	status  int
	code    string
	message string
	ec      string
	detail  []element   // the elements that only this code has
	header  http.Header // what the answer carries beside the usual
}

type element struct {
	name, value string
	children    []element // instead of value
}

func (e *serviceError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

// with adds an element to the error.
func (e *serviceError) with(name, value string) *serviceError {
	e.detail = append(e.detail, element{name: name, value: value})
	return e
}

func (e *serviceError) set(name, value string) *serviceError {
	if e.header == nil {
		e.header = http.Header{}
	}
	e.header[name] = []string{value}
	return e
}

// document is the body of the answer. It is written by hand, since the names of its elements are data.
func (e *serviceError) document(requestID, host string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Error>\n")
	line := func(name, value string) {
		b.WriteString("  <" + name + ">")
		// A bytes.Buffer does not fail.
		_ = xml.EscapeText(&b, []byte(value))
		b.WriteString("</" + name + ">\n")
	}
	line("Code", e.code)
	line("Message", e.message)
	line("RequestId", requestID)
	line("HostId", host)
	for _, d := range e.detail {
		if d.children == nil {
			line(d.name, d.value)
			continue
		}
		b.WriteString("  <" + d.name + ">\n")
		for _, child := range d.children {
			line(child.name, child.value)
		}
		b.WriteString("  </" + d.name + ">\n")
	}
	if e.ec != "" {
		line("EC", e.ec)
		line("RecommendDoc", "https://api.aliyun.com/troubleshoot?q="+e.ec)
	}
	b.WriteString("</Error>\n")
	return b.Bytes()
}

// answer is e as it leaves. A HEAD has no body: the document goes into a header, where both Go SDKs look for it.
func (e *serviceError) answer(method, requestID, host string) *answer {
	a := &answer{status: e.status, header: http.Header{}, code: e.code}
	for k, v := range e.header {
		a.header[k] = v
	}
	if e.status == http.StatusNotModified {
		return a
	}
	a.body = e.document(requestID, host)
	a.header["Content-Type"] = []string{"application/xml"}
	if e.ec != "" {
		a.header["x-oss-ec"] = []string{e.ec}
	}
	if method == http.MethodHead {
		a.header["x-oss-err"] = []string{base64.StdEncoding.EncodeToString(a.body)}
	}
	return a
}

func errAccessDenied(message, ec string) *serviceError {
	return &serviceError{status: http.StatusForbidden, code: "AccessDenied", message: message, ec: ec}
}

func errInvalidArgument(name, value, message string) *serviceError {
	e := &serviceError{status: http.StatusBadRequest, code: "InvalidArgument", message: message}
	if name != "" {
		e.with("ArgumentName", name).with("ArgumentValue", value)
	}
	return e
}

func errBadRequest(code, message string) *serviceError {
	return &serviceError{status: http.StatusBadRequest, code: code, message: message}
}

func errMissingArgument(name string) *serviceError {
	return errBadRequest("MissingArgument", "Missing Some Required Arguments.").with("ArgumentName", name)
}

func errMissingContentLength() *serviceError {
	return &serviceError{status: http.StatusLengthRequired, code: "MissingContentLength", ec: "0017-00000101",
		message: "You must provide the Content-Length HTTP header."}
}

func errInvalidObjectName(key string) *serviceError {
	return errBadRequest("InvalidObjectName", "The specified object is not valid.").with("ObjectName", key)
}

func errMalformedXML() *serviceError {
	return errBadRequest("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.")
}

// errNotImplemented refuses what this server does not know. The real service has the code with the status 400, for headers
// that it does not support; the status 501 keeps "the fake cannot" apart from every answer of the service.
func errNotImplemented(kind, name string) *serviceError {
	e := &serviceError{status: http.StatusNotImplemented, code: "NotImplemented"}
	e.message = fmt.Sprintf("This fake server does not implement the %s %s.", kind, name)
	return e.with("Header", name)
}

func errNoSuchBucket(bucket string) *serviceError {
	e := &serviceError{status: http.StatusNotFound, code: "NoSuchBucket", ec: "0015-00000101"}
	e.message = "The specified bucket does not exist."
	return e.with("BucketName", bucket)
}

func errNoSuchKey(key string) *serviceError {
	e := &serviceError{status: http.StatusNotFound, code: "NoSuchKey", ec: "0026-00000001"}
	e.message = "The specified key does not exist."
	return e.with("Key", key)
}

// The error-detail code of NoSuchUpload depends on the operation; official clients compare it in their tests.
const (
	ecNoSuchUpload     = "0042-00000002" // Abort and ListParts; used for Complete too, where no source names one
	ecNoSuchUploadPart = "0042-00000104"
	ecMalformedUpload  = "0017-00000244"
)

func errNoSuchUpload(id, ec string) *serviceError {
	e := &serviceError{status: http.StatusNotFound, code: "NoSuchUpload", ec: ec}
	e.message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
	return e.with("UploadId", id)
}

func errFileAlreadyExists() *serviceError {
	return &serviceError{status: http.StatusConflict, code: "FileAlreadyExists",
		message: "The object you specified already exists and can not be overwritten."}
}

func errPreconditionFailed(condition string) *serviceError {
	e := &serviceError{status: http.StatusPreconditionFailed, code: "PreconditionFailed"}
	e.message = "At least one of the pre-conditions you specified did not hold."
	return e.with("Condition", condition)
}

func errInternal() *serviceError {
	return &serviceError{status: http.StatusInternalServerError, code: "InternalError",
		message: "We encountered an internal error. Please try again."}
}

func (e *serviceError) withEC(ec string) *serviceError {
	e.ec = ec
	return e
}

func isNoSuchKey(err error) bool {
	var se *serviceError
	return errors.As(err, &se) && se.code == "NoSuchKey"
}
