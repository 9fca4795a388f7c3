package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/noun"
)

func verbNames() (names []string) {
	for _, v := range allVerbs() {
		names = append(names, v.name)
	}
	return names
}

func nounCommand(n *noun.Noun) *cli.Command {
	return &cli.Command{
		Name: n.Name, Usage: n.Usage, SkipFlagParsing: true,
		Before: func(*cli.Context) error { return nil }, // the command that replaces it has its own
		Action: func(ctx *cli.Context) error {
			at, _ := cmdline.Find(os.Args, ctx.App)
			return replaceNoun(n, at)
		},
	}
}

// replaceNoun runs the command that replaces a noun. at is the number of words up to the noun.
func replaceNoun(n *noun.Noun, at int) error {
	if at >= len(os.Args) || slices.Contains([]string{"--help", "-h", "help"}, os.Args[at]) {
		cmdline.WriteHelp(os.Stdout, n.Describe(verbNames()))
		return nil
	}
	by, ok := n.Replacement(os.Args[at], verbNames())
	switch {
	case !ok:
		return cmdline.UnknownCommand(n.Name, os.Args[at], n.Words(verbNames()))
	case by == noun.Helper:
		return becomeEngine(nil)
	}
	os.Args = slices.Concat(os.Args[:at-1], strings.Fields(by), os.Args[at+1:])
	return runCommandLine()
}
