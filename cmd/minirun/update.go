package main

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine/restart"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/spec"
)

func updateCommand() *cli.Command {
	return &cli.Command{
		Name:      "update",
		Usage:     "change the resources of a container",
		ArgsUsage: "ID",
		Description: "Resources that are not given stay unchanged. With --resources, a JSON document in the format\n" +
			"of linux.resources in config.json specifies the changes, instead of the other flags for resources.",
		Flags: append([]cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "resources", Aliases: []string{"r"},
				Usage: "read them from `FILE`, - for standard input"}),
			cmdline.TextFlag(cli.StringFlag{Name: "restart",
				Usage: "image: `POLICY` for when it ends: no, on-failure[:N], always or unless-stopped"}),
		}, updateFlags()...),
		Action: update,
	}
}

// updateFlags returns the flags for single resources. All are parsed as text until
// they are needed.
func updateFlags() (flags []cli.Flag) {
	for _, f := range [...]struct{ name, usage, aliases string }{
		{"blkio-weight", "`WEIGHT` of block I/O, 10 to 1000", ""},
		{"cpu-period", "period of the CPU quota, in `MICROSECONDS`", ""},
		{"cpu-quota", "CPU time in each period, in `MICROSECONDS`; -1: no limit", ""},
		{"cpu-burst", "CPU time that may be saved up, in `MICROSECONDS`", ""},
		{"cpu-share", "`SHARES` of CPU time against other containers, 2 to 262144", "cpu-shares c"},
		{"cpus", "CPU time as a number of CPUs, such as `1.5`", ""},
		{"cpu-rt-period", "period of the realtime quota, in `MICROSECONDS`", ""},
		{"cpu-rt-runtime", "realtime in each period, in `MICROSECONDS`; -1: no limit", ""},
		{"cpu-idle", "`1` to run only when nothing else does, 0 not to", ""},
		{"cpuset-cpus", "`CPUS` to use, such as 0-2,7", ""},
		{"cpuset-mems", "memory `NODES` to use", ""},
		{"memory", "limit of memory, in `BYTES` or with a unit; -1: no limit", "m"},
		{"memory-reservation", "memory that is kept under pressure, in `BYTES` or with a unit", ""},
		{"memory-swap", "limit of memory and swap together, in `BYTES` or with a unit; -1: no limit", ""},
		{"pids-limit", "`NUMBER` of tasks, 0 counts as 1; -1: no limit", ""},
		{"l3-cache-schema", "share of the L3 cache: a `LINE` of resctrl such as L3:0=7f0;1=1f", ""},
		{"mem-bw-schema", "share of the memory bandwidth: a `LINE` of resctrl such as MB:0=20;1=70", ""},
	} {
		flags = append(flags, cmdline.TextFlag(cli.StringFlag{Name: f.name, Aliases: strings.Fields(f.aliases),
			Usage: f.usage}))
	}
	for _, name := range [...]string{"kernel-memory", "kernel-memory-tcp"} {
		flags = append(flags, cmdline.TextFlag(cli.StringFlag{Name: name, Usage: "ignored: it counts towards memory",
			Hidden: true}))
	}
	return flags
}

func update(ctx *cli.Context) error {
	schemas, err := parseRdtSchemas(ctx.String)
	if err != nil {
		return err
	}
	r, err := resourcesOf(ctx)
	if err != nil {
		return err
	}
	for _, name := range [...]string{"kernel-memory", "kernel-memory-tcp"} {
		if ctx.String(name) != "" {
			messages.Warn(fmt.Sprintf("--%s has no effect: kernel memory counts towards --memory", name))
		}
	}
	if ctx.IsSet("restart") {
		p, err := restart.Parse(ctx.String("restart"))
		if err == nil {
			err = newEngine(ctx).SetRestart(ctx.Args().First(), p)
		}
		if err != nil || len(ctx.LocalFlagNames()) == 1 { // nothing else to update
			return err
		}
	}
	return updateContainer(ctx, r, schemas)
}

// resourcesOf returns the resources of --resources, or of the flags.
func resourcesOf(ctx *cli.Context) (*specs.LinuxResources, error) {
	file := ctx.String("resources")
	for _, f := range updateFlags() {
		name := f.Names()[0]
		switch {
		case !ctx.IsSet(name):
		case ctx.String(name) == "": // "$UNSET" in a script
			return nil, fmt.Errorf("--%s: the value is empty", name)
		case file != "" && !strings.HasSuffix(name, "-schema") && !strings.HasPrefix(name, "kernel-"):
			return nil, cmdline.UsageError(ctx.Command,
				"--"+name+" cannot be combined with --resources, which has all resources")
		}
	}
	if file == "" {
		return parseResources(ctx.String)
	}
	r, warnings, err := spec.LoadResources(file)
	for _, w := range warnings {
		messages.Warn(w)
	}
	return r, err
}

// updateContainer changes a container's resources. If it was created from an image they stay for its
// next start, and it may be stopped.
func updateContainer(ctx *cli.Context, r *specs.LinuxResources, schemas control.RdtSchemas) error {
	root, id := ctx.String("root"), ctx.Args().First()
	live := func() error { return control.Update(root, id, r, schemas) }
	if !isOfImage(ctx, id) {
		return live()
	}
	return newEngine(ctx).Update(id, r, live)
}
