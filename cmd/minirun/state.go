package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/control"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		Name:      "state",
		Usage:     "print the state of a container as JSON",
		ArgsUsage: "ID",
		Action: func(ctx *cli.Context) error {
			state, err := control.State(ctx.String("root"), ctx.Args().First())
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(state, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(ctx.App.Writer, "%s\n", text)
			return err
		},
	}
}
