package backend_test

import (
	"context"
	"iter"
	"testing"

	"github.com/tidemark-go/tidemark/backend"
)

type plain struct{ backend.MultipartBackend }

type lister struct{ backend.MultipartBackend }

func (lister) Uploads(context.Context, string) iter.Seq2[backend.Upload, error] { return nil }

type wrapper struct{ backend.MultipartBackend }

func (w wrapper) Unwrap() backend.MultipartBackend { return w.MultipartBackend }

type opaque struct{ backend.MultipartBackend }

func TestAs(t *testing.T) {
	for name, c := range map[string]struct {
		b    backend.MultipartBackend
		want bool
	}{
		"none":                         {nil, false},
		"without":                      {plain{}, false},
		"itself":                       {lister{}, true},
		"through a wrapper":            {wrapper{lister{}}, true},
		"through two":                  {wrapper{wrapper{lister{}}}, true},
		"a wrapper of nothing":         {wrapper{}, false},
		"not past one that sees calls": {opaque{lister{}}, false},
		"nor behind another":           {wrapper{opaque{lister{}}}, false},
	} {
		if _, got := backend.As[backend.UploadLister](c.b); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
