package main

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

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
			"default is the last build. The environment variable " + records.Kept + "\n" +
			"sets how many builds are kept: 50 by default, none if it is 0.",
		Action: func(ctx *cli.Context) error {
			switch name := ctx.Args().First(); name {
			case "":
				return cli.ShowSubcommandHelp(ctx)
			case "open", "import", "trace":
				return fmt.Errorf("build history %s is not supported (it needs Docker Desktop or a trace server)", name)
			default:
				return cmdline.UsageError(ctx.Command, fmt.Sprintf("unknown subcommand %q", name))
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
			Flags:  []cli.Flag{&cli.StringFlag{Name: "format", Value: "pretty", Usage: "`pretty|json|TEMPLATE`"}, builderFlag()},
			Action: historyInspect,
		}, {
			Name: "logs", Usage: "show the log of a build", ArgsUsage: "[BUILD]",
			Flags:  []cli.Flag{&cli.StringFlag{Name: "progress", Value: "plain", Usage: "`plain|rawjson`"}, builderFlag()},
			Action: historyLogs,
		}, {
			Name: "rm", Usage: "remove records of builds", ArgsUsage: "BUILD…",
			Flags:  []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "remove the records of all finished builds"}, builderFlag()},
			Action: historyRemove,
		}, {
			Name: "export", Usage: "write records of builds to an archive", ArgsUsage: "[BUILD…]",
			Description: "The archive is a tar archive with a directory for each build. Its format is not that of\n" +
				"Docker Desktop. It contains the values of build arguments.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "all", Usage: "export all builds"},
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "-", Usage: "write to `FILE`; - is standard output"},
				builderFlag(),
			},
			Action: historyExport,
		}},
	}
}

func bookOf(ctx *cli.Context) *records.Book {
	return records.Of(&image.Store{Dir: ctx.String("store")})
}

// statusWord returns the word for a status in tables. Filters accept both words.
func statusWord(s records.Status) string {
	switch s {
	case records.Running:
		return "Running"
	case records.Completed:
		return "Completed"
	case records.Failed:
		return "Error"
	case records.Canceled:
		return "Canceled"
	case records.Interrupted:
		return "Interrupted"
	}
	return ""
}

// took formats the duration of a build or a step for display.
func took(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	minutes := int(d / time.Minute)
	return fmt.Sprintf("%dm %2ds", minutes, int(d.Seconds())-60*minutes)
}

func historyList(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	now := time.Now()
	filter, err := historyFilter(ctx.StringSlice("filter"), now)
	if err != nil {
		return err
	}
	all, err := bookOf(ctx).List()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r *records.Record) bool { return !filter(r) })
	asJSON := ctx.String("format") == "json"
	rows := []row{}
	for _, r := range all {
		name := oneLine(r.Name)
		if runes := []rune(name); len(runes) > 36 && !ctx.Bool("no-trunc") && !asJSON {
			name = string(runes[:35]) + "…"
		}
		one := row{"ID": r.ID, "Name": name, "Status": statusWord(r.Status), "CreatedAt": age(&r.Started), "Duration": took(r.Duration(now))}
		if asJSON {
			one["CreatedAt"] = r.Started.Format(time.RFC3339)
		}
		rows = append(rows, one)
	}
	format := ctx.String("format")
	switch format {
	case "json":
		return writeJSON(ctx.App.Writer, rows)
	case "table":
		format = `table {{.ID}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}`
	}
	headers := map[string]string{"ID": "BUILD ID", "Name": "NAME", "Status": "STATUS", "CreatedAt": "CREATED AT", "Duration": "DURATION"}
	return writeTemplate(ctx.App.Writer, format, headers, rows)
}

// historyFilter parses --filter. All conditions must hold.
func historyFilter(texts []string, now time.Time) (func(*records.Record) bool, error) {
	var all []func(*records.Record) bool
	for _, text := range texts {
		c, err := historyCondition(text, now)
		if err != nil {
			return nil, fmt.Errorf("--filter %s: %w", text, err)
		}
		all = append(all, c)
	}
	return func(r *records.Record) bool {
		return !slices.ContainsFunc(all, func(c func(*records.Record) bool) bool { return !c(r) })
	}, nil
}

func historyCondition(text string, now time.Time) (func(*records.Record) bool, error) {
	at := strings.IndexAny(text, "!=<>")
	if at < 1 {
		return nil, errors.New("must be KEY=VALUE, KEY!=VALUE, KEY<VALUE or KEY>VALUE")
	}
	key, op, value := text[:at], text[at:at+1], text[at+1:]
	if op == "!" && strings.HasPrefix(value, "=") {
		op, value = "!=", value[1:]
	}
	switch key {
	case "ref", "status":
		if op != "=" && op != "!=" {
			return nil, fmt.Errorf("%s is compared with = and !=", key)
		}
		is := func(r *records.Record) bool { return r.ID == value }
		if key == "status" {
			want, ok := statusOf(value)
			if !ok {
				return nil, fmt.Errorf("%q must be running, completed, error, canceled or interrupted", value)
			}
			is = func(r *records.Record) bool { return r.Status == want }
		}
		return func(r *records.Record) bool { return is(r) == (op == "=") }, nil
	case "duration":
		want, err := time.ParseDuration(value)
		if err != nil || op != "<" && op != ">" {
			return nil, errors.New("must be a duration after < or >, such as duration>30s")
		}
		return func(r *records.Record) bool {
			d := r.Duration(now)
			return op == "<" && d < want || op == ">" && d > want
		}, nil
	case "startedAt", "completedAt":
		want, err := momentOf(value, now)
		if err != nil || op != "<" && op != ">" {
			return nil, errors.New("must be a time after < or >: 2006-01-02T15:04:05Z, or a duration before now, such as 24h")
		}
		return func(r *records.Record) bool {
			t := r.Started
			if key == "completedAt" {
				if t = r.Completed; r.Status == records.Running {
					return false
				}
			}
			return op == "<" && t.Before(want) || op == ">" && t.After(want)
		}, nil
	case "repository":
		return nil, errors.New("the repository of a context is not recorded")
	}
	return nil, errors.New("unknown key: must be ref, status, startedAt, completedAt or duration")
}

func statusOf(text string) (records.Status, bool) {
	switch text {
	case "success":
		return records.Completed, true
	case "error":
		return records.Failed, true
	}
	s := records.Status(text)
	return s, statusWord(s) != ""
}

// momentOf parses a time, or a duration before now.
func momentOf(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Parse(time.RFC3339, text)
}

// oneBuild finds the build named on the command line.
func oneBuild(ctx *cli.Context) (*records.Record, error) {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 1), checkBuilder(ctx)); err != nil {
		return nil, err
	}
	return bookOf(ctx).Find(ctx.Args().First())
}

func historyLogs(ctx *cli.Context) error {
	r, err := oneBuild(ctx)
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
	book := bookOf(ctx)
	if ctx.Bool("all") {
		if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
			return err
		}
		return book.Clear()
	}
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	list, err := namedBuilds(ctx, book)
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

// namedBuilds finds all builds named on the command line before any of them is changed, because ^N
// would then refer to a different one.
func namedBuilds(ctx *cli.Context, book *records.Book) (out []*records.Record, err error) {
	for _, ref := range ctx.Args().Slice() {
		r, err := book.Find(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
