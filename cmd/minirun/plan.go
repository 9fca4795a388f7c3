package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/trace"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "print the system calls that run would make, without making them",
		ArgsUsage: "BUNDLE  |  --diff BUNDLE BUNDLE",
		Description: "No privilege is needed. The same bundle gives the same bytes. With --diff: the\n" +
			"steps that are only in the first or only in the second bundle's plan;\n" +
			"the exit status is 1 if there is a difference.",
		Flags: append(createFlags(),
			cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "text", Usage: "text, json or md"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "summary", Usage: "one line for each part: its steps, and what they do"}),
			cmdline.TextFlag(cli.StringFlag{Name: "only", Usage: "only the `PART`, as named in the summary"}),
			cmdline.TextFlag(cli.StringFlag{Name: "cgroups", Usage: "imagine a host with cgroups of `VERSION` v1 or v2"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "diff", Usage: "compare the plans of two bundles"}),
		),
		Action: showPlan,
	}
}

// plannedID is the container's name in plans, which must not depend on the user who
// prints them.
const plannedID = "plan"

func showPlan(ctx *cli.Context) error {
	machine, err := imaginedHost(ctx.String("cgroups"))
	if err != nil {
		return err
	}
	if ctx.Bool("diff") {
		return diffPlans(ctx, machine)
	}
	how := trace.PlanOptions{Format: ctx.String("format"), Only: ctx.String("only"), Summary: ctx.Bool("summary")}
	if err := how.Check(); err != nil {
		return err
	}
	o, err := bundleOptions(ctx)
	if err != nil {
		return err
	}
	if o.ID == "" {
		o.ID = plannedID
	}
	p, err := container.PlanRun(o, machine)
	if err != nil {
		return err
	}
	return trace.WritePlan(ctx.App.Writer, p, how)
}

func imaginedHost(version string) (*host.Host, error) {
	switch version {
	case "":
		return nil, nil
	case "v1", "1":
		return host.Typical(host.V1), nil
	case "v2", "2":
		return host.Typical(host.V2), nil
	}
	return nil, fmt.Errorf("--cgroups %q: must be v1 or v2", version)
}

func diffPlans(ctx *cli.Context, machine *host.Host) error {
	if ctx.NArg() != 2 {
		return cmdline.UsageError(ctx.Command, "--diff takes two bundles")
	}
	var plans [2]*container.RunPlan
	for i, bundle := range ctx.Args().Slice() {
		p, err := container.PlanRun(container.Options{Root: ctx.String("root"), ID: plannedID, Bundle: bundle,
			Warn: messages.Warn}, machine)
		if err != nil {
			return fmt.Errorf("%s: %w", bundle, err)
		}
		plans[i] = p
	}
	different, err := trace.DiffPlans(ctx.App.Writer, plans[0], plans[1])
	if err == nil && different {
		err = messages.ExitStatus(1)
	}
	return err
}
