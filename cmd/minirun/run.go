package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/messages"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a container from a bundle or an image, wait for it, delete it",
		ArgsUsage: "[ID] BUNDLE  |  -b BUNDLE ID  |  IMAGE [ARGUMENT…]",
		Description: "`minirun run bundle/` makes up an ID. With -b, or in a bundle's directory, the argument\n" +
			"is the ID, as in runc. A name that is not a directory is an image's, as in docker run: docker's\n" +
			"flags are for it, and the container stays until `minirun rm` unless --rm is given.\n" +
			"Flags may also follow an ID or a bundle. What follows an image is for its program.",
		Flags: append(
			createFlags(),
			cmdline.ToggleFlag(
				cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the container"},
			),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "keep", Usage: "do not delete the container when it exits"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "explain",
				Usage: "narrate on standard error what is done, why, and what the kernel says"}),
			cmdline.TextFlag(cli.StringFlag{Name: "explain-level", Value: "short",
				Usage: "`LEVEL` of --explain: short (at most 30 lines), normal or full"}),
			cmdline.TextFlag(cli.StringFlag{Name: "explain-to", Usage: "narrate to `FILE`, such as another terminal"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "hold",
				Usage: "wait for Enter before the program is executed, to look from another terminal"}),
			cmdline.TextFlag(cli.StringFlag{Name: "trace",
				Usage: "write the time of each step to `FILE`: .json for Perfetto, .html a page, .txt the slowest"}),
			cmdline.ToggleFlag(
				cli.BoolFlag{Name: "no-subreaper", Usage: "ignored: minirun is the parent of what it waits for",
					Hidden: true},
			),
		),
		Action: run,
	}
}

// createFlags are the flags of run and create.
func createFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.TextFlag(cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` with config.json"}),
		cmdline.TextFlag(cli.StringFlag{Name: "console-socket",
			Usage: "Unix `SOCKET` that receives the master of the terminal"}),
		cmdline.TextFlag(cli.StringFlag{Name: "pidfd-socket",
			Usage: "Unix `SOCKET` that receives a pidfd of the container's first process"}),
		cmdline.TextFlag(cli.StringFlag{Name: "pid-file", Usage: "write the container's process ID to `FILE`"}),
		cmdline.NumberFlag(cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` descriptors in addition to 0 to 2"}),
		cmdline.ToggleFlag(
			cli.BoolFlag{Name: "no-pivot", Usage: "move the root instead of pivot_root: for a host on a ramfs"},
		),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "no-new-keyring", Usage: "keep the session keyring"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "layer",
			Usage: "read-only `DIR` of the root file system; the first is the lowest"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "ephemeral", Usage: "discard writes to the root file system"}),
	}
}

func run(ctx *cli.Context) error {
	t, err := findTarget(ctx)
	switch {
	case err != nil && t.Image != "":
		return messages.NewFailure(err, engine.CannotRun)
	case err != nil:
		return err
	case t.Image != "":
		return runImage(ctx, t)
	}
	o := optionsForBundle(ctx, t.ID, t.Bundle)
	if err := runflags.CheckBundle(ctx, o.Bundle); err != nil {
		return err
	}
	if o.ID == "" {
		o.ID = generateID()
	}
	done, err := addObserver(ctx, &o)
	if err != nil {
		return err
	}
	exit, err := container.Run(o, container.RunOptions{Detach: ctx.Bool("detach"), Keep: ctx.Bool("keep")})
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	return exitStatus(&exit)
}

// exitStatus returns the error for the exit status of a bundle's container. It explains one that ran
// out of memory.
func exitStatus(exit *container.Exit) error {
	if exit.Memory != nil {
		messages.Warn(exit.Memory.String() + "\nhint: raise linux.resources.memory.limit in its config.json")
	}
	if exit.Status != 0 {
		return messages.ExitStatus(exit.Status)
	}
	return nil
}

// notifySocket is the variable with the socket of a service manager that waits until
// the container's program is ready (sd_notify(3)).
const notifySocket = "NOTIFY_SOCKET"

// optionsForBundle reads the flags for a bundle.
func optionsForBundle(ctx *cli.Context, id, bundle string) container.Options {
	return container.Options{
		Root: ctx.String("root"), ID: id, Bundle: bundle,
		PidFile: ctx.String("pid-file"), ConsoleSocket: ctx.String("console-socket"),
		PidFDSocket: ctx.String("pidfd-socket"), NotifySocket: os.Getenv(notifySocket),
		PreserveFDs: ctx.Int("preserve-fds"), Inherited: inherited, NoPivot: ctx.Bool("no-pivot"),
		NoKeyring: ctx.Bool("no-new-keyring"),
		Layers: cmdline.ListValues(
			ctx,
			"layer",
		), Ephemeral: ctx.Bool("ephemeral"), SystemdCgroup: systemdCgroup(ctx),
		NoCgroup: noCgroup(ctx),
		Warn:     messages.Warn,
	}
}

// generateID returns an ID that is unique among the processes of this host.
func generateID() string { return "run-" + strconv.Itoa(os.Getpid()) }
