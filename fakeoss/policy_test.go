package fakeoss_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/fakeoss"
)

// A writer that may not read what it wrote: permission failures can be tested for each action and key.
func ExampleOptions_policy() {
	runExample(func(t fakeoss.TB) {
		srv := fakeoss.NewServer(t, &fakeoss.Options{
			Buckets: []string{"reports"},
			Policy: func(p fakeoss.PolicyRequest) bool {
				fmt.Println("may", p.Action, "on", p.Resource())
				return p.Action != "oss:GetObject"
			},
		})
		client, err := oss.New(srv.URL, srv.AccessKeyID, srv.AccessKeySecret)
		if err != nil {
			t.Fatalf("%v", err)
		}
		bucket, err := client.Bucket("reports")
		if err != nil {
			t.Fatalf("%v", err)
		}
		if err := bucket.PutObject("2026.txt", strings.NewReader("all is well")); err != nil {
			t.Fatalf("%v", err)
		}
		_, err = bucket.GetObject("2026.txt")
		var se oss.ServiceError
		fmt.Println(errors.As(err, &se), se.StatusCode, se.Code)
	})
	// Output:
	// may oss:PutObject on acs:oss:*:*:reports/2026.txt
	// may oss:GetObject on acs:oss:*:*:reports/2026.txt
	// true 403 AccessDenied
}

// asked is a policy that notes what it is asked, and denies what it is told to.
type asked struct {
	mu   sync.Mutex
	list []string
	deny func(fakeoss.PolicyRequest) bool
}

func (a *asked) policy(p fakeoss.PolicyRequest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, p.Action+" "+strings.TrimPrefix(p.Resource(), "acs:oss:*:*:"))
	return a.deny == nil || !a.deny(p)
}

func (a *asked) take(deny func(fakeoss.PolicyRequest) bool) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list, a.deny = nil, deny
	return list
}

