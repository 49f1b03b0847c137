package fakeoss

import "testing"

// TestEveryOperationNeedsAnAction: one that the table forgets would be allowed whatever the policy says.
func TestEveryOperationNeedsAnAction(t *testing.T) {
	names := map[string]bool{}
	for _, op := range operations() {
		names[op.name] = true
		if action, ok := actions[op.name]; !ok || action == "" && op.name != "DeleteMultipleObjects" {
			t.Errorf("%s needs no action", op.name)
		}
	}
	for name := range actions {
		if !names[name] {
			t.Errorf("%s is no operation", name)
		}
	}
}

func TestTooLargeToCopy(t *testing.T) {
	meta := func(size int64, class, encryption string) *objectMeta {
		return &objectMeta{Size: size, Header: map[string]string{"x-oss-storage-class": class, "x-oss-server-side-encryption": encryption}}
	}
	for _, c := range []struct {
		name     string
		from, to *objectMeta
		itself   bool
		refused  bool
	}{
		{"at the limit", meta(1<<30, "IA", ""), meta(0, "Standard", ""), false, false},
		{"above", meta(1<<30+1, "IA", ""), meta(0, "IA", ""), false, true},
		{"itself", meta(1<<30+1, "IA", ""), meta(0, "IA", ""), true, false},
		{"itself, another class", meta(1<<30+1, "IA", ""), meta(0, "Standard", ""), true, true},
		{"itself, encrypted", meta(1<<30+1, "IA", ""), meta(0, "IA", "KMS"), true, true},
	} {
		err := tooLargeToCopy(c.from, c.to, c.itself)
		if se, ok := err.(*serviceError); (err != nil) != c.refused || err != nil && (!ok || se.code != "EntityTooLarge") {
			t.Errorf("%s: %v, want refused %v", c.name, err, c.refused)
		}
	}
}
