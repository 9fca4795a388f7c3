package cmdline

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// Nearest returns the candidate that was probably meant by a word that is not one of them, or "".
// internal/build uses a function of BuildKit for the same purpose, so that its messages agree with
// BuildKit's; cmd/minirun must not link that.
func Nearest(word string, candidates []string) string {
	if utf8.RuneCountInString(word) < 2 {
		return ""
	}
	best, least := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, c := range candidates {
		if d := countEdits([]rune(strings.ToLower(word)), []rune(strings.ToLower(c))); d < least {
			best, least = c, d
		}
	}
	return best
}

// countEdits returns the number of characters to insert, remove, replace or exchange with their
// neighbour that makes one word of the other (the optimal string alignment distance).
func countEdits(a, b []rune) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, above[j+1]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// UnknownCommand reports a command that does not exist. parent is the command whose subcommand it
// would be, or "".
func UnknownCommand(parent, name string, names []string) error {
	program := strings.TrimSpace("minirun " + parent)
	what, list := fmt.Sprintf("unknown command %q", name), "commands"
	if parent != "" {
		what, list = fmt.Sprintf("%s: unknown subcommand %q", parent, name), "subcommands"
	}
	if near := Nearest(name, names); near != "" {
		return fmt.Errorf("%s\nhint: did you mean %s %s?", what, program, near)
	}
	return fmt.Errorf("%s\nhint: %s --help lists the %s", what, program, list)
}

// Subcommand is the action of a command that does nothing without a subcommand.
func Subcommand(ctx *cli.Context) error {
	if ctx.NArg() == 0 {
		return cli.ShowSubcommandHelp(ctx)
	}
	var names []string
	for _, c := range ctx.Command.VisibleCommands() {
		names = append(names, c.Names()...)
	}
	_, parent, _ := strings.Cut(ctx.Command.HelpName, " ")
	return UnknownCommand(parent, ctx.Args().First(), names)
}

// FlagError reports flags that cli could not parse. An unknown flag is found again in the words, not
// in cli's message.
func FlagError(ctx *cli.Context, err error) error {
	command := ctx.Command
	line := Split(GivenWords(ctx), command.Flags, Unlimited)
	if !line.Undefined {
		return UsageError(command, err.Error())
	}
	_, name, _ := strings.Cut(command.HelpName, " ")
	what := strings.TrimPrefix(name+": unknown flag "+line.Unknown, ": ")
	var names []string
	for _, f := range command.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() {
			names = append(names, f.Names()...)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return len(n) == 1 })
	if near := Nearest(strings.TrimLeft(line.Unknown, "-"), names); near != "" {
		return fmt.Errorf("%s\nhint: did you mean --%s?", what, near)
	}
	return fmt.Errorf("%s\nhint: %s --help lists the flags", what, strings.TrimSpace("minirun "+name))
}

// GivenWords returns the words after the command's name.
func GivenWords(ctx *cli.Context) []string {
	if lineage := ctx.Lineage(); len(lineage) > 2 {
		return lineage[1].Args().Tail()
	}
	return os.Args[1:] // of the program
}
