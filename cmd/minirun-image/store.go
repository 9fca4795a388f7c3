package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

func storeCommand() *cli.Command {
	return &cli.Command{
		Name: "store", Usage: "manage the image store",
		Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "check the store for damage",
			Description: "The exit status is 1 if the store is damaged. Garbage, which killed processes leave, is " +
				"not\ndamage; prune removes it.",
			Flags: []cli.Flag{command.FormatFlag(), &cli.BoolFlag{Name: "quick",
				Usage: "do not read the blobs to compare their digests"}},
			Action: storeCheck,
		}, {Name: "init", Usage: "create the store if it does not exist", Action: initStore}},
	}
}

func storeCheck(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	asJSON, err := command.WantsJSON(ctx)
	if err != nil {
		return err
	}
	s, release, err := command.OpenExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, err := s.Check(ctx.Context, !ctx.Bool("quick"))
	if err != nil {
		return err
	}
	if asJSON {
		err = termtext.WriteJSON(ctx.App.Writer, r)
	} else {
		termtext.Fprintln(ctx.App.Writer, language.Text(fmt.Sprintf("%d images, %d blobs, %d unpacked layers, "+
			"%d containers", r.Images, r.Blobs, r.Layers, r.Containers)))
		for _, x := range r.Rubbish {
			termtext.Fprintln(ctx.App.Writer, "garbage:", x)
		}
		for _, x := range r.Wrong {
			termtext.Fprintln(ctx.App.Writer, "damaged:", x)
		}
	}
	if err == nil && len(r.Wrong) > 0 {
		err = fmt.Errorf("the image store %s is damaged (%d problems)", s.Dir, len(r.Wrong))
	}
	return err
}

// initStore creates a store if there is none.
func initStore(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	_, err := store.Open(ctx.String("store"))
	return err
}
