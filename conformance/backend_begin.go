package conformance

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/backend"
)

func infoIsTheSame(s *subject) {
	s.object(s.key("a"), 1)
	for _, b := range []backend.MultipartBackend{s.b, s.f.open()} {
		if got := b.Info(); got != s.info {
			s.Errorf("Info returned %+v, and later or from another handle %+v", s.info, got)
		}
	}
}

func infoMakesSense(s *subject) {
	i := s.info
	if i.Location == "" {
		s.Errorf("Info().Location is empty; it must name the store, since a checkpoint is found by it")
	}
	if i.MinPartSize < 0 || i.MaxPartSize < 0 || i.MaxParts < 0 || i.MaxPutSize < 0 {
		s.Errorf("a limit in %+v is negative; 0 stands for none", i)
	}
	if i.MaxPartSize > 0 && i.MinPartSize > i.MaxPartSize {
		s.Errorf("MinPartSize %d is larger than MaxPartSize %d", i.MinPartSize, i.MaxPartSize)
	}
}

func createAnswers(s *subject) {
	seen := map[string]bool{}
	for _, key := range []string{"a", "a", "b"} {
		u := s.create(s.key(key))
		if u.Key != s.key(key) {
			s.Errorf("Create of %q returned an upload of the key %q", s.key(key), u.Key)
		}
		if u.ID == "" || len(u.ID) > 2<<10 || !utf8.ValidString(u.ID) {
			s.Errorf("Create returned an ID of %d bytes, valid UTF-8: %t: %.80q", len(u.ID), utf8.ValidString(u.ID), u.ID)
		}
		if seen[u.ID] {
			s.Errorf("Create returned the ID %.80q a second time", u.ID)
		}
		seen[u.ID] = true
	}
}

func uploadsAreIndependent(s *subject) {
	key := s.key("a")
	first := s.create(key)
	p1 := s.upload(first, 1, s.bytesOf(1))
	second := s.create(key)
	s.unchanged("after a second Create of its key,", first, []backend.Part{p1})
	p2 := s.upload(second, 1, s.bytesOf(2))
	s.unchanged("after UploadPart to another upload of its key,", first, []backend.Part{p1})

	s.complete(first, p1)
	if s.unchanged("after Complete of another upload of its key,", second, []backend.Part{p2}) {
		s.complete(second, p2)
		s.holds("after both uploads of the key were completed,", key, s.bytesOf(2))
	}
}

func uploadSurvivesJSON(s *subject) {
	key := s.key("a/b")
	text, err := json.Marshal(s.create(key))
	s.must("write the upload as JSON", err)
	reread := func() (u backend.Upload) {
		s.must("read the upload from JSON", json.Unmarshal(text, &u))
		return u
	}
	step := func(name string, err error) {
		if err != nil {
			s.Fatalf("%s on another handle, with the upload read from %s, returned: %v", name, text, err)
		}
	}
	other := *s
	other.b = s.f.open()
	p, err := other.b.UploadPart(s.ctx, reread(), 1, plainBody(s.bytesOf(1)), s.size)
	step("UploadPart", err)
	_, err = other.tryList(reread())
	step("ListParts", err)
	other.b = s.f.open()
	_, err = other.b.Complete(s.ctx, reread(), []backend.Part{p}, backend.CompleteOptions{})
	step("Complete", err)
	s.holds("after Complete on another handle", key, s.bytesOf(1))

	text, err = json.Marshal(s.create(key))
	s.must("write the upload as JSON", err)
	step("Abort", s.f.open().Abort(s.ctx, reread()))
}
