package cmdline

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestUnknownCommand(t *testing.T) {
	for _, c := range []struct{ parent, name, want string }{
		{"", "rnu", "unknown command \"rnu\"\nhint: did you mean minirun run?"},
		{"", "frob", "unknown command \"frob\"\nhint: minirun --help lists the commands"},
		{"", "compose", "unknown command \"compose\"\nhint: minirun has no compose; minirun build bake builds the images of a compose file"},
		{"store", "chek", "store: unknown subcommand \"chek\"\nhint: did you mean minirun store check?"},
		{"store", "frob", "store: unknown subcommand \"frob\"\nhint: minirun store --help lists the subcommands"},
	} {
		if got := UnknownCommand(c.parent, c.name, []string{"run", "check"}).Error(); got != c.want {
			t.Errorf("%s %s: %q", c.parent, c.name, got)
		}
	}
}

// TestFlagErrors: an unknown flag is named as it is written, with the nearest one as a hint.
func TestFlagErrors(t *testing.T) {
	for line, want := range map[string]string{
		"x --detahc": "x: unknown flag --detahc\nhint: did you mean --detach?",
		"x -Z":       "x: unknown flag -Z\nhint: minirun x --help lists the flags", "x -dZ": "x: unknown flag -Z in -dZ",
		"x --zzzz": "x: unknown flag --zzzz\nhint: minirun x --help", "x a b --zzzz": "x: unknown flag --zzzz",
		"--nope x": "unknown flag --nope\nhint: minirun --help lists the flags", "x --name": "x: flag needs an argument: --name\nhint: minirun x --help", "x -de": "x: flag needs an argument: -e WORD (set WORD)\nhint: ",
		"x --size 1x": `x: --size "1x": must be a number` + "\nhint: minirun x --help", "x -s1x": `x: -s "1x": must be a number`,
		"x --age=1": `x: --age "1": must be a duration such as 30s`, "x --detach=maybe a": `x: --detach "maybe": must be true or false`,
		"x a --size 1 --age 1s -d=false --size=": `x: --size "": must be a number`,
	} {
		a := &cli.App{Name: "minirun", HideHelpCommand: true, Writer: &strings.Builder{},
			OnUsageError: func(ctx *cli.Context, err error, _ bool) error { return FlagError(ctx, err) },
			Commands: []*cli.Command{{Name: "x", Action: func(*cli.Context) error { return nil },
				Flags: []cli.Flag{ToggleFlag(cli.BoolFlag{Name: "detach", Aliases: []string{"d"}}),
					TextFlag(cli.StringFlag{Name: "name"}), TextFlag(cli.StringFlag{Name: "e", Usage: "set `WORD`"}),
					&cli.DurationFlag{Name: "age"}, NumberFlag(cli.IntFlag{Name: "size", Aliases: []string{"s"}})},
				OnUsageError: func(ctx *cli.Context, err error, _ bool) error { return FlagError(ctx, err) }}}}
		split := func(c *cli.Command, words []string) Line { return Split(words, c.Flags, Unlimited) }
		saved := os.Args
		os.Args = append([]string{"minirun"}, strings.Fields(line)...)
		err := a.Run(Arrange(os.Args, a, split))
		os.Args = saved
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestGroupsOfLetters: short flags may be joined, and the last one's value may follow without a space.
func TestGroupsOfLetters(t *testing.T) {
	flags := []cli.Flag{ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}}), ToggleFlag(cli.BoolFlag{Name: "q"}),
		NumberFlag(cli.IntFlag{Name: "tail", Aliases: []string{"n"}})}
	for in, want := range map[string]string{
		"-aq": "-a -q --", "-an 5 x": "-a -n 5 -- x", "-an5 x": "-a -n=5 -- x", "-n5 x": "-n=5 -- x", "x -aqn=5": "-a -q -n=5 -- x",
		"-n=5": "-n=5", "-tail 5": "-tail 5", "-a x": "-a x", "-5": "-5", "-aZ": "-aZ",
	} {
		if got := strings.Join(Split(strings.Fields(in), flags, Unlimited).Words(), " "); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if l := Split([]string{"-an"}, flags, Unlimited); !l.Lacking || !slices.Equal(l.Names, []string{"all", "tail"}) {
		t.Errorf("-an: %+v", l)
	}
}

// TestHelpWithArguments: help is shown whatever the arguments are, since cli would take the first one
// for a subcommand.
func TestHelpWithArguments(t *testing.T) {
	flags := []cli.Flag{ToggleFlag(cli.BoolFlag{Name: "q"}), TextFlag(cli.StringFlag{Name: "name"})}
	for in, want := range map[string]string{
		"-h web": "-h", "web --help": "--help", "-q web -h": "-q -h", "--help --nme web": "--help --nme",
		"--name -h web": "--name -h web", "web image -h": "web image -h", "-- -h": "-- -h", "--help=false web": "--help=false web",
	} {
		if got := strings.Join(Split(strings.Fields(in), flags, 1).Words(), " "); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	own := append(flags, TextFlag(cli.StringFlag{Name: "h"}))
	if l := Split([]string{"-h", "web"}, own, 1); l.Help {
		t.Error("a command's own flag -h asks for help")
	}
}
