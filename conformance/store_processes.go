package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// roleVariable tells a process that a subtest of TestStore started it, and what it is to do.
const roleVariable = "TIDEMARK_CONFORMANCE_ROLE"

// said begins each line of a child's output that is meant for the process that started it; test binaries print other things as well.
const said = "tidemark-conformance-says "

// role is what a child process does. It comes to it in the subtest that started it, when that subtest asks for its fixture.
type role struct {
	Play   string
	Test   string // the full name of the subtest
	Dir    string // its directory
	ID     string
	Writer int
}

// answer is what a child says.
type answer struct {
	Won     []int
	Records [][]byte
	IDs     []string
	Lock    string // "" if it got the lock, else the error
	Err     string // of what should have worked
}

// assigned returns the role of this process if it was started for the subtest t.
func assigned(t *testing.T) (r role, ok bool) {
	text, ok := os.LookupEnv(roleVariable)
	if !ok {
		return role{}, false
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("conformance: %s is set, which is for the suite's own child processes: %v", roleVariable, err)
	}
	if r.Test != t.Name() {
		t.Fatalf("conformance: a child process of %s runs %s", r.Test, t.Name())
	}
	return r, true
}

// play does what the role says.
func (r role) play(t *testing.T, newFixture NewStore) {
	s := newFixture(t, r.Dir).Store
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	say := func(a answer) {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\n%s%s\n", said, text)
	}
	wait := func() {
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	switch r.Play {
	case "contend":
		say(answer{})
		wait()
		won, err := contend(ctx, s, r.ID, r.Writer)
		say(answer{Won: won, Err: errText(err)})
	case "look":
		say(look(ctx, s, r.ID))
		wait()
		say(look(ctx, s, r.ID))
	case "append":
		recs, err := s.Load(ctx, r.ID)
		if err == nil {
			err = s.Append(ctx, r.ID, len(recs), record(r.ID, len(recs)))
		}
		say(answer{Err: errText(err)})
	case "lock":
		unlock, err := s.(checkpoint.Locker).Lock(ctx, r.ID)
		if err != nil {
			say(answer{Lock: refusal(err, r.ID)})
			return
		}
		say(answer{})
		wait()
		say(answer{Err: errText(unlock())})
	}
}

func look(ctx context.Context, s checkpoint.Store, id string) (a answer) {
	recs, err := s.Load(ctx, id)
	a.Records = recs
	for id, listErr := range s.IDs(ctx) {
		if err = errors.Join(err, listErr); listErr == nil {
			a.IDs = append(a.IDs, id)
		}
	}
	a.Err = errText(err)
	return a
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// child is a process that plays a role.
type child struct {
	c      *check
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	heard  bytes.Buffer // what it printed beside its answers, if it failed
	errors bytes.Buffer
}

// start starts a process. The caller must end it.
func (c *check) start(s stores, r role) *child {
	self, err := os.Executable()
	c.must("find the test binary", err)
	r.Test, r.Dir = c.t.Name(), s.dir
	env, err := json.Marshal(r)
	c.must("describe the role of a child process", err)
	ch := &child{c: c, cmd: exec.CommandContext(c.ctx, self, "-test.run", pattern(r.Test), "-test.timeout", (2 * hang).String())}
	ch.cmd.Env = append(os.Environ(), roleVariable+"="+string(env))
	for _, temp := range []string{"TMPDIR", "TMP", "TEMP"} { // where it leaves things behind, they go with this subtest
		ch.cmd.Env = append(ch.cmd.Env, temp+"="+c.t.TempDir())
	}
	ch.cmd.Stderr = &ch.errors
	ch.in, err = ch.cmd.StdinPipe()
	c.must("start a child process", err)
	out, err := ch.cmd.StdoutPipe()
	c.must("start a child process", err)
	ch.out = bufio.NewReader(out)
	c.must("start a child process", ch.cmd.Start())
	return ch
}

// hear waits for the child's next answer.
func (ch *child) hear() (a answer) {
	for {
		line, err := ch.out.ReadString('\n')
		if text, ok := strings.CutPrefix(line, said); ok && err == nil {
			ch.c.must("understand a child process", json.Unmarshal([]byte(text), &a))
			return a
		}
		ch.heard.WriteString(line)
		if err != nil {
			ch.c.Fatalf("cannot be examined: a child process, which runs this subtest again up to its fixture, ended without an answer (%v). It printed:\n%s%s",
				ch.end(), ch.heard.Bytes(), ch.errors.Bytes())
		}
	}
}

// goOn ends the child's waiting.
func (ch *child) goOn() { ch.c.must("talk to a child process", ch.in.Close()) }

// kill ends the child as a crash does.
func (ch *child) kill() {
	ch.c.must("kill a child process", ch.cmd.Process.Kill())
	ch.end()
}

// end waits for the child, which ends by itself when its input does. Once it has ended, further calls do nothing.
func (ch *child) end() error {
	if ch.cmd.ProcessState != nil {
		return nil
	}
	closed := ch.in.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil
	}
	return errors.Join(closed, ch.cmd.Wait())
}
