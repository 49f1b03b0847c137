package upload

import (
	"testing"
	"testing/synctest"
	"time"
)

// A process that was stopped, or a machine that was suspended where the clock goes on, does not take all that stood still with it for
// dead.
func TestFoundStoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{window: newWindow(1, nil)}
		cut := 0
		for _, moved := range []int{0, 5, 10} {
			f := newFlight(w, slot{number: 1, size: 10})
			f.cancel = func(error) { cut++ }
			w.add(f)
			if moved > 0 {
				f.move(moved, true)
			}
		}
		now := time.Now()
		w.look(now)
		w.look(now.Add(time.Hour)) // nobody looked meanwhile
		w.look(now.Add(time.Hour + watchEvery))
		if cut > 0 {
			t.Errorf("%d of 3 were cut", cut)
		}
		for d := time.Duration(0); d < 3*time.Minute; d += watchEvery {
			w.look(now.Add(time.Hour + d))
		}
		if cut == 0 {
			t.Error("none was cut in the end")
		}
	})
}
