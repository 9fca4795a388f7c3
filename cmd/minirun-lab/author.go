package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/pack"
	"github.com/minirun/minirun/labs"
)

func newCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "create the directory of a new lab, which works and is yours to change",
		ArgsUsage: "DIR",
		Action: func(ctx *cli.Context) error {
			_, out, err := open()
			if err != nil {
				return err
			}
			dir := ctx.Args().First()
			if err := lab.Write(labs.Template(), dir); err != nil {
				return err
			}
			out.Print("Change the files in %s, then: sudo minirun lab test %s/", dir, dir)
			return nil
		},
	}
}

func packCommand() *cli.Command {
	return &cli.Command{
		Name:      "pack",
		Usage:     "write programs, labs and texts to one file for machines without a network",
		ArgsUsage: "FILE.tar.gz",
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			file := ctx.Args().First()
			if err := pack.Write(file, s.Minirun); err != nil {
				return err
			}
			out.Print("On the other machine: tar xzf %s && sudo minirun-labs/install.sh", file)
			return nil
		},
	}
}
