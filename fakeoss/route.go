package fakeoss

import (
	"net/http"
	"slices"
	"strings"
)

// level is what an operation works on.
type level int

const (
	service level = iota
	bucket
	object
)

// access is what an anonymous caller needs to be granted for an operation.
type access int

const (
	private access = iota // never granted
	readObject
	writeObject
	readBucket
	writeBucket
)

// operation is one operation of the service.
type operation struct {
	name    string // as the service's API has it
	method  string
	level   level
	selects []string // the query parameters that together select the operation
	query   []string // other query parameters that it knows
	headers []string // x-oss-* headers that it knows; one that ends in a hyphen stands for all that begin so
	access  access
	serve   func(c *call) (*answer, error)
}

var (
	writeHeaders = words(`x-oss-meta- x-oss-storage-class x-oss-object-acl x-oss-tagging x-oss-forbid-overwrite
		x-oss-server-side-encryption x-oss-server-side-encryption-key-id x-oss-server-side-data-encryption`)
	copyHeaders = words(`x-oss-copy-source x-oss-copy-source-if-match x-oss-copy-source-if-none-match
		x-oss-copy-source-if-modified-since x-oss-copy-source-if-unmodified-since`)
	responseQuery = words(`response-content-type response-content-language response-expires response-cache-control
		response-content-disposition response-content-encoding`)

	// ofObject are headers of the object to be that belong to Initiate, and that ali-oss repeats with each part and with
	// Complete. They are ignored there, but for the two that Complete takes (x-oss-object-acl, x-oss-forbid-overwrite).
	ofObject = words("x-oss-meta- x-oss-object-acl x-oss-tagging x-oss-forbid-overwrite")

	// harmless are the parameters and headers that any request may have: those of the signature, and two that change
	// neither what is stored nor what is answered (a speed limit, and who pays).
	harmless = words(`OSSAccessKeyId Expires Signature security-token x-oss-signature-version x-oss-credential x-oss-access-key-id x-oss-date
		x-oss-expires x-oss-additional-headers x-oss-security-token x-oss-signature x-oss-content-sha256
		x-oss-traffic-limit x-oss-request-payer`)
)

// selectors are the sub-resources that select an operation of the service.
var selectors = words(`acl uploads uploadId location cors logging website referer lifecycle delete append tagging objectMeta style
	replication replicationProgress replicationLocation cname bucketInfo qos qosInfo live status vod symlink restore policy
	policyStatus stat encryption versions versioning requestPayment inventory worm wormId wormExtend transferAcceleration
	cloudboxes metaQuery resourceGroup rtc asyncFetch accessPoint accessPointPolicy publicAccessBlock callbackPolicy
	archiveDirectRead accessmonitor responseHeader httpsConfig regions img udf cleanRestoredObject`)

func words(s string) []string { return strings.Fields(s) }

