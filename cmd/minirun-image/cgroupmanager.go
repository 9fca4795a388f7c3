package main

import (
	"errors"

	"github.com/urfave/cli/v2"
)

// checkCgroupManager rejects values that the steps of a build would ignore. Minirun has validated
// them. Other commands do not run containers.
func checkCgroupManager(ctx *cli.Context) error {
	if ctx.Args().First() != "build" {
		return nil
	}
	if manager := ctx.String("cgroup-manager"); ctx.Bool("systemd-cgroup") || manager != "" && manager != "cgroupfs" {
		return errors.New("build: --systemd-cgroup and --cgroup-manager are not supported, because minirun manages " +
			"the cgroups of RUN itself (cgroupfs)" +
			"\nhint: remove the flag")
	}
	return nil
}
