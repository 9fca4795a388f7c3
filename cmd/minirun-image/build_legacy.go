package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/source"
)

// An ignoredOption is an option of docker build before BuildKit. docker buildx accepts it without
// effect. So does minirun, with a warning.
type ignoredOption struct {
	name, alias string
	isSwitch    bool
	instead     string
}

var ignoredOptions = []ignoredOption{
	{name: "compress", isSwitch: true, instead: "the context is read in place"},
	{name: "cpu-period", instead: "use --resource cpu-period=MICROSECONDS"},
	{name: "cpu-quota", instead: "use --resource cpu-quota=MICROSECONDS"},
	{name: "cpu-shares", alias: "c", instead: "use --resource cpu-shares=WEIGHT"},
	{name: "cpuset-cpus", instead: "use --resource cpuset-cpus=LIST"},
	{name: "cpuset-mems", instead: "use --resource cpuset-mems=LIST"},
	{name: "disable-content-trust", isSwitch: true, instead: "signatures of images are not verified"},
	{name: "force-rm", isSwitch: true, instead: "containers of RUN are always removed"},
	{name: "isolation", instead: "RUN always uses namespaces"},
	{name: "memory", alias: "m", instead: "use --resource memory=SIZE"},
	{name: "memory-swap", instead: "use --resource memory-swap=SIZE"},
	{name: "rm", isSwitch: true, instead: "containers of RUN are always removed"},
	{name: "security-opt", instead: "use RUN --security=insecure, and --allow security.insecure"},
	{name: "squash", isSwitch: true, instead: "to get one layer, copy the result into a last stage FROM scratch"},
}

// legacyFlags returns the flags that are not in the help.
func legacyFlags() []cli.Flag {
	out := []cli.Flag{
		&cli.BoolFlag{Name: "D", Hidden: true},
		&cli.StringSliceFlag{Name: "policy", Hidden: true},
	}
	for _, o := range ignoredOptions {
		var aliases []string
		if o.alias != "" {
			aliases = []string{o.alias}
		}
		if o.isSwitch {
			out = append(out, &cli.BoolFlag{Name: o.name, Aliases: aliases, Hidden: true})
		} else {
			out = append(out, &cli.StringSliceFlag{Name: o.name, Aliases: aliases, Hidden: true})
		}
	}
	return out
}

// checkLegacy warns about options without effect, and rejects those that would need to have one.
func checkLegacy(ctx *cli.Context) error {
	if ctx.Bool("D") {
		return errors.New("build -D is not supported\nhint: for debug messages, use minirun --debug build; for a shell after a failed RUN, build --debug")
	}
	if err := checkPolicy(ctx); err != nil {
		return err
	}
	for _, o := range ignoredOptions {
		if ctx.IsSet(o.name) {
			warn(fmt.Errorf("--%s has no effect, as with docker buildx: %s", o.name, o.instead))
		}
	}
	return nil
}

// checkPolicy rejects policies, which are Rego programs. For the policy that docker buildx would
// find next to the Dockerfile, it only prints a warning.
func checkPolicy(ctx *cli.Context) error {
	if list := ctx.StringSlice("policy"); len(list) > 0 {
		if other := slices.IndexFunc(list, func(text string) bool { return text != "disabled=true" }); other >= 0 {
			return fmt.Errorf("--policy %q: minirun does not evaluate policies\nhint: check the sources before the build, and use --policy disabled=true", list[other])
		}
		return nil
	}
	context, file := ctx.Args().First(), ctx.String("file")
	if source.IsGit(context) || source.IsURL(context) || source.IsURL(file) || context == "-" || file == "-" {
		return nil
	}
	if file == "" {
		file = filepath.Join(context, source.DefaultDockerfile)
	}
	if _, err := os.Stat(file + ".rego"); err == nil {
		warn(fmt.Errorf("%s.rego: minirun does not evaluate policies", file))
	}
	return nil
}
