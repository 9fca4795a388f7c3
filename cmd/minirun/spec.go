package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/newbundle"
	"github.com/minirun/minirun/internal/termtext"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Name:      "spec",
		Usage:     "write a default config.json, or a bundle with busybox",
		ArgsUsage: "[--args PROGRAM ARGUMENT…]",
		Description: "With --busybox, DIR is a bundle that can be run at once: its root file system\n" +
			"has the host's busybox, which must be a static program. Everything after --args belongs\n" +
			"to the program.",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` to write it to"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "rootless", Usage: "for a user without privileges"}),
			cmdline.TextFlag(cli.StringFlag{Name: "busybox",
				Usage: "create the bundle `DIR` with a root file system"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "args", Usage: "the program and its arguments follow; default: sh"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "terminal",
				Usage: "give the program a terminal; the default, except with --busybox"}),
		},
		Action: writeSpec,
	}
}

func writeSpec(ctx *cli.Context) error {
	bundle := ctx.String("busybox")
	s := newbundle.Settings{Rootless: ctx.Bool("rootless"), Terminal: !ctx.IsSet("busybox"), Args: ctx.Args().Slice()}
	if ctx.IsSet("terminal") {
		s.Terminal = ctx.Bool("terminal")
	}
	switch {
	case ctx.Bool("args") && (len(s.Args) == 0 || s.Args[0] == ""):
		return cmdline.UsageError(ctx.Command, "--args needs a program after it")
	case !ctx.Bool("args") && len(s.Args) > 0:
		return cmdline.UsageError(ctx.Command, "unexpected argument \""+s.Args[0]+"\"")
	case ctx.IsSet("busybox") && ctx.IsSet("bundle"):
		return errors.New("--bundle cannot be combined with --busybox: both name the bundle")
	case ctx.IsSet("busybox") && bundle == "":
		return errors.New("--busybox \"\": must be a directory")
	}
	machine, err := host.Detect()
	if err != nil { // config.json may be for another machine
		machine = host.Typical(host.V2)
		messages.Warn("spec: no cgroup file system is mounted here: config.json is for cgroup version 2")
	}
	s.Unified = machine.IsV2Only()
	if bundle == "" {
		return s.Write(filepath.Join(ctx.String("bundle"), "."))
	}
	if err := s.WriteBusybox(bundle); err != nil {
		return err
	}
	sudo := ""
	if os.Geteuid() != 0 && !s.Rootless {
		sudo = "sudo "
	}
	termtext.Fprintln(ctx.App.Writer, language.Text(fmt.Sprintf("created the bundle %s; run it with: %sminirun run %s",
		bundle, sudo, filepath.Clean(bundle)+"/")))
	return nil
}
