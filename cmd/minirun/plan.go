package main

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/trace"
	"github.com/minirun/minirun/internal/views"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "print the system calls that run would make, without making them",
		ArgsUsage: "BUNDLE  |  CONTAINER  |  IMAGE [ARGUMENT…]  |  --diff A B",
		Description: "No privilege is needed. The same bundle gives the same bytes. For an image, the flags\n" +
			"of run may be given too: the plan is what run would do; the image must be in the store.\n" +
			"With --diff: the steps that are only in the first or only in the second plan;\n" +
			"the exit status is 1 if there is a difference.",
		UseShortOptionHandling: true,
		Flags: append(createFlags(),
			cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "text", Usage: "text, json or md"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "summary", Usage: "one line for each part: its steps, and what they do"}),
			cmdline.TextFlag(cli.StringFlag{Name: "only", Usage: "only the `PART`, as named in the summary"}),
			cmdline.TextFlag(cli.StringFlag{Name: "cgroups", Usage: "imagine a host with cgroups of `VERSION` v1 or v2"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "diff", Usage: "compare two plans"}),
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
	how := trace.PlanOptions{Format: ctx.String("format"), Only: ctx.String("only"), Summary: ctx.Bool("summary")}
	if err := how.Check(); err != nil {
		return err
	}
	if ctx.Bool("diff") {
		return diffPlans(ctx, machine)
	}
	p, err := planOf(ctx, ctx.Args().Slice(), machine)
	if err != nil {
		return err
	}
	return p.Write(ctx.App.Writer, how)
}

// planOf computes the plan of what arguments name.
func planOf(ctx *cli.Context, arguments []string, machine *host.Host) (p views.Plan, err error) {
	t, err := findView(ctx, arguments)
	if err != nil {
		return p, err
	}
	o := optionsForBundle(ctx, cmp.Or(t.ID, plannedID), t.Bundle)
	if t.Image == "" {
		if err := runflags.CheckBundle(ctx, t.Bundle); err != nil {
			return p, err
		}
		p.RunPlan, err = container.PlanRun(o, machine)
		return p, err
	}
	s, err := imageSettings(ctx, t.Image)
	if err != nil {
		return p, err
	}
	s.Name, s.Args = cmp.Or(s.Name, plannedID), arguments[1:]
	return views.PlanImage(newEngine(ctx), t.Image, s, o, machine)
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
		return cmdline.UsageError(ctx.Command, "--diff takes two bundles, containers or images")
	}
	for _, name := range []string{"summary", "only", "format"} {
		if ctx.IsSet(name) {
			return cmdline.UsageError(ctx.Command, "--"+name+" cannot be combined with --diff")
		}
	}
	var plans [2]views.Plan
	for i, name := range ctx.Args().Slice() {
		p, err := planOf(ctx, []string{name}, machine)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		plans[i] = p
	}
	different, err := views.Diff(ctx.App.Writer, plans[0], plans[1])
	if err == nil && different {
		err = messages.ExitStatus(1)
	}
	return err
}
