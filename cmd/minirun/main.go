// The runtime would read its cgroup's CPU quota at each start to choose
// GOMAXPROCS, and go on watching it: of no use in a process that mostly waits.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command minirun is the command line: one file for each verb, flags and words
// as runc's where runc has them, and no logic. What a verb does is in
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
	"github.com/minirun/minirun/internal/container"
)

// version is set by the Makefile; commit comes from the build's VCS stamp or
// the Makefile.
var (
	version = "0.1.0-dev"
	commit  = ""
)

func main() {
	bootstrap.QuietMonitor()
	if err := app(os.Args[1:]).Run(os.Args); err != nil {
		fail(err)
	}
}

type verb struct {
	name    string
	command func() *cli.Command
}

// verbs are the commands by name, in the order of the help.
var verbs = []verb{
	{"run", runCommand}, {"create", createCommand}, {"start", startCommand}, {"exec", execCommand}, {"kill", killCommand}, {"delete", deleteCommand},
	{"state", stateCommand}, {"list", listCommand}, {"ps", psCommand}, {"pause", pauseCommand}, {"resume", resumeCommand}, {"update", updateCommand},
	{"events", eventsCommand}, {"features", featuresCommand}, {"checkpoint", checkpointCommand}, {"restore", restoreCommand},
	{"plan", planCommand}, {"step", stepCommand}, {"inspect", inspectCommand}, {"layers", layersCommand}, {"compare", compareCommand},
	{"doctor", doctorCommand}, {"spec", specCommand},
	{"logs", logsCommand}, {"stop", stopCommand}, {"rm", rmCommand}, {"monitor", monitorCommand},
}

func init() {
	for _, v := range imageVerbs {
		verbs = append(verbs, verb{v.name, imageCommand(v.name, v.usage)})
	}
}

// commandsFor makes the commands that a command line may be about: those whose
// names are in it, or all if it has none. Making all takes a twentieth of the
// time that a short command takes.
func commandsFor(args []string) (commands []*cli.Command) {
	for _, v := range verbs {
		if slices.Contains(args, v.name) {
			commands = append(commands, v.command())
		}
	}
	if len(commands) > 0 {
		return commands
	}
	for _, v := range verbs {
		commands = append(commands, v.command())
	}
	return commands
}

// completionVariable is set by contrib/completion. Without it,
// --generate-bash-completion as the last argument, which makes cli print completions,
// is an ordinary argument: it may be for the container's program.
const completionVariable = "MINIRUN_COMPLETE"

func app(args []string) *cli.App {
	commands, completing := commandsFor(args), os.Getenv(completionVariable) != ""
	for _, c := range commands {
		c.Before = sortDescriptors
		c.HideHelpCommand = true // a container may be called help
		if completing {
			c.UseShortOptionHandling = false // with it cli forgets the context of a flag that is not whole
		}
	}
	cli.HelpFlag = toggleFlag(cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true})
	cli.VersionFlag = toggleFlag(cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "show the version", DisableDefaultText: true})
	cli.VersionPrinter = func(*cli.Context) { fmt.Println("minirun version " + versionText()) }
	return &cli.App{
		Name:                 "minirun",
		Usage:                "run OCI containers, and show how",
		Version:              version,
		EnableBashCompletion: completing,
		HideHelpCommand:      true,
		Compiled:             time.Unix(1, 0), // nobody is shown it, and without one cli looks at the file
		Flags: []cli.Flag{
			textFlag(cli.StringFlag{Name: "root", Value: container.DefaultRoot(), Usage: "directory for the state of containers"}),
			textFlag(cli.StringFlag{Name: "store", Usage: "directory of images, and of containers made of them (default: /var/lib/minirun; of users ~/.local/share/minirun)"}),
			textFlag(cli.StringFlag{Name: "log", Usage: "write messages to `FILE` instead of standard error"}),
			textFlag(cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"}),
			toggleFlag(cli.BoolFlag{Name: "debug", Usage: "more messages"}),
			toggleFlag(cli.BoolFlag{Name: "systemd-cgroup", Usage: "have systemd make the cgroup"}),
			textFlag(cli.StringFlag{Name: "cgroup-manager", Usage: "`MANAGER` of the cgroup: cgroupfs, systemd, or disabled for no cgroup and no limits"}),
			textFlag(cli.StringFlag{Name: "rootless", Value: "auto", Usage: "ignored: minirun sees for itself", Hidden: true}),
			textFlag(cli.StringFlag{Name: "criu", Usage: "ignored", Hidden: true}),
		},
		Before:         before,
		Commands:       commands,
		ExitErrHandler: func(*cli.Context, error) {}, // main reports
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return err },
	}
}

func versionText() string {
	return fmt.Sprintf("%s\ncommit: %s\nspec: %s\ngo: %s", version, revision(), specs.Version, goVersion())
}

// revision is the commit of this build.
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

// A failure is an error that has an exit status of its own.
type failure struct {
	error
	status int
}

func (e *failure) Unwrap() error { return e.error }

// exitStatus is an error that only carries minirun's exit status: a
// container's.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
