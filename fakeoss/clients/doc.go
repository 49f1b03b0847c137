// Package clients has nothing but tests: clients of OSS that other people wrote, exactly as they are published, drive the
// fake server. They are a module of their own so that the library's users do not need what these clients need.
//
//   - alibabacloud-oss-go-sdk-v2: sdkv2_*_test.go
//   - ali-oss, the JavaScript SDK: javascript/, driven by TestJavaScript; it needs node and npm
//
// The Go SDK v1 is what the adapter of the main module is built on; its tests are in fakeoss (sdk_test.go).
package clients
