package main

import (
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

// describe describes an incomplete command line for completion, or executes the helper that
// implements its command, which does the same.
func describe() error {
	words := os.Args[2:]
	a := app(nil)
	n, c := cmdline.Find(append([]string{"minirun"}, words[:max(len(words)-1, 0)]...), a)
	if c != nil {
		i := slices.IndexFunc(nouns, func(n noun) bool { return n.name == c.Name })
		j := slices.IndexFunc(aliases, func(a alias) bool { return a.name == c.Name })
		switch {
		case j >= 0:
			os.Args = slices.Concat(os.Args[:2], words[:n-2], []string{aliases[j].to}, words[n-1:])
			return describe()
		case i >= 0:
			return nouns[i].describe(a, n)
		case c.SkipFlagParsing, c.Name == "ps" && n == len(words):
			return c.Action(cli.NewContext(a, flag.NewFlagSet("", flag.ContinueOnError), nil))
		}
	}
	cmdline.Describe(os.Stdout, a, words, splitFlags)
	return nil
}

// describe describes a command line that begins with a noun, whose name is word n of the line.
func (n *noun) describe(a *cli.App, at int) error {
	words := os.Args[2:]
	if at == len(words) { // the form is incomplete
		a.Commands = []*cli.Command{n.describeForms()}
		cmdline.Describe(os.Stdout, a, words, splitFlags)
		return nil
	}
	by, ok := n.replacement(words[at-1])
	switch {
	case !ok:
		return nil
	case by == helperForm:
		return becomeEngine(nil)
	}
	os.Args = slices.Concat(os.Args[:2], words[:at-2], strings.Fields(by), words[at:])
	return describe()
}
