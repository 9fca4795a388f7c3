package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

// A noun is the first word of docker's long form of commands, such as `image rm`. This file is the
// only place that knows these forms: it replaces their words by those of the command, and starts
// again. Only the first argument of minirun can be a noun, so a container or an image of that name
// is not affected.
type noun struct {
	name, usage string
	forms       [][2]string // a word after the noun, and the words that replace both
	group       string      // commands of this group of the catalogue also follow the noun
}

// helperForm marks a form that minirun-engine implements as it is.
const helperForm = ""

var nouns = []noun{
	{"image", "docker's long form of the commands for images", [][2]string{
		{"ls", "images"}, {"list", "images"}, {"rm", "rmi"}, {"remove", "rmi"}, {"inspect", "inspect"},
		{"build", "build"}, {"pull", "pull"}, {"push", "push"}, {"load", "load"}, {"save", "save"},
		{"import", "import"}, {"history", "history"}, {"tag", "tag"}, {"prune", "prune"},
	}, ""},
	{"container", "docker's long form of the commands for containers", [][2]string{
		{"ls", "ps"}, {"list", "ps"}, {"remove", "rm"}, {"unpause", "resume"}, {"inspect", "inspect"},
		{"create", "create"}, {"prune", helperForm},
	}, cmdline.Containers},
	{"builder", "docker's long form of build and build prune", [][2]string{
		{"build", "build"}, {"prune", "build prune"},
	}, ""},
	{"buildx", "docker's long form of the commands for builds", [][2]string{
		{"build", "build"}, {"b", "build"}, {"bake", "build bake"}, {"imagetools", "imagetools"}, {"du", "build du"},
		{"history", "build history"}, {"prune", "build prune"}, {"ls", helperForm}, {"version", "version"},
	}, ""},
}

// An alias is another name of a command.
type alias struct{ name, usage, to string }

var aliases = []alias{
	{"unpause", "the same as resume", "resume"},
}

func init() {
	for i := range nouns {
		verbs = append(verbs, verb{nouns[i].name, nouns[i].command, 0, anyNumber})
	}
	for i := range aliases {
		a := &aliases[i]
		verbs = append(verbs, verb{a.name, func() *cli.Command {
			return rewritten(a.name, a.usage, func(at int, _ *cli.App) error { return replaceWords(at-1, at, a.to) })
		}, 0, anyNumber})
	}
}

// rewritten returns a command that runs another one. at is the number of words up to its name.
func rewritten(name, usage string, rewrite func(at int, a *cli.App) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, SkipFlagParsing: true,
		Before: func(*cli.Context) error { return nil }, // the other command has its own
		Action: func(ctx *cli.Context) error {
			at, _ := cmdline.Find(os.Args, ctx.App)
			return rewrite(at, ctx.App)
		},
	}
}

// replaceWords replaces words of the command line by those of a command, and runs it.
func replaceWords(from, to int, by string) error {
	os.Args = slices.Concat(os.Args[:from], strings.Fields(by), os.Args[to:])
	return runCommandLine()
}

func (n *noun) command() *cli.Command { return rewritten(n.name, n.usage, n.run) }

func (n *noun) run(at int, a *cli.App) error {
	if at >= len(os.Args) || slices.Contains([]string{"--help", "-h", "help"}, os.Args[at]) {
		return n.writeHelp()
	}
	by, ok := n.replacement(os.Args[at])
	switch {
	case !ok:
		return cmdline.UnknownCommand(n.name, os.Args[at], n.words())
	case by == helperForm:
		return becomeEngine(nil)
	}
	return replaceWords(at-1, at+1, by)
}

// replacement returns the command for the word after a noun.
func (n *noun) replacement(word string) (string, bool) {
	for _, f := range n.forms {
		if f[0] == word {
			return f[1], true
		}
	}
	return word, n.hasVerb(word)
}

// hasVerb reports whether a command of the noun's group exists.
func (n *noun) hasVerb(name string) bool {
	return name != n.name && cmdline.InGroup(n.group, name) &&
		slices.ContainsFunc(verbs, func(v verb) bool { return v.name == name })
}

// words returns all words that may follow a noun.
func (n *noun) words() (words []string) {
	for _, f := range n.forms {
		words = append(words, f[0])
	}
	for _, v := range verbs {
		if n.hasVerb(v.name) && !slices.Contains(words, v.name) {
			words = append(words, v.name)
		}
	}
	return words
}

// describeForms returns the noun's forms as subcommands, for help and completion.
func (n *noun) describeForms() *cli.Command {
	c := &cli.Command{Name: n.name, HelpName: "minirun " + n.name, Usage: n.usage}
	for _, w := range n.words() {
		usage := helperUsage(n.name + " " + w)
		if by, _ := n.replacement(w); by != helperForm {
			usage = "the same as minirun " + by
		}
		c.Subcommands = append(c.Subcommands, &cli.Command{Name: w, Usage: usage})
	}
	return c
}

// helperUsage returns the usage of the forms that minirun-engine implements.
func helperUsage(form string) string {
	switch form {
	case "container prune":
		return "remove all stopped containers"
	case "buildx ls":
		return "list the builders: there is one"
	}
	return ""
}

func (n *noun) writeHelp() error {
	cmdline.WriteHelp(os.Stdout, n.describeForms())
	return nil
}
