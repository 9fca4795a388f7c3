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
	"runtime/debug"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	_ "github.com/minirun/minirun/internal/startup"
)

// version is set by the Makefile; commit comes from the build's VCS stamp or
// the Makefile.
var (
	version = "0.1.0-dev"
	commit  = ""
)

func main() {
	bootstrap.QuietMonitor()
	a := app(os.Args[1:])
	args, ok := cmdline.Arrange(os.Args, a, splitFlags)
	if !ok {
		return
	}
	if err := a.Run(args); err != nil {
		fail(err)
	}
}

type verb struct {
	name        string
	command     func() *cli.Command
	least, most int // number of arguments
}

const anyNumber = cmdline.Unlimited

// verbs lists the commands by name, in the order of the help.
var verbs = []verb{
	{"run", runCommand, 0, anyNumber}, {"create", createCommand, 0, 2}, {"start", startCommand, 1, 1},
	{"exec", execCommand, 1, anyNumber}, {"kill", killCommand, 1, 2}, {"delete", deleteCommand, 1, 1},
	{"state", stateCommand, 1, 1}, {"list", listCommand, 0, 0}, {"ps", psCommand, 0, anyNumber},
	{"pause", pauseCommand, 1, 1}, {"resume", resumeCommand, 1, 1}, {"update", updateCommand, 1, 1},
	{"events", eventsCommand, 1, 1}, {"features", featuresCommand, 0, 0},
	{"checkpoint", checkpointCommand, 1, 1}, {"restore", restoreCommand, 1, 1},
	{"plan", planCommand, 0, 2}, {"step", stepCommand, 0, 2}, {"inspect", inspectCommand, 1, 1},
	{"layers", layersCommand, 1, 2}, {"compare", compareCommand, 1, 1},
	{"doctor", doctorCommand, 0, 0}, {"spec", specCommand, 0, 0},
	{"logs", logsCommand, 1, 1}, {"stop", stopCommand, 1, anyNumber}, {"rm", rmCommand, 1, anyNumber},
	{"monitor", monitorCommand, 1, 1},
}

func init() {
	for _, v := range imageVerbs {
		verbs = append(verbs, verb{v.name, imageCommand(v.name, v.usage), 0, anyNumber})
	}
}

// commandsFor creates the commands that a command line may refer to: those whose names
// are in it, or all if it has none. Creating all of them takes a twentieth of the time
// of a short command.
func commandsFor(args []string) (commands []*cli.Command) {
	for _, v := range verbs {
		if slices.Contains(args, v.name) {
			commands = append(commands, v.build())
		}
	}
	if len(commands) > 0 {
		return commands
	}
	for _, v := range verbs {
		commands = append(commands, v.build())
	}
	return commands
}

// build returns the verb's command with what all commands have in common.
func (v *verb) build() *cli.Command {
	c := v.command()
	c.Before = func(ctx *cli.Context) error {
		if err := cmdline.CheckCount(ctx, v.least, v.most); err != nil {
			return err
		}
		return sortDescriptors(ctx)
	}
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
		return cmdline.UsageError(ctx.Command,
			err.Error())
	}
	c.HideHelpCommand = true // a container may be called help
	return c
}

// completionVariable is set by contrib/completion. Without it,
// --generate-bash-completion as the last argument, which makes cli print completions,
// is an ordinary argument: it may be for the container's program.
const completionVariable = "MINIRUN_COMPLETE"

func app(args []string) *cli.App {
	commands, completing := commandsFor(args), os.Getenv(completionVariable) != ""
	for _, c := range commands {
		if completing {
			c.UseShortOptionHandling = false // otherwise cli forgets the context of an incomplete flag
			c.Flags = c.VisibleFlags()       // cli offers all that exist
		}
	}
	cli.HelpFlag = toggleFlag(cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help",
		DisableDefaultText: true})
	cli.VersionFlag = toggleFlag(cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "show the version",
		DisableDefaultText: true})
	cli.VersionPrinter = func(*cli.Context) { fmt.Println("minirun version " + versionText()) }
	a := &cli.App{
		Name:                 "minirun",
		Usage:                "run OCI containers, and show how",
		Version:              version,
		EnableBashCompletion: completing,
		HideHelpCommand:      true,
		Compiled:             time.Unix(1, 0), // it is never shown, and without one cli looks at the file
		Flags: []cli.Flag{
			textFlag(cli.StringFlag{Name: "root", Value: container.DefaultRoot(),
				Usage: "directory for the state of containers"}),
			textFlag(cli.StringFlag{Name: "store",
				Usage: "directory for images, and containers created from them (default: /var/lib/minirun; of users " +
					"~/.local/share/minirun)"}),
			textFlag(cli.StringFlag{Name: "log", Usage: "write messages to `FILE` instead of standard error"}),
			textFlag(cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"}),
			toggleFlag(cli.BoolFlag{Name: "debug", Usage: "more messages"}),
			toggleFlag(cli.BoolFlag{Name: "systemd-cgroup", Usage: "have systemd create the cgroup"}),
			textFlag(cli.StringFlag{Name: "cgroup-manager",
				Usage: "`MANAGER` of the cgroup: cgroupfs, systemd, or disabled for no cgroup and no limits"}),
			textFlag(cli.StringFlag{Name: "rootless", Value: "auto", Usage: "ignored: detected automatically",
				Hidden: true}),
			textFlag(cli.StringFlag{Name: "criu", Usage: "ignored", Hidden: true}),
		},
		Before:         prepareCommand,
		Commands:       commands,
		Action:         help,
		ExitErrHandler: func(*cli.Context, error) {}, // main reports errors
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return err },
	}
	if completing {
		a.Flags = a.VisibleFlags()
	}
	return a
}

// help runs if no known command is given: `minirun help` and `minirun help COMMAND`
// print the same as --help. It is not a command itself, because cli would take a
// container called help for it.
func help(ctx *cli.Context) error {
	args := ctx.Args()
	if args.Present() && args.First() != "help" {
		return fmt.Errorf("unknown command %q\nhint: minirun --help lists the commands", args.First())
	}
	name := args.Get(1)
	switch c := ctx.App.Command(name); {
	case name == "":
		return cli.ShowAppHelp(ctx)
	case c == nil:
		return fmt.Errorf("unknown command %q\nhint: minirun --help lists the commands", name)
	case c.SkipFlagParsing:
		return becomeImage([]string{name, "--help"})
	}
	return cli.ShowCommandHelp(ctx, name)
}

// versionText has the format of runc, which Docker, Podman and CRI-O parse: the
// version after the last word "version" of a line, then lines with a name. The last
// line is crun's, in which people and tests look up the features of a build.
func versionText() string {
	return fmt.Sprintf("%s\ncommit: %s\nspec: %s\ngo: %s\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU",
		version, revision(), specs.Version, goVersion())
}

// revision returns the commit of this build.
func revision() string {
	rev := commit
	if info, ok := debug.ReadBuildInfo(); ok && rev == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				rev = s.Value
			}
		}
	}
	if rev == "" {
		rev = "unknown"
	}
	return rev
}

// A failure is an error with its own exit status.
type failure struct {
	error
	status int
}

func (e *failure) Unwrap() error { return e.error }

// exitStatus is an error that only carries minirun's exit status, taken from a
// container.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
