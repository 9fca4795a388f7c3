package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/system"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/prompt"
	"github.com/minirun/minirun/internal/termtext"
)

func forceFlag() cli.Flag {
	return cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask"})
}

func noArguments(ctx *cli.Context) error { return cmdline.CheckCount(ctx, 0, 0) }

func systemCommand() *cli.Command {
	info := infoCommand()
	info.Before = noArguments
	return &cli.Command{
		Name: "system", Usage: "show disk usage, or remove what is not used", Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{
			{Name: "df", Usage: "show the disk usage of images, containers, volumes and the build cache",
				Description: "RECLAIMABLE is what no container uses. Files that several images have in common count once\n" +
					"in the total.",
				Flags: []cli.Flag{
					cmdline.ToggleFlag(cli.BoolFlag{Name: "verbose", Aliases: []string{"v"},
						Usage: "show each image, container and volume"}),
					templateFlag(),
				},
				Before: noArguments, Action: diskUsage},
			{Name: "prune", Usage: "remove stopped containers, unused networks, images without a name, and the build cache",
				Flags: []cli.Flag{
					cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"},
						Usage: "also remove images that no container uses"}),
					forceFlag(),
					cmdline.ToggleFlag(cli.BoolFlag{Name: "volumes", Usage: "also remove anonymous volumes that no container uses"}),
				},
				Before: noArguments, Action: pruneSystem},
			info,
		},
	}
}

// containerCommand implements the form of `minirun container` that is not the name of another command.
func containerCommand() *cli.Command {
	return &cli.Command{
		Name: "container", Hidden: true, Usage: "commands for containers", Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{{
			Name: "prune", Usage: "remove all stopped containers", Flags: []cli.Flag{forceFlag()},
			Before: noArguments, Action: pruneContainers,
		}},
	}
}

// buildxCommand implements the form of `minirun buildx` that is not the name of another command.
func buildxCommand() *cli.Command {
	return &cli.Command{
		Name: "buildx", Hidden: true, Usage: "commands for builds", Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{{
			Name: "ls", Usage: "list the builders: there is one", Before: noArguments,
			Action: func(ctx *cli.Context) error {
				_, err := fmt.Fprintf(ctx.App.Writer, "NAME/NODE  DRIVER/ENDPOINT  STATUS   PLATFORMS\n"+
					"default*   minirun          running  linux/%s\n", runtime.GOARCH)
				return err
			},
		}},
	}
}

func diskUsage(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	verbose, format := ctx.Bool("verbose"), ctx.String("format")
	if verbose && format != "" && format != "json" {
		return errors.New("system df: --verbose and a template cannot be combined")
	}
	uses, err := system.Measure(e)
	if err != nil {
		return err
	}
	cache, err := measureCache(ctx, e)
	if err != nil {
		return err
	}
	uses = append(uses, cache)
	switch {
	case format == "json":
		if !verbose {
			for i := range uses {
				uses[i].Items = nil
			}
		}
		return termtext.WriteJSON(ctx.App.Writer, uses)
	case format != "":
		return usageTable(uses).Write(ctx.App.Writer, format)
	}
	if err := usageTable(uses).Write(ctx.App.Writer,
		"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"); err != nil || !verbose {
		return err
	}
	return writeItems(ctx.App.Writer, uses)
}

func usageTable(uses []system.Use) formatter.Table {
	t := formatter.Table{Headers: map[string]string{"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE",
		"Size": "SIZE", "Reclaimable": "RECLAIMABLE"}}
	for _, u := range uses {
		free := units.HumanSize(float64(u.Reclaimable))
		if u.Size > 0 {
			free += fmt.Sprintf(" (%d%%)", u.Reclaimable*100/u.Size)
		}
		t.Rows = append(t.Rows, formatter.Row{"Type": u.Type, "TotalCount": u.Total, "Active": u.Active,
			"Size": units.HumanSize(float64(u.Size)), "Reclaimable": free})
	}
	return t
}

