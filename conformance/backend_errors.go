package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/backend"
)

func etagComputed(s *subject) {
	e, ok := backend.As[backend.ETagger](s.b)
	if !ok {
		s.without("ETagger")
		return
	}
	seen := map[string]string{}
	for _, seeds := range [][]int64{{1}, {2}, {1, 2}, {2, 1}, {1, 2, 3}} {
		u := s.create(s.key("a"))
		var stored []backend.Part
		for i, seed := range seeds {
			stored = append(stored, s.upload(u, i+1, content(seed, s.size)))
		}
		list := slices.Clone(stored)
		want, ok := e.ETag(list)
		if !slices.Equal(list, stored) {
			s.Errorf("ETag changed the slice of parts")
		}
		o := s.complete(u, stored...)
		switch {
		case !ok:
			s.t.Logf("ETag of parts with the contents %v says that it cannot be known", seeds)
			continue
		case o.ETag != want && o.ETag != "":
			s.Errorf("ETag of parts with the contents %v returned %q; Complete gave the object %q", seeds, want, o.ETag)
		}
		if other, ok := seen[want]; ok {
			s.Errorf("ETag returned %q for parts with the contents %v and with %s", want, seeds, other)
		}
		seen[want] = fmt.Sprint(seeds)
	}
}

func errorsKeepSecrets(s *subject) {
	if len(s.f.Secrets) == 0 {
		s.t.Log("the fixture names no secrets")
	}
	look := func(what, text string) {
		for i, secret := range s.f.Secrets {
			if secret != "" && strings.Contains(text, secret) {
				s.Errorf("%s holds Secrets[%d]: %s", what, i, strings.ReplaceAll(text, secret, "(the secret)"))
			}
		}
	}
	fails := func(what string, err error) {
		if err != nil {
			look("the error of "+what, err.Error())
			look("the error of "+what+", in detail,", fmt.Sprintf("%+v %#v", err, err))
		}
	}
	look("Info().Location", s.info.Location)
	u := s.create(s.key("a"))
	look("an upload ID", u.ID)
	p := s.upload(u, 1, s.bytesOf(1))
	forged := p
	forged.ETag = strings.Repeat("0", 32)
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, c := range map[string]struct {
		ctx context.Context
		u   backend.Upload
	}{
		"an upload that is not there":  {s.ctx, backend.Upload{Key: u.Key, ID: strings.Repeat("0", 32)}},
		"another key":                  {s.ctx, backend.Upload{Key: u.Key + "/b", ID: u.ID}},
		"a key that is too long":       {s.ctx, backend.Upload{Key: s.key(strings.Repeat("k", 4000)), ID: u.ID}},
		"an upload ID out of bounds":   {s.ctx, backend.Upload{Key: u.Key, ID: strings.Repeat("&/?", 100)}},
		"a context that was done":      {done, u},
		"a forged part, a broken body": {s.ctx, u},
	} {
		_, err := s.b.UploadPart(c.ctx, c.u, 2, failing(s.bytesOf(2), int(s.size)/2), s.size)
		fails("UploadPart with "+name, err)
		_, err = s.b.UploadPart(c.ctx, c.u, -1, plainBody(nil), -1)
		fails("UploadPart out of range with "+name, err)
		_, err = s.b.Complete(c.ctx, c.u, []backend.Part{forged}, backend.CompleteOptions{})
		fails("Complete with "+name, err)
		_, _, err = s.b.ListParts(c.ctx, c.u, 0)
		fails("ListParts with "+name, err)
		_, err = s.b.Stat(c.ctx, c.u.Key)
		fails("Stat with "+name, err)
		if c.u != u || c.ctx != s.ctx {
			_, err = s.begin(c.ctx, c.u.Key, backend.Attributes{Expires: u.Initiated, StorageClass: "no such class", ACL: "no such ACL", Metadata: map[string]string{"": "\n"}})
			fails("Create with "+name, err)
			fails("Abort with "+name, s.b.Abort(c.ctx, c.u))
		}
		if put, ok := backend.As[backend.Putter](s.b); ok {
			_, err = put.Put(c.ctx, c.u.Key, failing(s.bytesOf(2), 1), s.size, backend.Attributes{}, backend.CompleteOptions{IfAbsent: true})
			fails("Put with "+name, err)
		}
		if l, ok := backend.As[backend.UploadLister](s.b); ok {
			for _, err := range l.Uploads(c.ctx, c.u.Key) {
				fails("Uploads with "+name, err)
			}
		}
	}
}
