package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/dirsize"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

func volumeCommand() *cli.Command {
	filter := func(aliases ...string) cli.Flag { // -f of prune is --force
		return cmdline.ListFlag(cli.StringSliceFlag{Name: "filter", Aliases: aliases,
			Usage: "only volumes with `KEY=VALUE`: name, label, label!, dangling or driver"})
	}
	needs := func(least, most int) cli.BeforeFunc {
		return func(ctx *cli.Context) error { return cmdline.CheckCount(ctx, least, most) }
	}
	return &cli.Command{
		Name: "volume", Usage: "manage volumes", Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "create a volume", ArgsUsage: "[NAME]", Flags: []cli.Flag{
				cmdline.TextFlag(cli.StringFlag{Name: "driver", Aliases: []string{"d"}, Value: "local",
					Usage: "`local`, the only driver"}),
				cmdline.ListFlag(cli.StringSliceFlag{Name: "opt", Aliases: []string{"o"},
					Usage: "mount another file system: `type=TYPE`, device=DEVICE, o=OPTIONS, as for mount(8)"}),
				cmdline.ListFlag(cli.StringSliceFlag{Name: "label", Usage: "add the label `NAME=VALUE`"}),
			}, Before: needs(0, 1), Action: createVolume},
			{Name: "ls", Aliases: []string{"list"}, Usage: "list volumes", Flags: []cli.Flag{
				filter("f"), templateOnlyFlag(),
				cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show only names"}),
			}, Before: noArguments, Action: listVolumes},
			{Name: "rm", Aliases: []string{"remove"}, Usage: "remove volumes that no container uses", ArgsUsage: "NAME…",
				Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
					Usage: "a volume that does not exist is not an error"})},
				Before: needs(1, cmdline.Unlimited), Action: removeVolumes},
			{Name: "inspect", Usage: "show volumes as JSON", ArgsUsage: "NAME…", Flags: []cli.Flag{templateFlag()},
				Before: needs(1, cmdline.Unlimited), Action: inspectVolumes},
			{Name: "prune", Usage: "remove anonymous volumes that no container uses", Flags: []cli.Flag{
				cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also those with a name"}),
				filter(), forceFlag(),
			}, Before: noArguments, Action: pruneVolumes},
		},
	}
}

func templateOnlyFlag() cli.Flag {
	return cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "table {{.Driver}}\\t{{.Name}}",
		Usage: "json, table or a Go `TEMPLATE`"})
}

func createVolume(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	if driver := ctx.String("driver"); driver != "local" {
		return fmt.Errorf("--driver %q: only local is supported", driver)
	}
	info := &volumes.Info{Name: ctx.Args().First()}
	if ctx.NArg() == 0 {
		info.Name, info.Anonymous = volumes.RandomName(), true
	}
	if err := volumes.CheckName(info.Name); err != nil {
		return fmt.Errorf("volume create: %w", err)
	}
	if info.Labels, err = pairs(ctx, "label"); err != nil {
		return err
	}
	if info.Options, err = pairs(ctx, "opt"); err != nil {
		return err
	}
	if err := os.MkdirAll(e.Store.Dir, 0o711); err != nil {
		return err
	}
	lock, err := e.Store.LockShared(context.Background())
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if info, err = e.Volumes().Create(info, nil); err != nil {
		return fmt.Errorf("volume create: %w", err)
	}
	termtext.Fprintln(ctx.App.Writer, info.Name)
	return nil
}

// pairs returns the values NAME=VALUE of a flag.
func pairs(ctx *cli.Context, flag string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range cmdline.ListValues(ctx, flag) {
		name, value, _ := strings.Cut(text, "=")
		if name == "" {
			return nil, fmt.Errorf("--%s %q: must be NAME=VALUE", flag, text)
		}
		out[name] = value
	}
	return out, nil
}

