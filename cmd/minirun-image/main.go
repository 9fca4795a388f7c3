// Command minirun-image implements minirun's image commands: pull, push, load, save and the others.
// `minirun pull` executes it, so users do not call it directly. It is a separate program because
// its dependencies would add a millisecond and a half to every start of a container.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/hint"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/interrupt"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
	"github.com/minirun/minirun/internal/userns"
)

func main() {
	enterUserNamespace()
	ctx, stop := interrupt.Context()
	interrupt.SurviveBrokenPipes()
	a := app()
	if len(os.Args) > 1 && os.Args[1] == cmdline.DescribeCommand {
		cmdline.Describe(os.Stdout, a, os.Args[2:], splitArguments)
		return
	}
	err := cmdline.UseLanguage(os.Args, a.Flags)
	if err == nil {
		err = a.RunContext(ctx, cmdline.Arrange(os.Args, a, splitArguments))
	}
	interrupted := context.Cause(ctx)
	stop()
	if err == nil {
		return
	}
	var by *interrupt.SignalError
	if errors.As(interrupted, &by) {
		fmt.Fprintln(os.Stderr, "minirun: "+language.Text(fmt.Sprintf("canceled by a signal: %v", by)))
		os.Exit(128 + int(by.Signal))
	}
	if interrupt.IsOutputBroken(err) {
		os.Exit(128 + int(syscall.SIGPIPE)) // same status as for the signal, without a message: | head
	}
	if inUserNamespace || os.Geteuid() != 0 {
		err = hint.ForUser(err, "use sudo, or choose another directory with --store")
	}
	for _, text := range hint.Texts(hint.ForDisk(err)) {
		termtext.Fprintf(os.Stderr, "minirun: %v\n", termtext.Multiline(language.Text(termtext.Bounded(text))))
	}
	os.Exit(1)
}

// inUserNamespace is set if this program created the user namespace that it is in.
var inUserNamespace bool

// enterUserNamespace executes this program again as root of a user namespace, except for root. It
// returns in the process that continues.
func enterUserNamespace() {
	var err error
	inUserNamespace, err = userns.Enter("XDG_DATA_HOME=" + filepath.Dir(image.DefaultDir()))
	var exited *userns.ExitedError
	switch {
	case errors.As(err, &exited):
		os.Exit(exited.Status)
	case err != nil:
		command.Warn(err)
		os.Exit(1)
	}
}

func app() *cli.App {
	commands := slices.Concat([]*cli.Command{
		buildCommand(), imagetoolsCommand(), pullCommand(), pushCommand(), loadCommand(), saveCommand(),
		importCommand(),
		command.Images(), command.Tag(), command.Rmi(), command.History(), command.Layers(),
		unpackCommand(), bundleCommand(), command.Prune(), storeCommand(),
		command.Inspect(), command.Login(), command.Logout(), command.CommitContainer(), command.Export(),
	}, helperCommands())
	prepare(commands)
	cmdline.UseHelp()
	return &cli.App{
		Name:                      "minirun",
		Usage:                     "manage images for minirun",
		HideHelpCommand:           true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true, // a comma in --change is part of the value
		Compiled:                  time.Unix(1, 0),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "store", Value: image.DefaultDir(), Usage: "directory of the image store"},
			// Flags of minirun, which it passes on.
			&cli.StringFlag{Name: "root", Hidden: true},
			&cli.StringFlag{Name: "log", Hidden: true},
			&cli.StringFlag{Name: "log-format", Hidden: true},
			&cli.BoolFlag{Name: "debug", Hidden: true},
			&cli.BoolFlag{Name: "systemd-cgroup", Hidden: true},
			&cli.StringFlag{Name: "cgroup-manager", Hidden: true},
			&cli.StringFlag{Name: "rootless", Hidden: true},
			&cli.StringFlag{Name: "criu", Hidden: true},
			&cli.StringFlag{Name: "lang", Hidden: true},
		},
		Commands:       commands,
		ExitErrHandler: func(*cli.Context, error) {}, // main reports errors
		// Layers are mounted from other working directories, so the path must be absolute.
		Before: func(ctx *cli.Context) error {
			if ctx.Bool("debug") {
				debuglog.SetSink(func(text string) { termtext.Fprintf(os.Stderr, "minirun: debug: %s\n", text) })
			}
			if err := checkCgroupManager(ctx); err != nil {
				return err
			}
			for _, fd := range cmdline.Descriptors(os.Args) { // used by this program, not by programs that it executes
				unix.CloseOnExec(fd)
			}
			dir, err := filepath.Abs(ctx.String("store"))
			if err != nil {
				return err
			}
			debuglog.Printf("minirun-image: command %s, process %d, store %s", ctx.Args().First(), os.Getpid(), dir)
			return ctx.Set("store", dir)
		},
		OnUsageError: func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) },
	}
}

// prepare applies the common settings to all commands and their subcommands.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true // help is a valid image name
		c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error { return cmdline.FlagError(ctx, err) }
		prepare(c.Subcommands)
	}
}

// splitArguments splits the words after a command's name into flags, which may appear anywhere as in
// docker, and arguments. For the commands that minirun calls, what follows the first argument is
// ports and paths, not flags.
func splitArguments(command *cli.Command, words []string) cmdline.Line {
	if command.Hidden {
		return cmdline.Split(words, command.Flags, 0)
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}
