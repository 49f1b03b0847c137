package fakeoss

// PolicyRequest is one permission that a request needs. A request may need several; each is asked for.
type PolicyRequest struct {
	// AccessKeyID is that of who signed the request; empty if nobody did. An anonymous request comes this far only if an ACL
	// lets it.
	AccessKeyID string

	// Action is the name that RAM policies have for it: oss:PutObject, oss:ListParts, kms:Decrypt.
	Action string

	// Bucket and Key are what it is asked on. Bucket is empty for ListBuckets, Key for what is done to a bucket.
	Bucket, Key string
}

// Resource is what RAM policies call Bucket and Key: acs:oss:*:*:bucket/key.
func (p PolicyRequest) Resource() string {
	const prefix = "acs:oss:*:*:"
	switch {
	case p.Bucket == "":
		return prefix + "*"
	case p.Key == "":
		return prefix + p.Bucket
	}
	return prefix + p.Bucket + "/" + p.Key
}

// Actions that more than the table speaks of.
const (
	actionGetObject        = "oss:GetObject"
	actionGetObjectTagging = "oss:GetObjectTagging"
	actionPutObject        = "oss:PutObject"
	actionPutTagging       = "oss:PutObjectTagging"
	actionDeleteObject     = "oss:DeleteObject"
)

// actions is the action that each operation needs on what it addresses (the page "RAM Policy", and the pages of the
// operations). What depends on headers or the body is in [call.permissions] and [call.deleteMultiple].
var actions = map[string]string{
	"ListBuckets":          "oss:ListBuckets",
	"PutBucket":            "oss:PutBucket",
	"DeleteBucket":         "oss:DeleteBucket",
	"GetBucketInfo":        "oss:GetBucketInfo",
	"GetBucketLocation":    "oss:GetBucketLocation",
	"PutBucketACL":         "oss:PutBucketAcl",
	"GetBucketACL":         "oss:GetBucketAcl",
	"ListObjects":          "oss:ListObjects",
	"ListObjectsV2":        "oss:ListObjects",
	"ListMultipartUploads": "oss:ListMultipartUploads",

	"PutObject":             actionPutObject,
	"CopyObject":            actionPutObject, // and oss:GetObject on the source
	"AppendObject":          actionPutObject,
	"GetObject":             actionGetObject,
	"HeadObject":            actionGetObject,
	"GetObjectMeta":         actionGetObject,
	"DeleteObject":          actionDeleteObject,
	"DeleteMultipleObjects": "", // oss:DeleteObject on each key of the body
	"PutObjectACL":          "oss:PutObjectAcl",
	"GetObjectACL":          "oss:GetObjectAcl",
	"PutObjectTagging":      actionPutTagging,
	"GetObjectTagging":      actionGetObjectTagging,
	"DeleteObjectTagging":   "oss:DeleteObjectTagging",

	"InitiateMultipartUpload": actionPutObject,
	"UploadPart":              actionPutObject,
	"UploadPartCopy":          actionPutObject, // and oss:GetObject on the source
	"CompleteMultipartUpload": actionPutObject,
	"ListParts":               "oss:ListParts",
	"AbortMultipartUpload":    "oss:AbortMultipartUpload",
}

// permissions lists what the request needs, without what its body names.
func (c *call) permissions() ([]PolicyRequest, error) {
	here := func(action string) PolicyRequest {
		return PolicyRequest{AccessKeyID: c.accessKeyID, Action: action, Bucket: c.target.bucket, Key: c.target.key}
	}
	var list []PolicyRequest
	if c.op.copies() {
		src, err := c.copySource()
		if err != nil {
			return nil, err
		}
		list = append(list, PolicyRequest{AccessKeyID: c.accessKeyID, Action: actionGetObject, Bucket: src.bucket, Key: src.key})
		if c.op.name == "CopyObject" && c.r.Header.Get("X-Oss-Tagging") != "" {
			list = append(list, PolicyRequest{AccessKeyID: c.accessKeyID, Action: actionGetObjectTagging, Bucket: src.bucket, Key: src.key})
		}
	}
	action := actions[c.op.name]
	if action != "" {
		list = append(list, here(action))
	}
	if action == actionPutObject {
		if c.r.Header.Get("X-Oss-Tagging") != "" {
			list = append(list, here(actionPutTagging))
		}
		if c.usesKMS() {
			list = append(list, here("kms:GenerateDataKey"), here("kms:Decrypt"))
		}
	}
	return list, nil
}

// usesKMS tells whether what the request writes is encrypted with a key of the key service, by its own headers or by those
// that its upload was initiated with.
func (c *call) usesKMS() bool {
	const kms = "KMS"
	if c.r.Header.Get("X-Oss-Server-Side-Encryption") == kms {
		return true
	}
	up, err := c.h.uploads.find(c.target, c.query.get("uploadId"), "")
	return err == nil && up.meta.Object.Header["x-oss-server-side-encryption"] == kms
}

// permit asks the policy for everything that the request needs.
func (c *call) permit() error {
	if c.h.policy == nil {
		return nil
	}
	list, err := c.permissions()
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := c.ask(p); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the policy for one permission. The error is that of an action that no policy allows (the page of EC 0003-00000202).
func (c *call) ask(p PolicyRequest) error {
	if c.h.policy == nil || c.h.policy(p) {
		return nil
	}
	e := errAccessDenied("You have no right to access this object.", "0003-00000202")
	e.detail = append(e.detail, element{name: "AccessDeniedDetail", children: []element{
		{name: "PolicyType", value: "AccountLevelIdentityBasedPolicy"},
		{name: "NoPermissionType", value: "ImplicitDeny"},
		{name: "AuthAction", value: p.Action},
	}})
	return e
}
