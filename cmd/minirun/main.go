// Otherwise the Go runtime reads its cgroup's CPU quota at each start to choose
// GOMAXPROCS, and keeps watching it, which is useless in a process that mostly waits.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command minirun is the command line: one file for each command, flags and names as
// in runc where runc has them, and no logic. The commands are implemented in
// internal/container.
package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/missing"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/noun"
	"github.com/minirun/minirun/internal/runtarget"
	_ "github.com/minirun/minirun/internal/startup"
	"github.com/minirun/minirun/internal/version"
)

func main() {
	bootstrap.QuietMonitor()
	if err := runCommandLine(); err != nil {
		messages.Fail(err)
	}
}

// runCommandLine runs the command of os.Args, which helpers also read.
func runCommandLine() error {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case cmdline.CompleteCommand:
			return becomeEngine(nil)
		case cmdline.DescribeCommand:
			return describe()
		}
	}
	a := app(os.Args[1:])
	if err := cmdline.UseLanguage(os.Args, a.Flags); err != nil {
		return err
	}
	return a.Run(cmdline.Arrange(os.Args, a, splitFlags))
}

type verb struct {
	name        string
	command     func() *cli.Command
	least, most int // number of arguments
}

const anyNumber = cmdline.Unlimited

// verbs lists the commands that this program implements, by name.
var verbs = []verb{
	{"run", runCommand, 0, anyNumber}, {"create", createCommand, 0, anyNumber}, {"start", startCommand, 0, anyNumber},
	{"exec", execCommand, 1, anyNumber}, {"kill", killCommand, 1, anyNumber}, {"delete", deleteCommand, 1, 1},
	{"state", stateCommand, 1, 1}, {"list", listCommand, 0, 0}, {"ps", psCommand, 0, anyNumber},
	{"pause", pauseCommand, 1, anyNumber}, {"resume", resumeCommand, 1, anyNumber},
	{"unpause", unpauseCommand, 1, anyNumber}, {"update", updateCommand, 1, 1},
	{"events", eventsCommand, 1, 1}, {"features", featuresCommand, 0, 0},
	{"checkpoint", checkpointCommand, 1, 1}, {"restore", restoreCommand, 1, 1},
	{"plan", planCommand, 0, anyNumber}, {"step", stepCommand, 0, anyNumber}, {"inspect", inspectCommand, 1, anyNumber},
	{"layers", layersCommand, 1, 2}, {"compare", compareCommand, 1, 1},
	{"doctor", doctorCommand, 0, 0}, {"spec", specCommand, 0, anyNumber},
	{"monitor", monitorCommand, 1, 1},
}

// allVerbs returns all commands: also those of helpers, and docker's nouns. Most starts need
// none of them, so that nothing is created for them in advance.
func allVerbs() []verb {
	all := slices.Clone(verbs)
	for _, v := range engineVerbs {
		all = append(all, verb{v.name, helperCommand(v.name, v.usage, becomeEngine), 0, anyNumber})
	}
	for _, v := range imageVerbs {
		all = append(all, verb{v.name, imageCommand(v.name, v.usage), 0, anyNumber})
	}
	all = append(all, verb{labVerb, helperCommand(labVerb, labUsage, becomeLab), 0, anyNumber})
	for i := range noun.All {
		n := &noun.All[i]
		all = append(all, verb{n.Name, func() *cli.Command { return nounCommand(n) }, 0, anyNumber})
	}
	return all
}

// isOfHelper reports whether a word is the name of a command that is not in verbs.
func isOfHelper(word string) bool {
	if word == labVerb {
		return true
	}
	for i := range engineVerbs {
		if engineVerbs[i].name == word {
			return true
		}
	}
	for i := range imageVerbs {
		if imageVerbs[i].name == word {
			return true
		}
	}
	for i := range noun.All {
		if noun.All[i].Name == word {
			return true
		}
	}
	return false
}

// commandsFor creates the commands that a command line may refer to: those whose names
// are in it, or all if it has none. Creating all of them takes a twentieth of the time
// of a short command.
func commandsFor(args []string) (commands []*cli.Command) {
	if len(args) == 1 && (args[0] == "--version" || args[0] == "-v") {
		return nil // engines ask often, and all commands would take a fifth of the time
	}
	candidates := verbs
	if slices.ContainsFunc(args, isOfHelper) {
		candidates = allVerbs()
	}
	for i := range candidates {
		if v := &candidates[i]; slices.Contains(args, v.name) {
			commands = append(commands, v.build())
		}
	}
	if len(commands) == 0 {
		for _, v := range allVerbs() {
			commands = append(commands, v.build())
		}
	}
	for _, c := range commands {
		switch c.Name {
		case "run", "create":
			c.Flags = append(c.Flags, imageFlags(args, c)...)
		case "plan", "step":
			c.Flags = append(c.Flags, cmdline.Hide(imageFlags(args, c))...)
		}
	}
	return commands
}