func writeItems(w io.Writer, uses []system.Use) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, u := range uses {
		if len(u.Items) == 0 {
			continue
		}
		termtext.Fprintf(table, "\n%s\tSIZE\tIN USE\n", strings.ToUpper(u.Type))
		for _, i := range u.Items {
			name := i.Name
			if name == "" {
				name = i.ID
			}
			inUse := "no"
			if i.Active {
				inUse = "yes"
			}
			termtext.Fprintf(table, "%s\t%s\t%s\n", name, units.HumanSize(float64(i.Size)), inUse)
		}
	}
	return table.Flush()
}

// measureCache returns the disk usage of the build cache, as minirun-image reports it. Data that an image
// shares counts there.
func measureCache(ctx *cli.Context, e *engine.Engine) (system.Use, error) {
	u := system.Use{Type: "Build Cache"}
	var out strings.Builder
	err := runMinirun(ctx.Context, e, &out, "build", "du", "--format", "{{.Size}}\t{{.Reclaimable}}\t{{.Description}}")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(out.String()) {
		fields := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		size, err := units.FromHumanSize(strings.TrimSuffix(fields[0], "*"))
		if err != nil || len(fields) < 3 {
			continue
		}
		u.Total++
		if strings.HasSuffix(fields[0], "*") {
			u.Active++ // an image has it, too
			continue
		}
		one := system.Item{Name: formatter.Shorten(fields[2], 60), Size: size, Active: fields[1] == "false"}
		u.Items = append(u.Items, one)
		u.Size += size
		if !one.Active {
			u.Reclaimable += size
		}
	}
	return u, nil
}

// runMinirun runs a command of minirun with the same global flags.
func runMinirun(ctx context.Context, e *engine.Engine, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, e.Program, append([]string{"--root", e.Root, "--store", e.Store.Dir}, args...)...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("minirun %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// confirm asks whether to remove something, unless --force is given.
func confirm(ctx *cli.Context, command, what string) (bool, error) {
	if ctx.Bool("force") {
		return true, nil
	}
	yes, err := prompt.Confirm(ctx.Context, what)
	if errors.Is(err, prompt.ErrNoTerminal) {
		return false, fmt.Errorf("%s: cannot ask, because standard input is not a terminal\nhint: minirun %[1]s --force",
			command)
	}
	return yes, err
}

func pruneContainers(ctx *cli.Context) error {
	yes, err := confirm(ctx, "container prune",
		"This removes all stopped containers, with the files that they have written.")
	if err != nil || !yes {
		return err
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	return removeStopped(ctx, e)
}

func removeStopped(ctx *cli.Context, e *engine.Engine) error {
	done, err := system.PruneContainers(e)
	for _, name := range done.Names {
		termtext.Fprintln(ctx.App.Writer, name)
	}
	if err == nil {
		termtext.Fprintln(ctx.App.Writer, language.Text(fmt.Sprintf("removed %d containers (%s)", len(done.Names),
			units.HumanSize(float64(done.Bytes)))))
	}
	return err
}

func pruneSystem(ctx *cli.Context) error {
	what := "This removes:\n- all stopped containers\n- networks that no container is connected to\n" +
		"- images without a name\n- the build cache"
	images := []string{"prune"}
	if ctx.Bool("all") {
		what = strings.Replace(what, "- images without a name", "- all images that no container uses", 1)
		images = append(images, "--all", "--force")
	}
	if ctx.Bool("volumes") {
		what += "\n- anonymous volumes that no container uses"
	}
	yes, err := confirm(ctx, "system prune", what)
	if err != nil || !yes {
		return err
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	if err := removeStopped(ctx, e); err != nil {
		return err
	}
	for _, args := range [][]string{{"network", "prune", "--force"}, images, {"build", "prune"},
		{"volume", "prune", "--force"}} {
		if args[0] == "volume" && !ctx.Bool("volumes") {
			continue
		}
		if err := runMinirun(ctx.Context, e, ctx.App.Writer, args...); err != nil {
			return err
		}
	}
	return nil
}
