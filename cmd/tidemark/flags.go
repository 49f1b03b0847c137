package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// given is the value of a flag that must not be empty: a variable that is not set in a script would choose the default in silence.
type given string

// UnmarshalText refuses an empty text. The parser puts the flag's name before the error.
func (g *given) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("is empty (from a variable that is not set?); give a value, or leave the flag out")
	}
	*g = given(text)
	return nil
}

// span is a time on the command line, as time.ParseDuration reads it, with days before the rest or alone.
type span time.Duration

// UnmarshalText reads a time such as 7d, 36h, 5s or 200ms.
func (s *span) UnmarshalText(text []byte) error {
	const longest = 36500 // days
	given := string(text)
	var sum time.Duration
	rest := given
	if days, after, ok := strings.Cut(given, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < -longest || n > longest || strings.HasPrefix(after, "-") {
			return spanError(given)
		}
		sum, rest = time.Duration(n)*24*time.Hour, after
	}
	if rest != "" || given == "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return spanError(given)
		}
		sum += d
	}
	*s = span(sum)
	return nil
}

func spanError(text string) error {
	return fmt.Errorf("%.40q is no time: give a number and a unit, as in 5s, 36h or 7d", text)
}

// joinNegatives writes "--limit -5" as "--limit=-5". The parser would take -5 for a flag, and the flag's own check says better what
// is wrong with it.
func joinNegatives(args []string) []string {
	var joined []string
	for i, a := range args {
		if a == "--" {
			return append(joined, args[i:]...)
		}
		last := len(joined) - 1
		if last >= 0 && strings.HasPrefix(joined[last], "--") && !strings.Contains(joined[last], "=") && len(a) > 1 &&
			a[0] == '-' && strings.Contains("0123456789.", a[1:2]) {
			joined[last] += "=" + a
			continue
		}
		joined = append(joined, a)
	}
	return joined
}
