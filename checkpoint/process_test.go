package checkpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func init() {
	childRoles["lock"] = lockForever
	childRoles["append"] = appendUntilEnd
}

// lockForever takes the lock, says so, and holds it until it is killed or its input ends.
func lockForever(dir string) error {
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	unlock, err := f.Lock(context.Background(), "id")
	if err != nil {
		return err
	}
	fmt.Println("locked")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return unlock()
}

// TestLockOfAnotherProcess: the refusal names the process that has the lock, and the lock dies with it, by SIGKILL too.
func TestLockOfAnotherProcess(t *testing.T) {
	for _, killed := range []string{"killed", "ended"} {
		t.Run(killed, func(t *testing.T) {
			f := newFile(t, "")
			cmd := child(t, "lock", f.Dir())
			in, out := pipes(t, cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := out.ReadString('\n'); line != "locked\n" {
				t.Fatalf("the other process says %q, %v", line, err)
			}
			_, err := f.Lock(t.Context(), "id")
			var inUse *InUseError
			if !errors.As(err, &inUse) {
				t.Fatalf("Lock: %v, want an *InUseError", err)
			}
			host, hostErr := os.Hostname()
			if hostErr != nil {
				t.Fatal(hostErr)
			}
			if want := fmt.Sprintf("process %d on %s", cmd.Process.Pid, host); inUse.Holder != want || time.Since(inUse.Since) > time.Hour {
				t.Errorf("held by %q since %v, want %q", inUse.Holder, inUse.Since, want)
			}
			if !strings.Contains(err.Error(), inUse.Holder) {
				t.Errorf("the error %q does not name the holder", err)
			}

			// The log of a lock's holder can be appended to: the fence, not the lock, keeps it right.
			fill(t, f, "id", 1)
			if err := f.Delete(t.Context(), "id", 1, record(0)); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Lock(t.Context(), "id"); !errors.Is(err, ErrInUse) {
				t.Fatalf("Lock after Delete: %v, want ErrInUse", err)
			}

			if killed == "killed" {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Wait(); err == nil {
					t.Fatal("the other process ended before it was killed")
				}
				wantFiles(t, f, f.base("id")+lockSuffix)
				fill(t, f, "id", 1)
				if err := f.Delete(t.Context(), "id", 1, record(0)); err != nil {
					t.Fatal(err)
				}
			} else if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
				t.Fatal(err)
			}
			wantFiles(t, f)
			unlock, err := f.Lock(t.Context(), "id")
			if err != nil {
				t.Fatalf("Lock after the holder died: %v", err)
			}
			if err := unlock(); err != nil {
				t.Error(err)
			}
			wantFiles(t, f)
		})
	}
}

const contendedRecords = 300

// appendUntilEnd appends until there are enough records, wherever it believes the end to be, and prints the positions that it won.
func appendUntilEnd(dir string) error {
	f, err := NewFile(dir)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // all processes start when their input ends
		return err
	}
	for at := 0; at < contendedRecords; {
		rec := fmt.Appendf(nil, `{"at":%d,"by":%d}`, at, os.Getpid())
		switch err := f.Append(context.Background(), "id", at, rec); {
		case err == nil:
			fmt.Println(at)
			at++
		case errors.Is(err, ErrConflict):
			recs, err := f.Load(context.Background(), "id") // while the others append
			if err != nil {
				return err
			}
			if len(recs) < at {
				return fmt.Errorf("%d records, and there were %d", len(recs), at)
			}
			at = len(recs)
		default:
			return err
		}
	}
	return nil
}

// TestProcessesContend: of processes that append at the same place without a lock, one wins; the winner's record is there.
func TestProcessesContend(t *testing.T) {
	const processes = 4
	f := newFile(t, "")
	winner := make(map[string]int) // by position, the process
	var cmds []*exec.Cmd
	var ins []io.Closer
	var outs []*bufio.Reader
	for range processes {
		cmd := child(t, "append", f.Dir())
		in, out := pipes(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds, ins, outs = append(cmds, cmd), append(ins, in), append(outs, out)
	}
	for _, in := range ins {
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		won, err := io.ReadAll(outs[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("process %d: %v", cmd.Process.Pid, err)
		}
		for at := range strings.FieldsSeq(string(won)) {
			if other, ok := winner[at]; ok {
				t.Errorf("position %s was won by %d and %d", at, other, cmd.Process.Pid)
			}
			winner[at] = cmd.Process.Pid
		}
		t.Logf("process %d won %d", cmd.Process.Pid, strings.Count(string(won), "\n"))
	}
	recs, err := f.Load(t.Context(), "id")
	if err != nil || len(recs) != contendedRecords {
		t.Fatalf("Load = %d records, %v, want %d", len(recs), err, contendedRecords)
	}
	for at, rec := range recs {
		if want := fmt.Sprintf(`{"at":%d,"by":%d}`, at, winner[fmt.Sprint(at)]); string(rec) != want {
			t.Errorf("record %d is %s, its winner's is %s", at, rec, want)
		}
	}
	wantFiles(t, f, f.logPath("id"))
}

func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(out)
}
