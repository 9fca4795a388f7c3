package cmdline

import (
	"flag"

	"github.com/urfave/cli/v2"
)

// WithArguments returns a context like ctx with other arguments.
func WithArguments(ctx *cli.Context, args []string) *cli.Context {
	set := flag.NewFlagSet(ctx.Command.Name, flag.ContinueOnError)
	_ = set.Parse(append([]string{"--"}, args...)) // nothing after -- is an error
	changed := cli.NewContext(ctx.App, set, ctx)
	changed.Command = ctx.Command
	return changed
}
