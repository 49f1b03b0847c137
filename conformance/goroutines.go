package conformance

import (
	"bytes"
	"context"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/tidemark-go/tidemark/upload"
)

// stageLabel marks the goroutines that come of an upload: whoever they start has it too.
const stageLabel = "tidemark-conformance"

// labelled runs f with the mark of a stage.
func (g *stage) labelled(ctx context.Context, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(stageLabel, g.prefix), f)
}

// leftovers returns the stacks of goroutines that came of the stage's uploads and are in the engine still, or in what the suite
// handed to it. Those that a backend keeps for its connections are its own business.
func (g *stage) leftovers() (stacks string) {
	if g.hung {
		return "" // that was said before
	}
	engine := "\t" + reflect.TypeFor[upload.Uploader]().PkgPath() + "."
	suite := "\t" + reflect.TypeFor[Rule]().PkgPath()
	for try := 0; ; try++ {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			return err.Error()
		}
		stacks = ""
		for _, stack := range strings.Split(profile.String(), "\n\n") {
			if strings.Contains(stack, g.prefix) && (strings.Contains(fieldsOf(stack), engine) || strings.Contains(fieldsOf(stack), suite)) {
				stacks += "\n" + stack
			}
		}
		if stacks == "" || try == 1000 {
			return stacks
		}
		runtime.Gosched() // one that has done its work may not have been taken off yet
	}
}

// fieldsOf puts a tab before each word, so that the name of a function is found by how it begins.
func fieldsOf(stack string) string { return "\t" + strings.Join(strings.Fields(stack), "\t") }
