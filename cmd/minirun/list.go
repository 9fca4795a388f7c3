package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the containers of --root",
		Flags: []cli.Flag{
			formatFlag(),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print IDs only"}),
		},
		Action: listContainers,
	}
}

// formatFlag returns the --format flag of list and ps.
func formatFlag() cli.Flag {
	return cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"})
}

// errFormat has runc's wording.
var errFormat = errors.New("invalid format option: must be table or json")

func listContainers(ctx *cli.Context) error {
	format := ctx.String("format")
	if format != "table" && format != "json" {
		return errFormat
	}
	all, err := control.List(ctx.String("root"), messages.Warn)
	if errors.Is(err, os.ErrNotExist) && !ctx.IsSet("root") {
		err = nil // no container has been created yet; but a missing --root is a mistake
	}
	if err != nil {
		return err
	}
	out := ctx.App.Writer
	if ctx.Bool("quiet") {
		for i := range all {
			if _, err := fmt.Fprintln(out, all[i].ID); err != nil {
				return err
			}
		}
		return nil
	}
	if format == "json" {
		return json.NewEncoder(out).Encode(all)
	}
	return printTable(out, all)
}

func printTable(out io.Writer, all []control.ListEntry) error {
	w := tabwriter.NewWriter(out, 12, 1, 3, ' ', 0)
	_, _ = fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n") // Flush reports errors
	for _, c := range all {
		termtext.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", c.ID, c.Pid, c.Status, c.Bundle, c.Created, c.Owner)
	}
	return w.Flush()
}
