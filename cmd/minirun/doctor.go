package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/doctor"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "check whether this machine can run containers, and how to fix what is missing",
		Description: "The exit status is 1 if no container can run here, 0 otherwise.",
		Flags: []cli.Flag{cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table",
			Usage: "table or json"})},
		Action: func(ctx *cli.Context) error {
			all := doctor.Examine(ctx.String("root"))
			if err := showFindings(ctx.App.Writer, all, ctx.String("format")); err != nil {
				return err
			}
			if doctor.Worst(all) == doctor.Fail {
				return messages.ExitStatus(1)
			}
			return nil
		},
	}
}

func showFindings(w io.Writer, all []doctor.Finding, format string) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	case "table":
	default:
		return fmt.Errorf("--format %q: must be table or json", format)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range all {
		termtext.Fprintf(table, "%s\t%s\t%s\n", f.Verdict, f.Name, language.Text(f.Found))
		if f.Fix != "" {
			termtext.Fprintf(table, "\t\t→ %s\n", language.Text(f.Fix))
		}
	}
	return table.Flush()
}