// TestPolicyActions is the table of the actions that each operation needs. Each of them, denied alone, refuses the request.
func TestPolicyActions(t *testing.T) {
	a := &asked{}
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Policy: a.policy})
	id := initiate(t, srv, "/bucket/k?uploads")
	secret := do(t, srv, request{method: "POST", path: "/bucket/s?uploads", header: map[string]string{"x-oss-server-side-encryption": "KMS"}}).element("UploadId")
	want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/src", body: "x"}), 200, nil)
	source := map[string]string{"x-oss-copy-source": "/bucket/src"}
	body := deleteBody("true", "x", "y")
	for _, c := range []struct {
		name    string
		rq      request
		actions []string
	}{
		{"ListBuckets", request{method: "GET", path: "/"}, []string{"oss:ListBuckets *"}},
		{"PutBucket", request{method: "PUT", path: "/bucket/"}, []string{"oss:PutBucket bucket"}},
		{"GetBucketInfo", request{method: "GET", path: "/bucket/?bucketInfo"}, []string{"oss:GetBucketInfo bucket"}},
		{"GetBucketLocation", request{method: "GET", path: "/bucket/?location"}, []string{"oss:GetBucketLocation bucket"}},
		{"PutBucketACL", request{method: "PUT", path: "/bucket/?acl", header: map[string]string{"x-oss-acl": "private"}}, []string{"oss:PutBucketAcl bucket"}},
		{"GetBucketACL", request{method: "GET", path: "/bucket/?acl"}, []string{"oss:GetBucketAcl bucket"}},
		{"ListObjects", request{method: "GET", path: "/bucket/"}, []string{"oss:ListObjects bucket"}},
		{"ListObjectsV2", request{method: "GET", path: "/bucket/?list-type=2"}, []string{"oss:ListObjects bucket"}},
		{"ListMultipartUploads", request{method: "GET", path: "/bucket/?uploads"}, []string{"oss:ListMultipartUploads bucket"}},
		{"PutObject", request{method: "PUT", path: "/bucket/k", body: "x"}, []string{"oss:PutObject bucket/k"}},
		{"PutObject with tags", request{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-oss-tagging": "a=b"}},
			[]string{"oss:PutObject bucket/k", "oss:PutObjectTagging bucket/k"}},
		{"PutObject with KMS", request{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-oss-server-side-encryption": "KMS"}},
			[]string{"oss:PutObject bucket/k", "kms:GenerateDataKey bucket/k", "kms:Decrypt bucket/k"}},
		{"PutObject with AES256", request{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-oss-server-side-encryption": "AES256"}},
			[]string{"oss:PutObject bucket/k"}},
		{"AppendObject", request{method: "POST", path: "/bucket/a?append&position=0", body: "x"}, []string{"oss:PutObject bucket/a"}},
		{"CopyObject", request{method: "PUT", path: "/bucket/c", header: source}, []string{"oss:GetObject bucket/src", "oss:PutObject bucket/c"}},
		{"CopyObject with tags", request{method: "PUT", path: "/bucket/c", header: map[string]string{"x-oss-copy-source": "/bucket/src", "x-oss-tagging": "a"}},
			[]string{"oss:GetObject bucket/src", "oss:GetObjectTagging bucket/src", "oss:PutObject bucket/c", "oss:PutObjectTagging bucket/c"}},
		{"GetObject", request{method: "GET", path: "/bucket/src"}, []string{"oss:GetObject bucket/src"}},
		{"HeadObject", request{method: "HEAD", path: "/bucket/src"}, []string{"oss:GetObject bucket/src"}},
		{"GetObjectMeta", request{method: "HEAD", path: "/bucket/src?objectMeta"}, []string{"oss:GetObject bucket/src"}},
		{"PutObjectACL", request{method: "PUT", path: "/bucket/src?acl", header: map[string]string{"x-oss-object-acl": "private"}}, []string{"oss:PutObjectAcl bucket/src"}},
		{"GetObjectACL", request{method: "GET", path: "/bucket/src?acl"}, []string{"oss:GetObjectAcl bucket/src"}},
		{"PutObjectTagging", request{method: "PUT", path: "/bucket/src?tagging", body: "<Tagging><TagSet></TagSet></Tagging>"}, []string{"oss:PutObjectTagging bucket/src"}},
		{"GetObjectTagging", request{method: "GET", path: "/bucket/src?tagging"}, []string{"oss:GetObjectTagging bucket/src"}},
		{"DeleteObjectTagging", request{method: "DELETE", path: "/bucket/src?tagging"}, []string{"oss:DeleteObjectTagging bucket/src"}},
		{"InitiateMultipartUpload", request{method: "POST", path: "/bucket/i?uploads"}, []string{"oss:PutObject bucket/i"}},
		{"UploadPart", request{method: "PUT", path: "/bucket/k?partNumber=1&uploadId=" + id, body: "x"}, []string{"oss:PutObject bucket/k"}},
		{"UploadPart with KMS", request{method: "PUT", path: "/bucket/s?partNumber=1&uploadId=" + secret, body: "x"},
			[]string{"oss:PutObject bucket/s", "kms:GenerateDataKey bucket/s", "kms:Decrypt bucket/s"}},
		{"UploadPartCopy", request{method: "PUT", path: "/bucket/k?partNumber=1&uploadId=" + id, header: source},
			[]string{"oss:GetObject bucket/src", "oss:PutObject bucket/k"}},
		{"ListParts", request{method: "GET", path: "/bucket/k?uploadId=" + id}, []string{"oss:ListParts bucket/k"}},
		{"CompleteMultipartUpload", request{method: "POST", path: "/bucket/k?uploadId=" + id, body: list()}, []string{"oss:PutObject bucket/k"}},
		{"AbortMultipartUpload", request{method: "DELETE", path: "/bucket/s?uploadId=" + secret}, []string{"oss:AbortMultipartUpload bucket/s"}},
		{"DeleteMultipleObjects", request{method: "POST", path: "/bucket/?delete", body: body, header: map[string]string{"Content-MD5": contentMD5(body)}},
			[]string{"oss:DeleteObject bucket/x", "oss:DeleteObject bucket/y"}},
		{"DeleteObject", request{method: "DELETE", path: "/bucket/src"}, []string{"oss:DeleteObject bucket/src"}},
		{"DeleteBucket", request{method: "DELETE", path: "/bucket/"}, []string{"oss:DeleteBucket bucket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, denied := range c.actions {
				a.take(func(p fakeoss.PolicyRequest) bool {
					if p.AccessKeyID != srv.AccessKeyID {
						t.Errorf("asked for the key %q", p.AccessKeyID)
					}
					return p.Action+" "+strings.TrimPrefix(p.Resource(), "acs:oss:*:*:") == denied
				})
				r := do(t, srv, c.rq)
				if c.rq.method == "HEAD" {
					want(t, denied, r, 403, map[string]string{"x-oss-ec": "0003-00000202"})
					continue
				}
				wantError(t, denied, r, 403, "AccessDenied", "0003-00000202")
				if got := r.element("AuthAction"); got != strings.Fields(denied)[0] || !strings.Contains(r.body, "<AccessDeniedDetail>") {
					t.Errorf("%s: AuthAction %q", denied, got)
				}
			}
			a.take(nil)
			r := do(t, srv, c.rq)
			if r.StatusCode >= 400 && c.name != "DeleteBucket" {
				t.Errorf("granted: %d %s", r.StatusCode, r.body)
			}
			if diff := cmp.Diff(c.actions, a.take(nil)); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			e := srv.Journal()
			if got, wanted := e[len(e)-1].Operation, strings.Fields(c.name)[0]; got != wanted {
				t.Errorf("the operation is %s, want %s", got, wanted)
			}
		})
	}
}

// TestPolicyDeniesNothingHappens: a DeleteMultipleObjects with one key that is denied deletes none.
func TestPolicyDeniesNothingHappens(t *testing.T) {
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Policy: func(p fakeoss.PolicyRequest) bool {
		return p.Action != "oss:DeleteObject" || p.Key != "b"
	}})
	for _, k := range []string{"a", "b"} {
		want(t, "put", do(t, srv, request{method: "PUT", path: "/bucket/" + k}), 200, nil)
	}
	body := deleteBody("true", "a", "b")
	r := do(t, srv, request{method: "POST", path: "/bucket/?delete", body: body, header: map[string]string{"Content-MD5": contentMD5(body)}})
	wantError(t, "delete", r, 403, "AccessDenied", "0003-00000202")
	want(t, "head", do(t, srv, request{method: "HEAD", path: "/bucket/a"}), 200, nil)
}

// TestPolicyAnonymous: what an ACL grants to everybody the policy can still deny, and what it does not is never asked.
func TestPolicyAnonymous(t *testing.T) {
	a := &asked{}
	srv := fakeoss.NewServer(t, &fakeoss.Options{Buckets: []string{"bucket"}, Policy: a.policy})
	anonymous := request{method: "GET", path: "/bucket/", raw: true}
	wantError(t, "private", do(t, srv, anonymous), 403, "AccessDenied", "0003-00000001")
	if list := a.take(nil); len(list) != 0 {
		t.Errorf("the policy was asked: %v", list)
	}
	want(t, "acl", do(t, srv, request{method: "PUT", path: "/bucket/?acl", header: map[string]string{"x-oss-acl": "public-read"}}), 200, nil)
	want(t, "public", do(t, srv, anonymous), 200, nil)
	a.take(func(p fakeoss.PolicyRequest) bool { return p.AccessKeyID == "" })
	wantError(t, "denied", do(t, srv, anonymous), 403, "AccessDenied", "0003-00000202")
	if list := a.take(nil); !slices.Equal(list, []string{"oss:ListObjects bucket"}) {
		t.Errorf("asked %v", list)
	}
}
