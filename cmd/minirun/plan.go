package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "print the system calls that run would make, without making them",
		ArgsUsage: "BUNDLE",
		Flags:     createFlags(),
		Action: func(ctx *cli.Context) error {
			o, err := options(ctx)
			if err != nil {
				return err
			}
			if o.ID == "" {
				o.ID = madeUpID()
			}
			p, cloneflags, err := container.PlanOf(o)
			if err != nil {
				return err
			}
			if err := p.Head(ctx.App.Writer, cloneflags); err != nil {
				return err
			}
			return p.Text(ctx.App.Writer)
		},
	}
}
