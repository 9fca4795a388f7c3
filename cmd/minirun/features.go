package main

import (
	"encoding/json"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/features"
	"github.com/minirun/minirun/internal/version"
)

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name:        "features",
		Usage:       "print the features that this build supports, as JSON",
		Description: "The form is that of features.md in the OCI runtime specification.",
		Action: func(ctx *cli.Context) error {
			out := json.NewEncoder(ctx.App.Writer)
			out.SetIndent("", "    ")
			return out.Encode(features.Features(version.Number(), version.Revision()))
		},
	}
}
