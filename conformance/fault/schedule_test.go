package fault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark-go/tidemark/conformance/fault"
)

var (
	backendOps = []string{"Create", "UploadPart", "ListParts", "Complete", "Abort", "Stat", "Put"}
	storeOps   = []string{"Load", "Append", "Delete", "Sync", "Lock"}
	sourceOps  = []string{"ReadAt", "Version"}
	allOps     = slices.Concat(backendOps, storeOps, sourceOps)
)

// everyFault calls f with each fault that there is, of the first call and of another, and with each delay where it counts.
func everyFault(f func(fault.Fault)) {
	for _, op := range allOps {
		for _, kind := range append(fault.Failures(op), fault.Events()...) {
			for _, n := range []int{1, 12} {
				f(fault.Fault{Op: op, N: n, Kind: kind})
				if kind == fault.Late || kind == fault.CrashLate {
					f(fault.Fault{Op: op, N: n, Kind: kind, In: 1})
					f(fault.Fault{Op: op, N: n, Kind: kind, In: 30})
				}
			}
		}
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	var all fault.Schedule
	everyFault(func(f fault.Fault) { all = append(all, f) })
	if len(all) < 200 {
		t.Fatalf("only %d faults", len(all))
	}
	for _, s := range []fault.Schedule{nil, all[:1], all[:2], all} {
		got, err := fault.Parse(s.String())
		if diff := cmp.Diff(s, got); diff != "" || err != nil {
			t.Errorf("Parse(%q): %v (-want +got):\n%s", s, err, diff)
		}
	}
	for _, f := range all {
		if got, err := fault.Parse(f.String()); err != nil || len(got) != 1 || got[0] != f {
			t.Errorf("Parse(%q): %v, %v", f, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		" \n\t":                               "",
		" Put#1\tlost ":                       "Put#1 lost",
		"Put#1 lost;Put#1   lost":             "Put#1 lost; Put#1 lost",
		"Stat#2 edited":                       "Stat#2 edited",
		"Complete#1 crash-late+2":             "Complete#1 crash-late+2",
		"\nCreate#1 late\n;\nPut#1 altered\n": "Create#1 late; Put#1 altered",
	} {
		if s, err := fault.Parse(text); err != nil || s.String() != want {
			t.Errorf("Parse(%q): %q, %v; want %q", text, s, err, want)
		}
	}
	for text, want := range map[string]string{ // a part of the error
		";":                                    "OP#N KIND",
		"Put#1 lost;":                          "OP#N KIND",
		"Put#1 lost;; Put#1 lost":              "OP#N KIND",
		"Put#1":                                "OP#N KIND",
		"Put#1 lost now":                       "OP#N KIND",
		"Put lost":                             `"" is no number from 1`,
		"Put# lost":                            `"" is no number from 1`,
		"Put#0 lost":                           `"0" is no number from 1`,
		"Put#-1 lost":                          `"-1" is no number from 1`,
		"Put#+1 lost":                          `"+1" is no number from 1`,
		"Put#1#2 lost":                         `"1#2" is no number from 1`,
		"Put#99999999999999999 lost":           "is no number from 1",
		"Put#1 late+":                          `"" is no number from 1`,
		"Put#1 late+0":                         `"0" is no number from 1`,
		"Put#1 late++2":                        `"+2" is no number from 1`,
		"Put#1 lost+2":                         "does not come +2 calls later",
		"Put#1 edited+2":                       "does not come +2 calls later",
		"#1 lost":                              `no calls of "" are counted; those of [Abort Append`,
		"Uploads#1 lost":                       `no calls of "Uploads" are counted`,
		"put#1 lost":                           `no calls of "put" are counted`,
		"Put#1 +2":                             `"" is nothing that goes wrong with Put; that is one of [refused`,
		"Put#1 Lost":                           `"Lost" is nothing that goes wrong with Put`,
		"Stat#1 lost":                          `"lost" is nothing that goes wrong with Stat`,
		"Put#1 lo\x00st":                       `"lo\x00st" is nothing`,
		"Put#1 \x1b[31mlost":                   `"\x1b[31mlost" is nothing`,
		"a\nb\nc":                              "OP#N KIND",
		strings.Repeat("x", 1<<20):             "OP#N KIND",
		strings.Repeat("x", 1<<20) + "#1 lost": "no calls of",
		"Put#" + strings.Repeat("7", 1<<20) + " lost": "is no number from 1",
		"Put#1 " + strings.Repeat("x", 1<<20):         "is nothing that goes wrong",
	} {
		s, err := fault.Parse(text)
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), "fault: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q): %v, %.500v; want an error with %q", text, s, err, want)
			continue
		}
		if msg := err.Error(); len(msg) > 1500 || strings.ContainsFunc(msg, func(r rune) bool { return r < ' ' }) {
			t.Errorf("Parse(%.40q): the error is no short line: %.600q", text, msg)
		}
	}
}

