package checkpoint

import (
	"fmt"
	"testing"
)

// partRecord is a record of the size that the engine writes for a part.
func partRecord(n int) []byte {
	return fmt.Appendf(nil, `{"kind":"part","claim":"7ZQ2JXK5PL4NVBCRDTAGFM","upload":"0004B9895DBBB6EC98E36D5C6F1A2B3C","number":%d,"offset":%d,`+
		`"size":102400,"etag":"9F86D081884C7D659A2FEAA0C55AD015","crc64":"%016x","version":"pmWkWSBCL51Bfkhn79xPug"}`, n, n*102400, uint64(n)*0x9E3779B97F4A7C15)
}

func BenchmarkAppend(b *testing.B) {
	for name, open := range map[string]func() Store{
		"File":   func() Store { return newFile(b, "") },
		"Memory": func() Store { return &Memory{} },
	} {
		b.Run(name, func(b *testing.B) {
			store, rec, at := open(), partRecord(1), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := store.Append(b.Context(), "id", at, rec); err != nil {
					b.Fatal(err)
				}
				at++
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	const parts = 10_000
	file := newFile(b, "")
	for at := range parts {
		if err := file.Append(b.Context(), "id", at, partRecord(at+1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if recs, err := file.Load(b.Context(), "id"); err != nil || len(recs) != parts {
			b.Fatal(len(recs), err)
		}
	}
}
