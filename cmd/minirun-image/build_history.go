package main

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/history"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/termtext"
)

func buildHistoryCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show the last builds",
		Description: "BUILD is an ID, the beginning of an ID, or ^N for the Nth build before the last one. The\n" +
			"default is the last build. The environment variable " + records.KeepVariable + "\n" +
			"sets how many builds are kept: 50 by default, none if it is 0.",
		Action: func(ctx *cli.Context) error {
			switch name := ctx.Args().First(); name {
			case "":
				return cli.ShowSubcommandHelp(ctx)
			case "open", "import", "trace":
				return fmt.Errorf("build history %s is not supported (it needs Docker Desktop or a trace server)", name)
			default:
				return cmdline.Subcommand(ctx)
			}
		},
		Subcommands: []*cli.Command{{
			Name: "ls", Usage: "list builds, newest first",
			Description: "Filter keys are ref and status (with = and !=), startedAt, completedAt and duration (with\n" +
				"< and >). A status is running, completed, error, canceled or interrupted.",
			Flags: []cli.Flag{
				&cli.StringSliceFlag{Name: "filter", Usage: "show only matching builds: `status=error`, duration>30s"},
				&cli.StringFlag{Name: "format", Value: "table", Usage: "`table|json|TEMPLATE`, or table TEMPLATE"},
				&cli.BoolFlag{Name: "no-trunc", Usage: "show names in full"},
				builderFlag(),
			},
			Action: historyList,
		}, {
			Name: "inspect", Usage: "show details of a build", ArgsUsage: "[BUILD]",
			Flags: []cli.Flag{&cli.StringFlag{Name: "format", Value: "pretty", Usage: "`pretty|json|TEMPLATE`"},
				builderFlag()},
			Action: historyInspect,
		}, {
			Name: "logs", Usage: "show the log of a build", ArgsUsage: "[BUILD]",
			Flags: []cli.Flag{&cli.StringFlag{Name: "progress", Value: "plain", Usage: "`plain|rawjson`"},
				builderFlag()},
			Action: historyLogs,
		}, {
			Name: "rm", Usage: "remove records of builds", ArgsUsage: "BUILD…",
			Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "remove the records of all finished builds"},
				builderFlag()},
			Action: historyRemove,
		}, {
			Name: "export", Usage: "write records of builds to an archive", ArgsUsage: "[BUILD…]",
			Description: "The archive is a tar archive with a directory for each build. Its format is not that of\n" +
				"Docker Desktop. It contains the values of build arguments.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "all", Usage: "export all builds"},
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "-",
					Usage: "write to `FILE`; - is standard output"},
				builderFlag(),
			},
			Action: historyExport,
		}},
	}
}

func openBook(ctx *cli.Context) *records.History {
	return records.ForStore(&image.Store{Dir: ctx.String("store")})
}

func historyList(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	now := time.Now()
	filter, err := history.ParseFilter(ctx.StringSlice("filter"), now)
	if err != nil {
		return err
	}
	all, err := openBook(ctx).List()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r *records.Record) bool { return !filter(r) })
	return history.WriteList(ctx.App.Writer, ctx.String("format"), all, now, !ctx.Bool("no-trunc"))
}

// findBuild finds the build named on the command line.
func findBuild(ctx *cli.Context) (*records.Record, error) {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 1), checkBuilder(ctx)); err != nil {
		return nil, err
	}
	return openBook(ctx).Find(ctx.Args().First())
}

func historyLogs(ctx *cli.Context) error {
	r, err := findBuild(ctx)
	if err != nil {
		return err
	}
	return r.Events(func(events iter.Seq[progress.Event]) error {
		return progress.Replay(ctx.String("progress"), ctx.App.Writer, events)
	})
}

func historyRemove(ctx *cli.Context) error {
	if err := checkBuilder(ctx); err != nil {
		return err
	}
	book := openBook(ctx)
	if ctx.Bool("all") {
		if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
			return err
		}
		return book.Clear()
	}
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	list, err := findBuilds(ctx, book)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := book.Remove(r); err != nil {
			return err
		}
		termtext.Fprintln(ctx.App.Writer, r.ID)
	}
	return nil
}

// findBuilds finds all builds named on the command line before any of them is changed, because ^N
// would then refer to a different one.
func findBuilds(ctx *cli.Context, book *records.History) (out []*records.Record, err error) {
	for _, ref := range ctx.Args().Slice() {
		r, err := book.Find(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
