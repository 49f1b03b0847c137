// Package tidemark is the root of a library that uploads large files to object stores so that no interruption costs more
// than the parts in flight, and none ever produces a wrong object. It holds no code:
//
//   - [github.com/tidemark-go/tidemark/upload] is the engine,
//   - [github.com/tidemark-go/tidemark/backend] the contract with a store; backend/oss and backend/memory implement it,
//   - [github.com/tidemark-go/tidemark/checkpoint] keeps what must outlive a process,
//   - [github.com/tidemark-go/tidemark/fakeoss] is a fake OSS server to test against,
//   - cmd/tidemark is the command.
package tidemark
