package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/spec"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Name:  "spec",
		Usage: "write a default config.json",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` to write it to"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "rootless", Usage: "for a user without privilege"}),
		},
		Action: writeSpec,
	}
}

func writeSpec(ctx *cli.Context) error {
	machine, err := host.Detect()
	if err != nil { // config.json may be for another machine
		machine = host.Typical(host.V2)
		messages.Warn("spec: no cgroup file system is mounted here: config.json is for cgroup version 2")
	}
	unified := machine.IsV2Only()
	s := spec.Default(unified)
	if ctx.Bool("rootless") {
		s = spec.DefaultRootless(os.Geteuid(), os.Getegid(), unified)
	}
	s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, spec.HostMasks("/")...)
	data, err := spec.Marshal(s)
	if err != nil {
		return err
	}
	path := filepath.Join(ctx.String("bundle"), "config.json")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already: remove it first", path)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
