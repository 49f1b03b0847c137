package oss_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"sync"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/fakeoss"
	"github.com/tidemark-go/tidemark/upload"
)

// temporary gives credentials that expire, and gets others when it is told to.
type temporary struct {
	mu  sync.Mutex
	now sdk.Credentials
	get func(context.Context) (sdk.Credentials, error) // asks whoever issues them
}

func (t *temporary) GetCredentials() sdk.Credentials {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

func (t *temporary) Refresh(ctx context.Context) error {
	next, err := t.get(ctx) // one call at a time; the lock would stop all requests
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = next
	return nil
}

// token implements sdk.Credentials.
type token struct{ id, secret, session string }

func (t token) GetAccessKeyID() string     { return t.id }
func (t token) GetAccessKeySecret() string { return t.secret }
func (t token) GetSecurityToken() string   { return t.session }

// Credentials that expire while an upload lasts: OSS refuses them, Refresh gets others, and the engine asks again at once.
func ExampleRefresher() {
	handler, err := fakeoss.New(&fakeoss.Options{Buckets: []string{"photos"}})
	if err != nil {
		log.Fatal(err)
	}
	server, err := fakeoss.Listen("127.0.0.1:0", handler)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close(context.Background())

	client := oss.NewHTTPClient()
	defer client.CloseIdleConnections()
	bucket, err := oss.Open("photos", oss.Config{
		Endpoint:   server.URL(),
		Region:     handler.Region(),
		HTTPClient: client,
		Credentials: &temporary{
			now: token{"STS.expired", "secret", "x"},
			get: func(context.Context) (sdk.Credentials, error) {
				fmt.Println("getting new credentials")
				c := handler.Credential() // in earnest: AssumeRole of STS, or the metadata server of the instance
				return token{c.AccessKeyID, c.AccessKeySecret, c.SecurityToken}, nil
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	u := upload.New(oss.New(bucket, nil), checkpoint.NewMemory(), nil)
	source := upload.NewSource(strings.NewReader("Hello, tide!"), 12, "hello", "1")
	res, err := u.Upload(context.Background(), "hello.txt", source, nil)
	fmt.Println(res.Object.Size, res.Retries, err)
	// Output:
	// getting new credentials
	// 12 1 <nil>
}