// What is returned is the caller's.
func TestListsAreCopies(t *testing.T) {
	fault.Failures("Put")[0] = "spoilt"
	fault.Events()[0] = "spoilt"
	if fault.Failures("Put")[0] != fault.Refused || fault.Events()[0] != fault.Edited {
		t.Error("the lists can be changed from outside")
	}
	if got := fault.Failures("Uploads"); len(got) != 0 {
		t.Errorf("calls of Uploads are not counted, yet %v can go wrong with them", got)
	}
}

func TestNewPanics(t *testing.T) {
	event := &fault.Options{Event: func(fault.Kind) {}}
	for _, c := range []struct {
		f    fault.Fault
		opts *fault.Options
	}{
		{fault.Fault{Op: "Put", N: 1}, nil},
		{fault.Fault{Op: "Put", Kind: fault.Lost}, nil},
		{fault.Fault{Op: "Nothing", N: 1, Kind: fault.Lost}, nil},
		{fault.Fault{Op: "Put", N: 1, Kind: fault.Lost, In: 1}, nil},
		{fault.Fault{Op: "Put", N: 1, Kind: fault.Late, In: -1}, nil},
		{fault.Fault{Op: "Put", N: 1, Kind: fault.Edited, In: 1}, event},
		{fault.Fault{Op: "Put", N: 1, Kind: fault.Edited}, nil}, // and nothing makes it happen
		{fault.Fault{Op: "Put", N: 1, Kind: fault.Edited}, &fault.Options{}},
	} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.HasPrefix(msg, "fault: ") || !strings.Contains(msg, c.f.String()) {
					t.Errorf("New with %v: panic %q, want one that names the fault", c.f, msg)
				}
			}()
			fault.New(fault.Schedule{c.f}, c.opts)
		}()
	}
	fault.New(fault.Schedule{{Op: "Put", N: 1, Kind: fault.Edited}}, event)
}

// A schedule is the caller's, and serves any number of Faults.
func TestNewKeepsTheSchedule(t *testing.T) {
	s := fault.Schedule{{Op: "Stat", N: 1, Kind: fault.Refused}}
	first := fault.New(s, nil)
	s[0].N = 7
	if err := first.Unfired(); err == nil || !strings.Contains(err.Error(), "Stat#1 refused") {
		t.Errorf("after the caller changed its schedule: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	everyFault(func(x fault.Fault) { f.Add(x.String()) })
	f.Add("Create#1 lost; UploadPart#2 late+3;Abort#1  crash-after")
	f.Add("Put#01 late+0; ;#")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := fault.Parse(text)
		if err != nil {
			if s != nil || len(err.Error()) > 1500 || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%v, %q", s, err)
			}
			return
		}
		again, err := fault.Parse(s.String())
		if diff := cmp.Diff(s, again); diff != "" || err != nil {
			t.Errorf("%q printed as %q: %v (-want +got):\n%s", text, s, err, diff)
		}
		fault.New(s, &fault.Options{Event: func(fault.Kind) {}}) // takes what Parse takes
	})
}
