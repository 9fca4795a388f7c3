package runflags

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/config"
)

// ExecFlags returns docker's flags of exec that runc does not have.
func ExecFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.ListFlag(cli.StringSliceFlag{Name: "env-file", Usage: "set the variables in `FILE`, one on each line"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "privileged", Usage: "give it all capabilities"}),
	}
}

// ExecEnvironment returns the variables of --env-file and --env.
func ExecEnvironment(ctx *cli.Context) ([]string, error) {
	r := &reader{ctx: ctx}
	env := r.environment()
	return env, r.err
}

// ExecCapabilities returns the capabilities of --cap and --privileged.
func ExecCapabilities(ctx *cli.Context) []string {
	if ctx.Bool("privileged") {
		_, own := config.Capabilities()
		return own
	}
	return cmdline.ListValues(ctx, "cap")
}
