// Package cmdline finds the flags of a command line in any position: before, between
// and after the command's arguments. urfave/cli stops at the first argument, so the
// flags are moved to the front before cli parses the command line:
//
//	minirun update ID --memory 1g   →   minirun update --memory 1g -- ID
//
// Some commands pass arguments on to another program (exec, ps, run IMAGE). Those are
// never examined: Line.Foreign marks where they begin.
package cmdline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Unlimited is the limit of a command that passes no arguments on to another program.
const Unlimited = -1

// A Line is the part of a command line after the command's name.
type Line struct {
	Given     []string // as it was given
	Flags     []string // the command's flags with their values
	Names     []string // the first names of those flags
	Arguments []string // the other words, without the -- that ends the flags
	Ordered   bool     // the flags, each in one spelling, and a --, were given first
	Lacking   bool     // the last flag lacks its value
	Help      bool     // the help is asked for
	Undefined bool     // a flag is not defined for the command
	Unknown   string   // the first such flag
	Foreign   bool     // the last word is an argument of another program, or follows --
}

// A Splitter is a custom way for a command to split the words after its name.
type Splitter func(command *cli.Command, words []string) Line

// Arrange puts the flags of a command line first.
func Arrange(args []string, app *cli.App, split Splitter) []string {
	n, command := Find(args, app)
	if command == nil {
		if l := Split(args[min(1, len(args)):], app.Flags, 0); l.Help {
			return slices.Concat(args[:1], l.Flags) // cli would look for help on the next word
		}
		return args
	}
	if command.SkipFlagParsing {
		return args
	}
	return slices.Concat(args[:n], split(command, args[n:]).Words())
}

// Find returns the command that a command line invokes, and the number of words up to
// and including its name. It returns nil if there is none.
func Find(args []string, app *cli.App) (int, *cli.Command) {
	flags, commands := app.Flags, app.Commands
	var found *cli.Command
	at := min(1, len(args)) // the program's name
	for {
		next := at
		for next < len(args) && isFlag(args[next]) {
			if args[next] == "--" {
				return at, found
			}
			next += 1 + countValues(args[next], flags)
		}
		if next >= len(args) {
			return at, found
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[next]) })
		if i < 0 {
			return at, found
		}
		found, at = commands[i], next+1
		flags, commands = found.Flags, found.Subcommands
	}
}

// Split splits the words after a command's name. With a limit, flags are recognized
// only until limit arguments were found and another one follows: that one and all
// words after it belong to another program.
func Split(words []string, flags []cli.Flag, limit int) Line {
	l := Line{Given: words, Ordered: true}
	used := map[string]string{} // the spelling of each flag, by its first name
	for i := 0; i < len(words); {
		word := words[i]
		switch {
		case word == "--":
			l.Foreign = i < len(words)-1
			l.Ordered = l.Ordered && len(l.Arguments) == 0
			l.Arguments = append(l.Arguments, words[i+1:]...)
			return l
		case isFlag(word):
			l.Ordered = l.Ordered && len(l.Arguments) == 0
			end := l.addFlag(words[i:], flags, used)
			i += end
		case len(l.Arguments) == limit:
			l.Foreign = true
			l.Arguments = append(l.Arguments, words[i:]...)
			return l
		default:
			l.Arguments = append(l.Arguments, word)
			i++
		}
	}
	return l
}

// addFlag adds the flag at the beginning of words, or a group of them, with its value. It returns
// the number of words that they take.
func (l *Line) addFlag(words []string, flags []cli.Flag, used map[string]string) int {
	word := words[0]
	named, unknown := flagsNamedBy(word, flags)
	if unknown != "" && !l.Undefined {
		l.Undefined, l.Unknown = true, unknown
	}
	l.Help = l.Help || len(named) == 0 && isHelp(strings.TrimLeft(word, "-"))
	end := 1 + countValues(word, flags)
	l.Lacking = end > len(words)
	end = min(end, len(words))
	for i, part := range separate(word, named) {
		if i < len(named) {
			l.Names = append(l.Names, named[i].Names()[0])
			part = unifySpelling(part, named[i:i+1], used)
		}
		l.Ordered = l.Ordered && part == word
		l.Flags = append(l.Flags, part)
	}
	l.Flags = append(l.Flags, words[1:end]...)
	return end
}

