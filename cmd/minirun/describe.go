package main

import (
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/noun"
)

// describe describes an incomplete command line for completion, or executes the helper that
// implements its command, which does the same.
func describe() error {
	words := os.Args[2:]
	a := app(nil)
	n, c := cmdline.Find(append([]string{"minirun"}, words[:max(len(words)-1, 0)]...), a)
	if c != nil {
		found := noun.Find(c.Name)
		switch {
		case found != nil:
			return describeNoun(found, a, n)
		case c.SkipFlagParsing, c.Name == "ps" && n == len(words):
			return c.Action(cli.NewContext(a, flag.NewFlagSet("", flag.ContinueOnError), nil))
		}
	}
	if c == nil && len(words) > 0 {
		line := cmdline.Split(words[:len(words)-1], a.Flags, 0)
		if len(line.Arguments) > 0 && line.Arguments[0] == "help" {
			os.Args = slices.Concat(os.Args[:2], line.Flags, line.Arguments[1:], words[len(words)-1:])
			return describe()
		}
	}
	cmdline.Describe(os.Stdout, a, words, splitFlags)
	return nil
}

// describeNoun describes a command line that begins with a noun, whose name is word at of the line.
func describeNoun(n *noun.Noun, a *cli.App, at int) error {
	words := os.Args[2:]
	if at == len(words) { // the form is incomplete
		a.Commands = []*cli.Command{n.Describe(verbNames())}
		cmdline.Describe(os.Stdout, a, words, splitFlags)
		return nil
	}
	by, ok := n.Replacement(words[at-1], verbNames())
	switch {
	case !ok:
		return nil
	case by == noun.Helper:
		return becomeEngine(nil)
	}
	os.Args = slices.Concat(os.Args[:2], words[:at-2], strings.Fields(by), words[at:])
	return describe()
}
