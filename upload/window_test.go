package upload

import (
	"context"
	"testing"
)

// Who is cancelled at the moment at which it gets a place gives it back.
func TestCancelledWaiterKeepsNoPlace(t *testing.T) {
	w := newWindow(1, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 64 {
		if m := (&member{window: w}); m.enter(ctx) == nil || m.held != 0 {
			t.Fatalf("a place was had, %d held", m.held)
		}
	}
	if w.used != 0 {
		t.Errorf("%d places are gone", w.used)
	}
}

// A second try takes no place that a part waits for.
func TestSecondTryDoesNotPushIn(t *testing.T) {
	w := newWindow(2, nil)
	m := &member{window: w}
	w.waiting = []*ticket{{member: m, ready: make(chan struct{})}}
	if m.tryEnter() {
		t.Error("it pushed in")
	}
}
