package cmdline

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// DescribeCommand is the first argument with which minirun and its helpers describe an incomplete
// command line, for completion. It is not a command, so that it costs the others nothing.
const DescribeCommand = "__describe"

// CompleteCommand is the first argument with which a shell's completion calls minirun, followed by
// the words of the command line.
const CompleteCommand = "__complete"

// Describe writes what is known about an incomplete command line, without its last word: one fact per
// line, in fields separated by tabs.
//
//	path      the command with its parent commands
//	value     the flag whose value the last word is
//	foreign   the last word is an argument of another program
//	argument  an argument that was given
//	command   a possible subcommand, and its usage
//	flag      a possible flag, whether it takes a value, and its usage
func Describe(w io.Writer, app *cli.App, words []string, split Splitter) {
	if len(words) == 0 {
		return
	}
	words = words[:len(words)-1]
	n, command := Find(append([]string{app.Name}, words...), app)
	n-- // without the program's name
	d := description{out: w}
	if command == nil {
		d.flags, d.commands, d.line = app.Flags, app.Commands, Split(words, app.Flags, 0)
	} else {
		d.flags, d.commands, d.line = command.Flags, command.Subcommands, split(command, words[n:])
	}
	d.fact("path", pathOf(words[:n], app))
	d.write(slices.Contains(words[n:], "--"))
}

type description struct {
	out      io.Writer
	flags    []cli.Flag
	commands []*cli.Command
	line     Line
}

func (d *description) fact(fields ...string) {
	for i, f := range fields {
		fields[i] = strings.Join(strings.Fields(f), " ")
	}
	fmt.Fprintln(d.out, strings.Join(fields, "\t"))
}

// write writes the facts about the words after the command's name.
func (d *description) write(ended bool) {
	if d.line.Lacking {
		d.fact("value", d.line.Names[len(d.line.Names)-1])
		return
	}
	if d.line.Foreign {
		d.fact("foreign")
	}
	for _, a := range d.line.Arguments {
		d.fact("argument", a)
	}
	if len(d.line.Arguments) == 0 {
		for _, c := range d.commands {
			if !c.Hidden {
				d.fact("command", c.Name, c.Usage)
			}
		}
	}
	if d.line.Foreign || ended {
		return
	}
	for _, f := range d.flags {
		documented, ok := f.(cli.DocGenerationFlag)
		if v, can := f.(cli.VisibleFlag); !ok || can && !v.IsVisible() {
			continue
		}
		_, usage := splitUsage(documented.GetUsage())
		takes := ""
		if documented.TakesValue() {
			takes = "value"
		}
		for _, name := range f.Names() {
			if len(name) == 1 {
				name = "-" + name
			} else {
				name = "--" + name
			}
			d.fact("flag", name, takes, usage)
		}
	}
	d.fact("flag", "--help", "", "show help")
}

// pathOf returns the first names of the commands in words that Find has examined.
func pathOf(words []string, app *cli.App) string {
	var path []string
	flags, commands := app.Flags, app.Commands
	for i := 0; i < len(words); {
		if isFlag(words[i]) {
			i += 1 + countValues(words[i], flags)
			continue
		}
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[i]) })
		if at < 0 {
			break
		}
		path = append(path, commands[at].Name)
		flags, commands = commands[at].Flags, commands[at].Subcommands
		i++
	}
	return strings.Join(path, " ")
}
