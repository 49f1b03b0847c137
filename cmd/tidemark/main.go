// Command tidemark uploads large files to Alibaba Cloud OSS so that no interruption costs more than the parts in flight.
//
// Run "tidemark --help" for its commands, the environment variables that it reads and its exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// commandLine is what can be given on the command line.
type commandLine struct {
	Put     putCommand     `cmd:"" help:"Upload a file, or go on with an upload of it that was interrupted."`
	Pending pendingCommand `cmd:"" help:"List uploads that were begun and have not ended."`
	Abort   abortCommand   `cmd:"" help:"Give up pending uploads and discard what they have stored."`
	Fake    fakeCommand    `cmd:"" help:"Serve a fake OSS, for trying things out and for tests."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// console is what a command talks to.
type console struct {
	out, err io.Writer
	args     []string // the command line, with the program's name, to say how to go on
}

func (c *console) errorf(format string, args ...any) { fmt.Fprintf(c.err, format, args...) }

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	con := &console{out: stdout, err: stderr, args: args}
	code := -1 // until the parser has answered by itself: --help and --version
	var cl commandLine
	parser, err := kong.New(&cl,
		kong.Name("tidemark"),
		kong.Description("Uploads large files to Alibaba Cloud OSS. The same command starts an upload and, after an interruption, goes on with it."),
		kong.Vars{"version": version()}, objectVars(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { code = c }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.Help(help),
	)
	if err != nil {
		return con.fail(err)
	}
	parsed, err := parser.Parse(joinNegatives(args[1:]))
	if code >= 0 {
		return code
	}
	if err != nil {
		return con.fail(usage(err))
	}
	ctx, stop := interruptible()
	defer stop()
	parsed.Bind(con)
	parsed.BindTo(ctx, (*context.Context)(nil))
	return con.fail(parsed.Run())
}

// usage makes a parser's error one that says where to read more.
func usage(err error) error {
	command := ""
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			command = " " + node.Name
		}
	}
	return &failure{code: exitUsage, err: err, remedy: fmt.Sprintf("see tidemark%s --help", command)}
}

// help is kong's own help and, for the program as a whole, what holds for all commands.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	if ctx.Selected() != nil {
		return nil
	}
	_, err := fmt.Fprint(ctx.Stdout, environmentHelp, exitHelp())
	return err
}

const environmentHelp = `
Environment:
  OSS_ENDPOINT            where the service is, as a host or a URL (or --endpoint)
  OSS_REGION              its region, as in cn-hangzhou (or --region); signatures are V4 with it, V1 without
  OSS_ACCESS_KEY_ID       the credentials. There is no flag for them, since others could read it in the list of
  OSS_ACCESS_KEY_SECRET   processes and in the shell's history.
  OSS_SESSION_TOKEN       of temporary credentials
`

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "tidemark (unknown version)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	var revision, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if revision != "" && !strings.Contains(v, revision) {
		v += " (" + revision + modified + ")"
	}
	return fmt.Sprintf("tidemark %s %s", v, info.GoVersion)
}
