package upload

import (
	"fmt"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
)

// BenchmarkHistory reads the log of an upload of 10,000 parts, as each resumption does.
func BenchmarkHistory(b *testing.B) {
	const parts, size = 10_000, 100 << 10
	claim := record{Kind: kindClaim, Claim: "7ZQ2JXK5PL4NVBCRDTAGFM", Location: "oss://bucket", Key: "key", Source: "/data/big.iso", Request: digest("{}")}
	list := []record{
		claim,
		{Kind: kindIntent, Claim: claim.Claim, Location: claim.Location, Key: claim.Key, Source: claim.Source, Attributes: &backend.Attributes{}},
		{Kind: kindUpload, Claim: claim.Claim, Upload: "0004B9895DBBB6EC98E36D5C6F1A2B3C", PartSize: size, Request: claim.Request},
	}
	for n := 1; n <= parts; n++ {
		list = append(list, record{
			Kind: kindPart, Claim: claim.Claim, Upload: list[2].Upload, Number: n, Offset: int64(n-1) * size, Size: size,
			ETag: fmt.Sprintf("%032X", n), CRC64: sumOf(uint64(n) * 0x9E3779B97F4A7C15), Version: digest("size=1"),
		})
	}
	var records [][]byte
	for _, r := range list {
		raw, err := r.encode()
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, raw)
	}
	b.ReportAllocs()
	for b.Loop() {
		if h := newHistory(records, false, &claim); h.damaged || len(h.current().parts) != parts {
			b.Fatal("the history is not whole")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	r := record{Kind: kindPart, Claim: "7ZQ2JXK5PL4NVBCRDTAGFM", Upload: "0004B9895DBBB6EC98E36D5C6F1A2B3C", Number: 77, Offset: 77 << 20, Size: 1 << 20,
		ETag: "9F86D081884C7D659A2FEAA0C55AD015", CRC64: sumOf(77), Version: digest("size=1")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.encode(); err != nil {
			b.Fatal(err)
		}
	}
}
