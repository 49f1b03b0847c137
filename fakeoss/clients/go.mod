module github.com/tidemark-go/tidemark/fakeoss/clients

go 1.25.0

require (
	github.com/aliyun/alibabacloud-oss-go-sdk-v2 v1.6.1
	github.com/google/go-cmp v0.7.0
	github.com/tidemark-go/tidemark v0.0.0-00010101000000-000000000000
)

require (
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/johannesboyne/gofakes3 v1.2.0 // indirect
	github.com/ryszard/goskiplist v0.0.0-20150312221310-2dfbae5fcf46 // indirect
	go.shabbyrobe.org/gocovmerge v0.0.0-20230507111327-fa4f82cfbf4d // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.8.0 // indirect
)

replace github.com/tidemark-go/tidemark => ../..

ignore ./javascript/node_modules

