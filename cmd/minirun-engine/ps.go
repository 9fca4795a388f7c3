package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/listing"
	"github.com/minirun/minirun/internal/stdio"
)

// psCommand implements `ps` without an ID.
func psCommand() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list the containers created from images",
		Flags: append([]cli.Flag{cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "table",
			Usage: "table, json, or a `TEMPLATE`, as in docker ps"})}, cmdline.ContainerListFlags()...),
		Action: listContainers,
	}
}

func listContainers(ctx *cli.Context) error {
	columns, _ := stdio.Out.Size()
	o := listing.Options{
		Format: ctx.String("format"), All: ctx.Bool("all"), Quiet: ctx.Bool("quiet"), NoTrunc: ctx.Bool("no-trunc"),
		Size: ctx.Bool("size"), Last: ctx.Int("last"), Width: columns,
	}
	for _, f := range cmdline.ListValues(ctx, "filter") {
		if listing.IsFilter(f) {
			o.Filters = append(o.Filters, f)
		} else {
			o.Format = f
		}
	}
	isTemplate := strings.Contains(o.Format, "{{")
	switch {
	case o.Format != "table" && o.Format != "json" && !isTemplate:
		return cmdline.UsageError(ctx.Command, fmt.Sprintf("--format %q: must be table, json or a template such as "+
			"'{{.Names}}'", o.Format))
	case ctx.IsSet("last") && o.Last < 0:
		return cmdline.UsageError(ctx.Command, fmt.Sprintf("--last %d: must not be negative", o.Last))
	case ctx.Bool("latest"):
		o.Last = 1
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	return listing.Write(ctx.App.Writer, e, o)
}
