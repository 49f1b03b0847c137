// Package fakeoss is a fake of Alibaba Cloud OSS for tests: an [http.Handler] that speaks the service's dialect, so that
// programs and SDKs, in any language, talk to it as they are.
//
// In a Go test, [NewServer] is all that is needed. For a process of its own, make a [Handler] with [New] and serve it with
// [Listen] or any HTTP server; with [Options].Dir everything survives the process, unfinished uploads included.
//
// The server is strict. Signatures V1, V2 and V4 are verified, in the header and in the URL; limits are enforced; errors carry
// the service's status, code, error-detail code and elements; what the server does not know is refused with 501, by name,
// instead of being ignored. It speaks: PutBucket, DeleteBucket, GetBucketInfo, GetBucketLocation, ListBuckets, PutObject,
// GetObject, HeadObject, GetObjectMeta, CopyObject, AppendObject, DeleteObject, DeleteMultipleObjects, ListObjects,
// ListObjectsV2, the ACLs of buckets and objects, the tags of objects, and the whole of multipart upload, UploadPartCopy
// included. Callbacks of PutObject and CompleteMultipartUpload are made, but only to this machine.
//
// Who has signed may do everything, unless [Options].Policy says otherwise: it is asked for each permission by the name that
// the service's policies have for it, so that a test can take one away.
//
// A [Fault] makes one request go wrong, at a chosen moment: before it takes effect, within its body, after it took effect
// but before the answer, or later. [Handler.Journal] tells afterwards what happened.
package fakeoss
