package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/messages"
)

// prepareCommand prepares every command.
func prepareCommand(ctx *cli.Context) error {
	if err := messages.Open(ctx); err != nil {
		return err
	}
	return checkCgroupManager(ctx)
}

// checkCgroupManager refuses a value of --cgroup-manager that crun does not know.
func checkCgroupManager(ctx *cli.Context) error {
	switch name := ctx.String("cgroup-manager"); name {
	case "", "systemd":
	case "cgroupfs", "disabled":
		if ctx.Bool("systemd-cgroup") {
			return fmt.Errorf("--cgroup-manager %s contradicts --systemd-cgroup", name)
		}
	default:
		return fmt.Errorf("--cgroup-manager %q: must be cgroupfs, systemd or disabled", name)
	}
	return nil
}

func systemdCgroup(ctx *cli.Context) bool {
	return ctx.Bool("systemd-cgroup") || ctx.String("cgroup-manager") == "systemd"
}

func noCgroup(ctx *cli.Context) bool { return ctx.String("cgroup-manager") == "disabled" }