func listVolumes(ctx *cli.Context) error {
	list, err := selectVolumes(ctx)
	if err != nil {
		return err
	}
	t := formatter.Table{Headers: map[string]string{"Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE",
		"Mountpoint": "MOUNTPOINT", "Labels": "LABELS", "CreatedAt": "CREATED"}}
	for _, v := range list {
		t.Rows = append(t.Rows, formatter.Row{"Name": v.Name, "Driver": v.Driver, "Scope": v.Scope,
			"Mountpoint": v.Mountpoint, "Labels": formatter.Labels(v.Labels),
			"CreatedAt": v.CreatedAt.Format("2006-01-02T15:04:05Z07:00")})
	}
	format := ctx.String("format")
	switch {
	case ctx.Bool("quiet") && ctx.IsSet("format"):
		return cmdline.UsageError(ctx.Command, "--quiet and --format cannot be combined")
	case ctx.Bool("quiet"):
		format = "{{.Name}}"
	case format == "table":
		format = "table {{.Driver}}\\t{{.Name}}"
	case format == "json":
		format = "{{json .}}"
	}
	return t.Write(ctx.App.Writer, format)
}

// selectVolumes returns the volumes that match --filter.
func selectVolumes(ctx *cli.Context) ([]volumes.Info, error) {
	e, err := newEngine(ctx)
	if err != nil {
		return nil, err
	}
	matches, err := volumes.ParseFilter(cmdline.ListValues(ctx, "filter"), e.VolumeUsers)
	if err != nil {
		return nil, err
	}
	all, err := e.Volumes().List()
	var list []volumes.Info
	for _, v := range all {
		if matches(&v) {
			list = append(list, v)
		}
	}
	return list, err
}

func removeVolumes(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	return lockVolumes(e, func(users map[string][]string) error {
		var all error
		for _, name := range ctx.Args().Slice() {
			err := removeVolume(e, name, users)
			if ctx.Bool("force") && errors.Is(err, volumes.ErrNotFound) {
				continue
			}
			if err == nil {
				termtext.Fprintln(ctx.App.Writer, name)
			}
			all = errors.Join(all, err)
		}
		return all
	})
}

// lockVolumes calls do while no container is created, with the users of each volume.
func lockVolumes(e *engine.Engine, do func(users map[string][]string) error) error {
	if _, err := os.Stat(e.Store.Dir); err != nil {
		return do(nil) // there is neither a container nor a volume
	}
	lock, err := e.Store.LockExclusive(context.Background(), true)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	users, err := e.VolumeUsers()
	if err != nil {
		return err
	}
	return do(users)
}

func removeVolume(e *engine.Engine, name string, users map[string][]string) error {
	if by := users[name]; len(by) > 0 {
		return fmt.Errorf("volume rm: volume %s is in use by container %s\nhint: minirun rm %s", name,
			strings.Join(by, " and "), strings.Join(by, " "))
	}
	if err := e.RemoveVolume(name); err != nil {
		return fmt.Errorf("volume rm: %w\nhint: minirun volume ls", err)
	}
	return nil
}

func inspectVolumes(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	found := []*volumes.Info{}
	var failed error
	for _, name := range ctx.Args().Slice() {
		v, err := e.Volumes().Open(name)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("volume inspect: %w\nhint: minirun volume ls", err))
			continue
		}
		found = append(found, v)
	}
	if format := ctx.String("format"); format != "" {
		for _, v := range found {
			if err := writeValue(ctx.App.Writer, format, v, nil); err != nil {
				return err
			}
		}
		return failed
	}
	return errors.Join(termtext.WriteJSON(ctx.App.Writer, found), failed)
}

func pruneVolumes(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	which := "anonymous volumes"
	if ctx.Bool("all") {
		which = "volumes"
	}
	yes, err := confirm(ctx, "volume prune", "This removes all "+which+" that no container uses.")
	if err != nil || !yes {
		return err
	}
	return lockVolumes(e, func(users map[string][]string) error {
		list, err := selectVolumes(ctx)
		if err != nil {
			return err
		}
		var freed int64
		for _, v := range list {
			if len(users[v.Name]) > 0 || !v.Anonymous && !ctx.Bool("all") {
				continue
			}
			size := dirsize.Sum(v.Mountpoint)
			if err := e.RemoveVolume(v.Name); err != nil {
				return err
			}
			freed += size
			termtext.Fprintln(ctx.App.Writer, v.Name)
		}
		_, err = fmt.Fprintln(ctx.App.Writer, language.Text("Total reclaimed space: "+units.HumanSize(float64(freed))))
		return err
	})
}
