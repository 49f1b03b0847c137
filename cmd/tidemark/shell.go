package main

import (
	"path/filepath"
	"strings"
)

// goOn says how to run the same command again. What go run built has a name in its cache, or one that is gone by now.
func goOn(args []string) string {
	name := filepath.ToSlash(args[0])
	if strings.Contains(name, "/go-build/") || strings.Contains(name, "/b001/exe/") {
		return "run the same command to go on"
	}
	return "go on with: " + shellLine(args)
}

// plainArgument are the characters that no shell of today's systems treats specially within a word.
const plainArgument = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"

// shellLine writes arguments as a line for a POSIX shell.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if a == "" || strings.Trim(a, plainArgument) != "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}
