package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/criu"
	"github.com/minirun/minirun/internal/messages"
)

func checkpointCommand() *cli.Command {
	return &cli.Command{
		Name:        "checkpoint",
		Usage:       "write a container's processes to image files, with criu(8)",
		ArgsUsage:   "ID",
		Description: "The container ends and is deleted, unless it is left running.",
		Flags: append(
			criuFlags(),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "tcp-skip-in-flight",
				Usage: "leave out TCP connections that are not yet established"}),
			cmdline.TextFlag(
				cli.StringFlag{Name: "parent-path", Usage: "`DIR` of earlier images, relative to the new ones"},
			),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "leave-running", Usage: "leave the container running afterwards"}),
			cmdline.NumberFlag(cli.IntFlag{Name: "status-fd", Value: -1,
				Usage: "make criu write a zero byte to descriptor `N` when lazy pages are ready"}),
			cmdline.TextFlag(cli.StringFlag{Name: "page-server", Usage: "send the memory to `ADDRESS:PORT`"}),
			cmdline.ToggleFlag(
				cli.BoolFlag{Name: "pre-dump", Usage: "write only the memory, and leave the container running"},
			),
		),
		Action: checkpoint,
	}
}

// criuFlags returns the flags of checkpoint and restore.
func criuFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.TextFlag(
			cli.StringFlag{Name: "image-path", Usage: "`DIR` for the image files (default: ./checkpoint)"},
		),
		cmdline.TextFlag(cli.StringFlag{Name: "work-path", Usage: "`DIR` for criu's log (default: the image path)"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "tcp-established", Usage: "allow open TCP connections"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "ext-unix-sk", Usage: "allow external Unix sockets"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "shell-job", Usage: "allow an external terminal"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "lazy-pages", Usage: "restore memory on demand"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "file-locks", Usage: "allow file locks"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "link-remap", Usage: "allow open files that have been removed"}),
		cmdline.TextFlag(
			cli.StringFlag{Name: "manage-cgroups-mode", Usage: "soft, full, strict or ignore (default: soft)"},
		),
		cmdline.ListFlag(
			cli.StringSliceFlag{Name: "empty-ns", Usage: "do not save the properties of a namespace: `network`"},
		),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "auto-dedup", Usage: "keep each page in one image only"}),
	}
}

func checkpoint(ctx *cli.Context) error {
	warnings, err := container.Checkpoint(ctx.String("root"), ctx.Args().First(), criu.DumpOptions{
		ImagePath: ctx.String("image-path"), WorkPath: ctx.String("work-path"), ParentPath: ctx.String("parent-path"),
		LeaveRunning: ctx.Bool("leave-running"), PreDump: ctx.Bool("pre-dump"),
		TCPEstablished:  ctx.Bool("tcp-established"),
		TCPSkipInFlight: ctx.Bool("tcp-skip-in-flight"),
		ExtUnixSk:       ctx.Bool("ext-unix-sk"), ShellJob: ctx.Bool("shell-job"), FileLocks: ctx.Bool("file-locks"),
		AutoDedup: ctx.Bool("auto-dedup"), LinkRemap: ctx.Bool("link-remap"), LazyPages: ctx.Bool("lazy-pages"),
		StatusFD: ctx.Int("status-fd"), Inherited: inherited, PageServer: ctx.String("page-server"),
		ManageCgroups: ctx.String("manage-cgroups-mode"),
		EmptyNS:       cmdline.ListValues(ctx, "empty-ns"),
	})
	for _, w := range warnings {
		messages.Warn(w)
	}
	return err
}
