package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestJavaScript runs javascript/fake.test.js, which lists the calls that it makes, with the SDK that the lock file there
// pins. It needs node and npm, and a package registry or npm's cache.
func TestJavaScript(t *testing.T) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed; continuous integration must have it", name)
			}
			t.Skipf("%s is not installed: the JavaScript SDK was NOT run against the server", name)
		}
	}
	run(t, nil, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")

	srv := newServer(t)
	out := run(t, []string{"FAKEOSS_URL=" + srv.URL, "FAKEOSS_KEY_ID=" + srv.AccessKeyID, "FAKEOSS_KEY_SECRET=" + srv.AccessKeySecret},
		"node", "--test", "--test-reporter=tap", "fake.test.js")
	t.Logf("%s", out)

	// What the program says of itself is not enough: these requests did arrive.
	done := map[string]int{}
	for _, e := range srv.Journal() {
		if e.Acknowledged && e.Status < 300 {
			done[e.Operation]++
		}
		if e.Code == "NotImplemented" {
			t.Errorf("the server refused what the client asks for: %+v", e)
		}
	}
	for op := range strings.FieldsSeq(`PutObject GetObject HeadObject GetObjectMeta DeleteObject PutObjectACL GetObjectACL
		PutObjectTagging GetObjectTagging DeleteObjectTagging ListObjects ListObjectsV2 InitiateMultipartUpload UploadPart ListParts
		ListMultipartUploads CompleteMultipartUpload AbortMultipartUpload PutBucket GetBucketInfo GetBucketLocation ListBuckets
		DeleteBucket CopyObject UploadPartCopy AppendObject DeleteMultipleObjects PutBucketACL GetBucketACL`) {
		if done[op] == 0 {
			t.Errorf("no successful %s", op)
		}
	}
	t.Logf("successful requests by operation: %v", done)
}

// run runs a command in the directory javascript and returns what it printed.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = "javascript", append(os.Environ(), env...), 10*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
