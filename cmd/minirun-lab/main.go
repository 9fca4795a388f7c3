// Command minirun-lab implements `minirun lab`: a workshop whose exercises are checked by the kernel.
// It is a separate program because the labs, their texts and a terminal library would make each start of
// a container slower.
package main

import (
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/lab/predicate/security"
	"github.com/minirun/minirun/internal/messages"
)

func main() {
	security.RunProbe(os.Args)
	a := app()
	if len(os.Args) > 1 && os.Args[1] == cmdline.DescribeCommand {
		cmdline.Describe(os.Stdout, a, os.Args[2:], split)
		return
	}
	if err := a.Run(cmdline.Arrange(os.Args, a, split)); err != nil {
		messages.Fail(err)
	}
}

func split(command *cli.Command, words []string) cmdline.Line {
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}

func app() *cli.App {
	cmdline.UseHelp()
	command := labCommand()
	prepare(command)
	return &cli.App{
		Name:            "minirun",
		Usage:           "learn containers",
		HideHelpCommand: true,
		HideVersion:     true,
		Compiled:        time.Unix(1, 0),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Hidden: true, Value: container.DefaultRoot()},
			&cli.StringFlag{Name: "store", Hidden: true, Value: image.DefaultDir()},
			&cli.StringFlag{Name: "lang", Hidden: true},
			&cli.StringFlag{Name: "log", Hidden: true},
			&cli.StringFlag{Name: "log-format", Hidden: true, Value: "text"},
			&cli.BoolFlag{Name: "debug", Hidden: true},
			&cli.BoolFlag{Name: "systemd-cgroup", Hidden: true},
			&cli.StringFlag{Name: "cgroup-manager", Hidden: true},
			&cli.StringFlag{Name: "rootless", Hidden: true},
			&cli.StringFlag{Name: "criu", Hidden: true},
		},
		Before:         messages.Open,
		Commands:       []*cli.Command{command},
		ExitErrHandler: func(*cli.Context, error) {}, // main reports errors
		OnUsageError:   func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) },
	}
}

// prepare sets what all commands have in common.
func prepare(c *cli.Command) {
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) }
	c.HideHelpCommand = true
	for _, below := range c.Subcommands {
		prepare(below)
	}
}

// A verb is a subcommand of lab, with the number of its arguments.
type verb struct {
	command     *cli.Command
	least, most int
}

func labCommand() *cli.Command {
	c := &cli.Command{
		Name:  "lab",
		Usage: "learn containers in labs that the kernel checks",
		Description: "Each lab has a question to answer first, something to do, checks that ask the kernel, and an\n" +
			"explanation. Any lab can be started first; nothing is needed from a network.",
		Action: func(ctx *cli.Context) error {
			if name := ctx.Args().First(); name != "" {
				return cmdline.UnknownCommand("lab", name, names(verbs()))
			}
			return cli.ShowSubcommandHelp(ctx)
		},
	}
	for _, v := range verbs() {
		v.command.Before = func(ctx *cli.Context) error { return cmdline.CheckCount(ctx, v.least, v.most) }
		c.Subcommands = append(c.Subcommands, v.command)
	}
	return c
}

func verbs() []verb {
	return []verb{
		{listCommand(), 0, 0}, {startCommand(), 1, 1}, {showCommand(), 0, 1}, {predictCommand(), 1, cmdline.Unlimited},
		{checkCommand(), 0, 1}, {hintCommand(), 0, 1}, {solveCommand(), 0, 1}, {resetCommand(), 0, 1},
		{nextCommand(), 0, 0}, {statusCommand(), 0, 0}, {shellCommand(), 0, 1}, {testCommand(), 0, cmdline.Unlimited},
		{doctorCommand(), 0, 0}, {newCommand(), 1, 1}, {packCommand(), 1, 1},
		{slidesCommand(), 0, cmdline.Unlimited},
	}
}

func names(verbs []verb) (out []string) {
	for _, v := range verbs {
		out = append(out, v.command.Name)
	}
	return out
}
