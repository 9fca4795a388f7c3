package cmdline

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/nearest"
)

// UnknownCommand reports a command that does not exist. parent is the command whose subcommand it
// would be, or "".
func UnknownCommand(parent, name string, names []string) error {
	program := strings.TrimSpace("minirun " + parent)
	what, list := fmt.Sprintf("unknown command %q", name), program+" --help lists the commands"
	if parent != "" {
		what, list = fmt.Sprintf("%s: unknown subcommand %q", parent, name), program+" --help lists the subcommands"
	}
	if other := replaceMissing(name); parent == "" && other != "" {
		return fmt.Errorf("%s\nhint: %s", what, other)
	}
	if near := nearest.Word(name, names); near != "" {
		return fmt.Errorf("%s\nhint: did you mean %s %s?", what, program, near)
	}
	return fmt.Errorf("%s\nhint: %s", what, list)
}

// replaceMissing returns what to use instead of a command that only docker has, or "".
func replaceMissing(name string) string {
	switch name {
	case "compose":
		return "minirun has no compose; minirun build bake builds the images of a compose file"
	case "manifest":
		return "minirun imagetools combines and shows images of several platforms"
	case "search":
		return "minirun pull NAME pulls an image whose name you know"
	case "swarm", "service", "stack", "node", "secret", "config":
		return "minirun manages the containers of one machine; minirun run starts one"
	case "context", "plugin", "trust":
		return "minirun has no daemon, and works without this; minirun --help lists the commands"
	}
	return ""
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
	wrong := line.wrongValue(command.Flags)
	switch {
	case line.Undefined:
	case line.Lacking:
		return UsageError(command, lackingValue(line, command.Flags))
	case wrong != "":
		return UsageError(command, wrong)
	default:
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
	if near := nearest.Word(strings.TrimLeft(line.Unknown, "-"), names); near != "" {
		return fmt.Errorf("%s\nhint: did you mean --%s?", what, near)
	}
	return fmt.Errorf("%s\nhint: %s --help lists the flags", what, strings.TrimSpace("minirun "+name))
}

// lackingValue describes the value that the last flag of a line needs. Podman looks for the words "flag needs
// an argument" to find out whether a runtime has a flag.
func lackingValue(line Line, flags []cli.Flag) string {
	text := "flag needs an argument: " + spell(line.Flags[len(line.Flags)-1])
	if f, ok := lookUp(line.Names[len(line.Names)-1], flags).(cli.DocGenerationFlag); ok {
		if value, usage := splitUsage(f.GetUsage()); value != "" {
			text += " " + value + " (" + usage + ")"
		}
	}
	return text
}

// GivenWords returns the words after the command's name.
func GivenWords(ctx *cli.Context) []string {
	if lineage := ctx.Lineage(); len(lineage) > 2 {
		return lineage[1].Args().Tail()
	}
	return os.Args[1:] // of the program
}
