package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/options"
	"github.com/minirun/minirun/internal/image/command"
)

// legacyFlags returns the flags that are not in the help.
func legacyFlags() []cli.Flag {
	out := []cli.Flag{
		&cli.BoolFlag{Name: "D", Hidden: true},
		&cli.StringSliceFlag{Name: "policy", Hidden: true},
	}
	for _, o := range options.IgnoredOptions {
		var aliases []string
		if o.Alias != "" {
			aliases = []string{o.Alias}
		}
		if o.IsSwitch {
			out = append(out, &cli.BoolFlag{Name: o.Name, Aliases: aliases, Hidden: true})
		} else {
			out = append(out, &cli.StringSliceFlag{Name: o.Name, Aliases: aliases, Hidden: true})
		}
	}
	return out
}

// checkLegacy warns about options without effect, and rejects those that would need to have one.
func checkLegacy(ctx *cli.Context) error {
	if ctx.Bool("D") {
		return errors.New("build -D is not supported\nhint: for debug messages, use minirun --debug build; for a " +
			"shell after a failed RUN, build --debug")
	}
	policies := ctx.StringSlice("policy")
	if err := options.CheckPolicy(policies); err != nil {
		return err
	}
	if policy := options.FindPolicy(ctx.Args().First(), ctx.String("file")); policy != "" && len(policies) == 0 {
		command.Warn(fmt.Errorf("%s: minirun does not evaluate policies", policy))
	}
	for _, o := range options.IgnoredOptions {
		if ctx.IsSet(o.Name) {
			command.Warn(fmt.Errorf("--%s has no effect, as with docker buildx: %s", o.Name, o.Instead))
		}
	}
	return nil
}
