package oss_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
)

func TestETag(t *testing.T) {
	b := oss.New(open(t, "http://127.0.0.1:1", oss.Config{}), nil)
	parts := func(etags ...string) (ps []backend.Part) {
		for i, e := range etags {
			ps = append(ps, backend.Part{Number: i + 1, ETag: e})
		}
		return ps
	}
	for _, test := range []struct {
		name  string
		parts []backend.Part
		want  string
		ok    bool
	}{
		// Recorded from the service in its Python SDK's tests.
		{"vector", parts("4DE8075FB607DF4D13FBC480EA488EFA", "AF947EC157726CEA88ED83B3C989063B"), "1C787C506EABFB9B45EAAA8DB039F4B2-2", true},
		{"quoted", parts(`"4DE8075FB607DF4D13FBC480EA488EFA"`, `"AF947EC157726CEA88ED83B3C989063B"`), "1C787C506EABFB9B45EAAA8DB039F4B2-2", true},
		{"lower case", parts("4de8075fb607df4d13fbc480ea488efa", "AF947EC157726CEA88ED83B3C989063B"), "1C787C506EABFB9B45EAAA8DB039F4B2-2", true},
		{"no parts", nil, "", false},
		{"no ETag", parts(""), "", false},
		{"not an MD5", parts("4DE8075FB607DF4D13FBC480EA488EFA-2"), "", false},
		{"not hex", parts("ZZE8075FB607DF4D13FBC480EA488EFA"), "", false},
		{"too long", parts("4DE8075FB607DF4D13FBC480EA488EFA00"), "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := b.ETag(test.parts)
			if got != test.want || ok != test.ok {
				t.Errorf("ETag = %q, %v, want %q, %v", got, ok, test.want, test.ok)
			}
		})
	}
}
