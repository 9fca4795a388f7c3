package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/system"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/termtext"
	"github.com/minirun/minirun/internal/version"
)

func templateFlag() cli.Flag {
	return cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"},
		Usage: "json, or a Go `TEMPLATE`"})
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version of minirun, of the specification and of Go",
		Description: "Without --format it prints the same as minirun --version.",
		Flags:       []cli.Flag{templateFlag()},
		Action: func(ctx *cli.Context) error {
			if format := ctx.String("format"); format != "" {
				v := system.CurrentVersion()
				// docker's templates have the two sides of its socket
				return writeValue(ctx.App.Writer, format, v, formatter.Row{"Client": v, "Server": v})
			}
			_, err := fmt.Fprintln(ctx.App.Writer, "minirun version "+version.Text())
			return err
		},
	}
}

func infoCommand() *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "show versions, directories, this machine, and how many containers and images there are",
		Flags: []cli.Flag{templateFlag()},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			i, err := system.Describe(e)
			if err != nil {
				return err
			}
			if format := ctx.String("format"); format != "" {
				return writeValue(ctx.App.Writer, format, i, nil)
			}
			return writeInfo(ctx.App.Writer, i)
		},
	}
}

// writeValue writes a value as JSON or with a template, whose placeholders are the names in JSON, and
// those in more.
func writeValue(w io.Writer, format string, v any, more formatter.Row) error {
	if format == "json" {
		return termtext.WriteJSON(w, v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	row := formatter.Row{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&row); err != nil {
		return err
	}
	for name, value := range more {
		row[name] = value
	}
	return formatter.Table{Rows: []formatter.Row{row}}.Write(w, format)
}

func writeInfo(w io.Writer, i *system.Info) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"minirun", fmt.Sprintf("%s, commit %s", i.ServerVersion, i.Commit)},
		{"containers", fmt.Sprintf("%d: %d running, %d paused, %d stopped", i.Containers, i.ContainersRunning,
			i.ContainersPaused, i.ContainersStopped)},
		{"images", fmt.Sprint(i.Images)},
		{"volumes", fmt.Sprint(i.Volumes)},
		{"store", i.Store},
		{"state", i.Root},
		{"user", userText(i.Rootless)},
		{"cgroups", fmt.Sprintf("version %s, driver %s", i.CgroupVersion, i.CgroupDriver)},
		{"kernel", i.KernelVersion + " on " + i.Architecture},
		{"system", i.OperatingSystem},
		{"host", i.Name},
		{"CPUs", fmt.Sprint(i.NCPU)},
		{"memory", units.BytesSize(float64(i.MemTotal))},
		{"security", strings.ReplaceAll(strings.Join(i.SecurityOptions, " "), "name=", "")},
	} {
		termtext.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	return table.Flush()
}

func userText(rootless bool) string {
	if rootless {
		return "without privileges"
	}
	return "root"
}
