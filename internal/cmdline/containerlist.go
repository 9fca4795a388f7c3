package cmdline

import "github.com/urfave/cli/v2"

// ContainerListFlags returns the flags of `ps` without an ID, except --format. Two programs need
// them: the one that implements ps, and the one that finds out whether an ID is given. -f is also the
// format, as in runc's ps: a filter has a =.
func ContainerListFlags() []cli.Flag {
	return []cli.Flag{
		ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"},
			Usage: "without an ID: also containers that are not running"}),
		ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "without an ID: show only IDs"}),
		ListFlag(cli.StringSliceFlag{Name: "filter", Aliases: []string{"f"},
			Usage: "without an ID: only containers with `KEY=VALUE`, such as status=exited; with an ID -f is --format"}),
		ToggleFlag(cli.BoolFlag{Name: "latest", Aliases: []string{"l"},
			Usage: "without an ID: only the newest container, running or not"}),
		NumberFlag(cli.IntFlag{Name: "last", Aliases: []string{"n"}, Value: -1,
			Usage: "without an ID: only the newest `N` containers, running or not"}),
		ToggleFlag(cli.BoolFlag{Name: "size", Aliases: []string{"s"}, Usage: "without an ID: show sizes of files"}),
		ToggleFlag(cli.BoolFlag{Name: "no-trunc", Usage: "without an ID: show IDs and commands in full"}),
	}
}