// build returns the verb's command with what all commands have in common.
func (v *verb) build() *cli.Command {
	c := v.command()
	if c.Before == nil {
		c.Before = func(ctx *cli.Context) error {
			if err := cmdline.CheckCount(ctx, v.least, v.most); err != nil {
				return err
			}
			return sortDescriptors(ctx)
		}
	}
	if action := c.Action; action != nil {
		c.Action = func(ctx *cli.Context) error {
			err := action(ctx)
			if err == nil {
				return nil
			}
			e, args := newEngine(ctx), ctx.Args()
			err = missing.ByID(e, args.First(), err, func(name string) error {
				return action(cmdline.WithArguments(ctx, append([]string{name}, args.Tail()...)))
			})
			if err == nil {
				return nil
			}
			return missing.Explain(err, e)
		}
	}
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error { return flagError(ctx, err) }
	c.HideHelpCommand = true // a container may be called help
	return c
}

// flagError reports flags that cannot be parsed.
func flagError(ctx *cli.Context, err error) error {
	err = cmdline.FlagError(ctx, err)
	if ctx.Command.Name == "run" && !slices.ContainsFunc(cmdline.GivenWords(ctx), meansBundle) {
		return messages.NewFailure(err, engine.CannotRun) // as docker run
	}
	return err
}

func meansBundle(word string) bool {
	return word == "-b" || word == "--bundle" || word == "-bundle" || paths.Path(word) == runtarget.Bundle
}

// imageFlags returns the flags for an image that a command line may refer to, and all for help.
func imageFlags(args []string, c *cli.Command) []cli.Flag {
	at := slices.Index(args, c.Name)
	if at < 0 || slices.Contains(args, "help") {
		return runflags.All()
	}
	return runflags.Needed(args[at+1:], c.Flags)
}

func app(args []string) *cli.App {
	cmdline.UseHelp()
	cli.VersionFlag = cmdline.ToggleFlag(cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "show the version",
		DisableDefaultText: true})
	cli.VersionPrinter = func(*cli.Context) { fmt.Println("minirun version " + version.Text()) }
	return &cli.App{
		Name:            "minirun",
		Usage:           "run OCI containers, and show how",
		Version:         version.Number(),
		HideHelpCommand: true,
		Compiled:        time.Unix(1, 0), // it is never shown, and without one cli looks at the file
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "root", Value: container.DefaultRoot(),
				Usage: "directory for the state of containers"}),
			cmdline.TextFlag(cli.StringFlag{Name: "store",
				Usage: "directory for images, and containers created from them (default: /var/lib/minirun; of users " +
					"~/.local/share/minirun)"}),
			cmdline.TextFlag(cli.StringFlag{Name: "log", Usage: "write messages to `FILE` instead of standard error"}),
			cmdline.TextFlag(cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "debug", Usage: "log more"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "systemd-cgroup", Usage: "have systemd create the cgroup"}),
			cmdline.TextFlag(cli.StringFlag{Name: "cgroup-manager",
				Usage: "`MANAGER` of the cgroup: cgroupfs, systemd, or disabled for no cgroup and no limits"}),
			cmdline.TextFlag(cli.StringFlag{Name: "rootless", Value: "auto", Usage: "ignored: detected automatically",
				Hidden: true}),
			cmdline.TextFlag(cli.StringFlag{Name: "criu", Usage: "ignored", Hidden: true}),
			cmdline.TextFlag(cli.StringFlag{Name: "lang",
				Usage: "`LANGUAGE` of messages and help: en or pt (default: that of MINIRUN_LANG, LC_ALL, LC_MESSAGES or LANG)"}),
		},
		Before:         prepareCommand,
		Commands:       commandsFor(args),
		Action:         help,
		ExitErrHandler: func(*cli.Context, error) {}, // main reports errors
		OnUsageError:   func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) },
	}
}

// help runs if no known command is given: `minirun help` and `minirun help COMMAND`
// print the same as --help. It is not a command itself, because cli would take a
// container called help for it.
func help(ctx *cli.Context) error {
	args := ctx.Args().Slice()
	if len(args) == 0 || len(args) == 1 && args[0] == "help" {
		return cli.ShowAppHelp(ctx)
	}
	subject := args[0]
	if subject == "help" {
		subject = args[1]
	}
	all := allVerbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == subject })
	switch {
	case args[0] != "help" || i < 0:
		return cmdline.UnknownCommand("", subject, append(verbNames(), "help"))
	case all[i].build().SkipFlagParsing: // other words may be subcommands
		os.Args = slices.Concat(os.Args[:1], args[1:], []string{"--help"})
	case len(args) > 2:
		return fmt.Errorf("help: unexpected argument %q\nhint: minirun help %s", args[2], subject)
	default:
		os.Args = []string{os.Args[0], subject, "--help"}
	}
	return runCommandLine()
}
