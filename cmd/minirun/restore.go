package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/criu"
	"github.com/minirun/minirun/internal/messages"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:        "restore",
		Usage:       "restore a container from the image files of a checkpoint, with criu(8)",
		ArgsUsage:   "ID",
		Description: "Mounts, limits and hooks are those of the bundle, processes those of the images.",
		Flags: append(criuFlags(),
			cmdline.TextFlag(cli.StringFlag{Name: "bundle", Aliases: []string{"b"},
				Usage: "`DIR` with config.json (default: the working directory)"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the container"}),
			cmdline.TextFlag(cli.StringFlag{Name: "pid-file", Usage: "write the container's process ID to `FILE`"}),
			cmdline.TextFlag(cli.StringFlag{Name: "lsm-profile",
				Usage: "use `TYPE:NAME` instead of the LSM profile in the images"}),
			cmdline.TextFlag(cli.StringFlag{Name: "lsm-mount-context",
				Usage: "use `CONTEXT` instead of that of the mounts in the images"}),
			cmdline.TextFlag(cli.StringFlag{Name: "console-socket",
				Usage: "Unix `SOCKET` that receives the master of the terminal"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-subreaper", Usage: "ignored: minirun is the parent of what it waits for",
				Hidden: true}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-pivot", Usage: "ignored: criu makes the root", Hidden: true}),
		),
		Action: restore,
	}
}

func restore(ctx *cli.Context) error {
	bundle := ctx.String("bundle")
	if bundle == "" {
		bundle = "."
	}
	o := container.Options{
		Root: ctx.String("root"), ID: ctx.Args().First(), Bundle: bundle, PidFile: ctx.String("pid-file"),
		NotifySocket: os.Getenv(notifySocket), ConsoleSocket: ctx.String("console-socket"),
		SystemdCgroup: systemdCgroup(ctx), NoCgroup: noCgroup(ctx), Warn: messages.Warn,
	}
	exit, err := container.Restore(o, container.RestoreOptions{
		RunOptions: container.RunOptions{Detach: ctx.Bool("detach")},
		CRIU: criu.RestoreOptions{
			ImagePath: ctx.String("image-path"), WorkPath: ctx.String("work-path"),
			TCPEstablished: ctx.Bool("tcp-established"), ExtUnixSk: ctx.Bool("ext-unix-sk"),
			ShellJob:  ctx.Bool("shell-job"),
			FileLocks: ctx.Bool("file-locks"), AutoDedup: ctx.Bool("auto-dedup"), LazyPages: ctx.Bool("lazy-pages"),
			LinkRemap:     ctx.Bool("link-remap"),
			ManageCgroups: ctx.String("manage-cgroups-mode"), EmptyNS: cmdline.ListValues(ctx, "empty-ns"),
			LSMProfile: ctx.String("lsm-profile"), LSMContext: ctx.String("lsm-mount-context"),
		},
	})
	if err != nil {
		return err
	}
	return exitStatus(&exit)
}