// operations is the whole dialect that this server speaks. It is a function, since the operations lead back to it.
func operations() []operation {
	return []operation{
		{"ListBuckets", "GET", service, nil, words("prefix marker max-keys"), nil, private, (*call).listBuckets},

		{"PutBucket", "PUT", bucket, nil, nil, words("x-oss-acl"), private, (*call).putBucket},
		{"PutBucketACL", "PUT", bucket, words("acl"), nil, words("x-oss-acl"), private, (*call).putBucketACL},
		{"GetBucketACL", "GET", bucket, words("acl"), nil, nil, private, (*call).getBucketACL},
		{"DeleteBucket", "DELETE", bucket, nil, nil, nil, private, (*call).deleteBucket},
		{"GetBucketInfo", "GET", bucket, words("bucketInfo"), nil, nil, private, (*call).getBucketInfo},
		{"GetBucketLocation", "GET", bucket, words("location"), nil, nil, private, (*call).getBucketLocation},
		{"ListObjects", "GET", bucket, nil, words("prefix marker delimiter max-keys encoding-type"), nil, readBucket, (*call).listObjects},
		{"ListObjectsV2", "GET", bucket, words("list-type"),
			words("prefix continuation-token start-after delimiter max-keys encoding-type fetch-owner"), nil, readBucket, (*call).listObjectsV2},
		{"ListMultipartUploads", "GET", bucket, words("uploads"),
			words("prefix delimiter key-marker upload-id-marker max-uploads encoding-type"), nil, private, (*call).listMultipartUploads},

		{"PutObject", "PUT", object, nil, words("callback callback-var"),
			append(words("x-oss-hash-crc64ecma x-oss-callback x-oss-callback-var"), writeHeaders...), writeObject, (*call).putObject},
		// ali-oss sends every header of a copy a second time, with the prefix x-oss-copy-source-.
		{"CopyObject", "PUT", object, words(copySourceName), nil, slices.Concat(writeHeaders, copyHeaders,
			words("x-oss-copy-source- x-oss-metadata-directive x-oss-tagging-directive")), writeObject, (*call).copyObject},
		{"AppendObject", "POST", object, words("append"), words("position"), slices.DeleteFunc(
			append(words("x-oss-hash-crc64ecma"), writeHeaders...), func(name string) bool { return name == "x-oss-forbid-overwrite" }),
			writeObject, (*call).appendObject},
		{"GetObject", "GET", object, nil, responseQuery, words("x-oss-range-behavior"), readObject, (*call).getObject},
		{"HeadObject", "HEAD", object, nil, responseQuery, words("x-oss-range-behavior"), readObject, (*call).headObject},
		{"GetObjectMeta", "HEAD", object, words("objectMeta"), nil, nil, readObject, (*call).getObjectMeta},
		{"DeleteObject", "DELETE", object, nil, nil, nil, writeObject, (*call).deleteObject},
		{"DeleteMultipleObjects", "POST", bucket, words("delete"), words("encoding-type"), nil, writeBucket, (*call).deleteMultiple},
		{"PutObjectACL", "PUT", object, words("acl"), nil, words("x-oss-object-acl"), private, (*call).putObjectACL},
		{"GetObjectACL", "GET", object, words("acl"), nil, nil, private, (*call).getObjectACL},
		{"PutObjectTagging", "PUT", object, words("tagging"), nil, nil, private, (*call).putObjectTagging},
		{"GetObjectTagging", "GET", object, words("tagging"), nil, nil, private, (*call).getObjectTagging},
		{"DeleteObjectTagging", "DELETE", object, words("tagging"), nil, nil, private, (*call).deleteObjectTagging},

		{"InitiateMultipartUpload", "POST", object, words("uploads"), words("sequential encoding-type"), writeHeaders, writeObject, (*call).initiate},
		{"UploadPart", "PUT", object, words("partNumber uploadId"), nil,
			append(words("x-oss-hash-crc64ecma x-oss-server-side-encryption"), ofObject...), writeObject, (*call).uploadPart},
		{"UploadPartCopy", "PUT", object, []string{"partNumber", "uploadId", copySourceName}, nil,
			append(words("x-oss-copy-source-range x-oss-server-side-encryption"), copyHeaders...), writeObject, (*call).uploadPartCopy},
		{"ListParts", "GET", object, words("uploadId"), words("max-parts part-number-marker encoding-type"), nil, private, (*call).listParts},
		{"CompleteMultipartUpload", "POST", object, words("uploadId"), words("encoding-type callback callback-var"),
			append(words("x-oss-complete-all x-oss-hash-crc64ecma x-oss-callback x-oss-callback-var"), ofObject...), writeObject, (*call).complete},
		{"AbortMultipartUpload", "DELETE", object, words("uploadId"), nil, nil, private, (*call).abort},
	}
}

// route finds the operation that a request asks for: of those whose selecting parameters are all there, the one with most.
func (h *Handler) route(method string, t target, q query) (*operation, error) {
	on := object
	switch {
	case t.bucket == "":
		on = service
	case t.key == "":
		on = bucket
	}
	var found *operation
	var allowed []string
	known := map[string]bool{} // the parameters that select an operation here
	for i := range h.operations {
		op := &h.operations[i]
		if op.level != on {
			continue
		}
		for _, k := range op.selects {
			known[k] = true
		}
		if !slices.ContainsFunc(op.selects, func(k string) bool { return !q.has(k) }) {
			if !slices.Contains(allowed, op.method) {
				allowed = append(allowed, op.method)
			}
			if op.method == method && (found == nil || len(op.selects) > len(found.selects)) {
				found = op
			}
		}
	}
	// What selects an operation that this server has not must not end up in another one: DELETE /?lifecycle is no DeleteBucket.
	for _, p := range q {
		if slices.Contains(selectors, p.key) && (found == nil && !known[p.key] || found != nil && !slices.Contains(found.selects, p.key)) {
			return nil, errNotImplemented("sub-resource", p.key)
		}
	}
	if found == nil {
		e := &serviceError{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed",
			message: "The specified method is not allowed against this resource."}
		return nil, e.with("Method", method).with("ResourceType", [...]string{"Service", "Bucket", "Object"}[on]).
			set("Allow", strings.Join(allowed, ", "))
	}
	return found, nil
}

// known refuses a parameter or header that might change what the operation does, and that this server does not know.
func (op *operation) known(header http.Header, q query) error {
	for _, p := range q {
		if !slices.Contains(op.selects, p.key) && !slices.Contains(op.query, p.key) && !slices.Contains(harmless, p.key) {
			return errNotImplemented("query parameter", p.key)
		}
	}
	for name := range header {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, "x-oss-") || slices.Contains(harmless, name) || slices.Contains(op.headers, name) {
			continue
		}
		if slices.ContainsFunc(op.headers, func(h string) bool { return strings.HasSuffix(h, "-") && strings.HasPrefix(name, h) }) {
			continue
		}
		return errNotImplemented("header", name)
	}
	return nil
}