// separate splits a group of letters: -it into -i and -t, -p80:80 into -p=80:80.
func separate(word string, named []cli.Flag) []string {
	if len(named) == 0 || isWhole(word, named[0]) {
		return []string{word}
	}
	parts := make([]string, len(named))
	for i := range named {
		parts[i] = "-" + word[i+1:i+2]
	}
	if value := word[1+len(named):]; value != "" {
		parts[len(parts)-1] += "=" + strings.TrimPrefix(value, "=")
	}
	return parts
}

// isWhole reports whether a word is a flag's name, and not a group of letters.
func isWhole(word string, f cli.Flag) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return slices.Contains(f.Names(), name)
}

// unifySpelling returns a word that is a flag with the name that the flag had before in the
// line, if any, since cli refuses "-t a --tag b".
func unifySpelling(word string, named []cli.Flag, used map[string]string) string {
	if len(named) != 1 || len(named[0].Names()) == 1 {
		return word
	}
	name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	first := named[0].Names()[0]
	before, ok := used[first]
	if !ok {
		used[first] = name
		return word
	}
	if before == name {
		return word
	}
	if hasValue {
		return "--" + before + "=" + value
	}
	return "--" + before
}

// Words returns the words of the line with the flags first.
func (l Line) Words() []string {
	switch {
	case l.Help:
		return l.Flags // cli would look for a subcommand that has the name of the first argument
	case l.Ordered:
		return l.Given
	case l.Lacking:
		return l.Flags // cli reports it; the next word would be taken as the value
	}
	return slices.Concat(l.Flags, []string{"--"}, l.Arguments)
}

// CheckCount refuses a wrong number of arguments. most may be [Unlimited].
func CheckCount(ctx *cli.Context, least, most int) error {
	args := ctx.Args()
	switch n := args.Len(); {
	case most != Unlimited && n > most:
		return UsageError(ctx.Command, fmt.Sprintf("unexpected argument %q", args.Get(most)))
	case n < least:
		names := strings.Fields(ctx.Command.ArgsUsage)
		return UsageError(ctx.Command, "missing argument: "+strings.TrimSuffix(names[min(n, len(names)-1)], "…"))
	}
	return nil
}

// UsageError reports a command line that does not match the command's usage.
func UsageError(c *cli.Command, what string) error {
	_, name, _ := strings.Cut(c.HelpName, " ") // with the parent command, without the program's name
	if name == "" {
		return fmt.Errorf("%s\nhint: minirun --help", what)
	}
	return fmt.Errorf("%s: %s\nhint: minirun %s --help", name, what, name)
}

// isFlag reports whether a word looks like a flag, or is the -- that ends them. A
// negative number does not: it may be a signal.
func isFlag(word string) bool {
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], "0123456789") != ""
}

// countValues returns the number of words after a flag that are its value: 0 or 1.
func countValues(word string, flags []cli.Flag) int {
	named, _ := flagsNamedBy(word, flags)
	if len(named) == 0 || strings.Contains(word, "=") || !takesValue(named[len(named)-1]) {
		return 0
	}
	if !isWhole(word, named[0]) && len(word) > 1+len(named) {
		return 0 // -n5
	}
	return 1
}

func takesValue(f cli.Flag) bool {
	documented, ok := f.(cli.DocGenerationFlag)
	return ok && documented.TakesValue()
}

// flagsNamedBy returns the flags that a word names: several for a group of letters such as
// -it, in which the last one may be followed by its value. It also returns the flag that is not
// defined, if there is one.
func flagsNamedBy(word string, flags []cli.Flag) (named []cli.Flag, unknown string) {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if f := lookUp(name, flags); f != nil {
		return []cli.Flag{f}, ""
	}
	if isHelp(name) {
		return nil, ""
	}
	if strings.HasPrefix(word, "--") || len(word) < 3 {
		return nil, spell(word)
	}
	for i, letter := range word[1:] {
		f := lookUp(string(letter), flags)
		switch {
		case f == nil && i == 0:
			return nil, spell(word)
		case f == nil:
			return nil, fmt.Sprintf("-%c in %s", letter, word)
		}
		named = append(named, f)
		if takesValue(f) {
			break
		}
	}
	return named, ""
}

// isHelp reports whether a name is the one of the flag that cli adds to every command.
func isHelp(name string) bool {
	return name == "help" || name == "h"
}

// spell returns an unknown flag without its value, with two dashes if it is a word.
func spell(word string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func lookUp(name string, flags []cli.Flag) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}
