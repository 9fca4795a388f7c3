// Command minirun-engine implements minirun's commands for containers created from images, as
// docker has them: ps, logs, stop, rm and the others. `minirun ps` executes it, so users do not
// call it directly. It is a separate program because engines call the runtime's commands, and what
// people need around them would make each start of a container slower.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/missing"
	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/messages"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == cmdline.CompleteCommand {
		complete(os.Args[2:])
		return
	}
	a := app()
	if len(os.Args) > 1 && os.Args[1] == cmdline.DescribeCommand {
		cmdline.Describe(os.Stdout, a, os.Args[2:], splitFlags)
		return
	}
	err := cmdline.UseLanguage(os.Args, a.Flags)
	if err == nil {
		err = a.Run(cmdline.Arrange(os.Args, a, splitFlags))
	}
	if err != nil {
		messages.Fail(err)
	}
}

// A verb is a command with the number of its arguments.
type verb struct {
	command     *cli.Command
	least, most int
}

func verbs() []verb {
	return []verb{
		{psCommand(), 0, 0}, {logsCommand(), 1, 1}, {stopCommand(), 1, cmdline.Unlimited},
		{rmCommand(), 1, cmdline.Unlimited},
		{startCommand(), 0, cmdline.Unlimited}, {restartCommand(), 1, cmdline.Unlimited},
		{waitCommand(), 1, cmdline.Unlimited}, {killCommand(), 1, cmdline.Unlimited}, {renameCommand(), 2, 2},
		{versionCommand(), 0, 0}, {infoCommand(), 0, 0}, {systemCommand(), 0, cmdline.Unlimited},
		{completionCommand(), 1, 1}, {containerCommand(), 0, cmdline.Unlimited}, {buildxCommand(), 0, cmdline.Unlimited},
		{networkCommand(), 0, cmdline.Unlimited}, {networkHookCommand(), 1, 1}, {portCommand(), 1, 2},
		{cpCommand(), 2, 2}, {diffCommand(), 1, 1}, {topCommand(), 1, cmdline.Unlimited},
		{statsCommand(), 0, cmdline.Unlimited},
		{volumeCommand(), 0, cmdline.Unlimited},
		{commitCommand(), 1, 2},
		{inspectCommand(), 1, cmdline.Unlimited},
		{attachCommand(), 1, 1},
	}
}

func commands() (all []*cli.Command) {
	for _, v := range verbs() {
		prepare(v.command)
		v.command.Before = func(ctx *cli.Context) error { return cmdline.CheckCount(ctx, v.least, v.most) }
		action := v.command.Action
		v.command.Action = resolveContainers(func(ctx *cli.Context) error { return explainMissing(ctx, action(ctx)) })
		for _, c := range v.command.Subcommands {
			action := c.Action
			c.Action = func(ctx *cli.Context) error { return explainMissing(ctx, action(ctx)) }
		}
		all = append(all, v.command)
	}
	return all
}

// prepare sets what all commands and their subcommands have in common.
func prepare(c *cli.Command) {
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) }
	c.HideHelpCommand = true // a container may be called help
	for _, below := range c.Subcommands {
		prepare(below)
	}
}

func app() *cli.App {
	cmdline.UseHelp()
	return &cli.App{
		Name:                      "minirun",
		Usage:                     "manage containers created from images",
		HideHelpCommand:           true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		Compiled:                  time.Unix(1, 0),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Hidden: true, Value: container.DefaultRoot()},
			&cli.StringFlag{Name: "store", Hidden: true, Value: image.DefaultDir()},
			&cli.StringFlag{Name: "log", Hidden: true},
			&cli.StringFlag{Name: "log-format", Hidden: true, Value: "text"},
			&cli.BoolFlag{Name: "debug", Hidden: true},
			&cli.BoolFlag{Name: "systemd-cgroup", Hidden: true},
			&cli.StringFlag{Name: "cgroup-manager", Hidden: true},
			&cli.StringFlag{Name: "rootless", Hidden: true},
			&cli.StringFlag{Name: "criu", Hidden: true},
			&cli.StringFlag{Name: "lang", Hidden: true},
		},
		Before:         prepareCommand,
		Commands:       commands(),
		ExitErrHandler: func(*cli.Context, error) {}, // main reports errors
		OnUsageError:   func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) },
	}
}

// explainMissing adds a hint to an error about a container that does not exist.
func explainMissing(ctx *cli.Context, err error) error {
	if err == nil {
		return nil
	}
	e, failed := newEngine(ctx)
	if failed != nil {
		return err
	}
	return missing.Explain(err, e)
}

// prepareCommand prepares every command.
func prepareCommand(ctx *cli.Context) error {
	if err := messages.Open(ctx); err != nil {
		return err
	}
	dir, err := filepath.Abs(ctx.String("store")) // paths in config.json are otherwise relative to the bundle
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	return ctx.Set("store", dir)
}

// splitFlags splits the words after a command's name into flags, which may appear anywhere, and
// arguments.
func splitFlags(command *cli.Command, words []string) cmdline.Line {
	if command.Name == "top" { // the words after the container are options of ps(1)
		return cmdline.Split(words, command.Flags, 0)
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}

// newEngine returns the engine of the global flags.
func newEngine(ctx *cli.Context) (*engine.Engine, error) {
	program, err := helper.Runtime()
	if err != nil {
		return nil, err
	}
	images, err := helper.Find("images need", helper.Image)
	if err != nil {
		images = ""
	}
	manager := ctx.String("cgroup-manager")
	return &engine.Engine{
		Store: &image.Store{Dir: ctx.String("store")}, Root: ctx.String("root"), Program: program, Helper: images,
		Systemd: ctx.Bool("systemd-cgroup") || manager == "systemd", NoCgroup: manager == "disabled",
		Warn: messages.Warn,
	}, nil
}
