package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/options"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/store"
)

// A call is the request about a Dockerfile that --call selects.
type call struct{ method, format string }

// methods lists the methods of --call, with docker buildx's names.
var methods = []string{"build", "check", "outline", "targets", "subrequests.describe"}

// parseCall parses --call METHOD[,format=FORMAT], --check and --format.
func parseCall(ctx *cli.Context) (c call, err error) {
	fields := strings.Split(ctx.String("call"), ",")
	c = call{method: cmp.Or(fields[0], "build"), format: ctx.String("format")}
	for _, f := range fields[1:] {
		key, value, ok := strings.Cut(f, "=")
		if key != "format" || !ok {
			return c, fmt.Errorf("--call %s: unknown option %q\n"+
				"hint: only format=text or format=json can follow METHOD", ctx.String("call"), f)
		}
		c.format = value
	}
	if c.method == "lint" {
		c.method = "check"
	}
	if ctx.Bool("check") {
		if ctx.IsSet("call") && c.method != "check" {
			return c, fmt.Errorf("--check cannot be combined with --call=%s", c.method)
		}
		c.method = "check"
	}
	if !slices.Contains(methods, c.method) {
		return c, fmt.Errorf("--call %s: must be %s", c.method, strings.Join(methods, ", "))
	}
	if c.format != "text" && c.format != "json" {
		return c, fmt.Errorf("--call %s: unknown format %q: must be text or json", c.method, c.format)
	}
	return c, nil
}

// callFlags lists the flags that a call uses.
var callFlags = []string{"call", "check", "format", "file", "build-arg", "build-context", "platform", "target",
	"progress", "quiet", "builder"}

// run executes a call. It builds nothing and pulls no images.
func (c call) run(ctx *cli.Context) error {
	for _, f := range ctx.Command.Flags {
		if name := f.Names()[0]; ctx.IsSet(name) && !slices.Contains(callFlags, name) {
			command.Warn(fmt.Errorf("--%s has no effect with --call=%s, which builds nothing", name, c.method))
		}
	}
	if c.method == "subrequests.describe" {
		return build.DescribeMethods(ctx.App.Writer, c.format)
	}
	d, done, err := openDockerfile(ctx)
	if err != nil {
		return err
	}
	defer done()
	if foreign := d.ForeignSyntax(); foreign != nil {
		command.Warn(foreign)
	}
	switch c.method {
	case "outline":
		err = d.Outline(ctx.Context, ctx.App.Writer, c.format)
	case "targets":
		err = d.Targets(ctx.App.Writer, c.format)
	default:
		return checkDockerfile(ctx, d, c.format)
	}
	if err == nil {
		return nil
	}
	lines, cause := build.QuoteError(err)
	fmt.Fprint(os.Stderr, lines)
	return cause
}

// openDockerfile reads the Dockerfile for a call, and the flags that affect it.
func openDockerfile(ctx *cli.Context) (c *build.Check, done func(), err error) {
	o := build.Options{Context: ctx.Args().First(), File: ctx.String("file"), Target: ctx.String("target")}
	if o.BuildArgs, err = options.BuildArguments(ctx.StringSlice("build-arg")); err != nil {
		return nil, nil, err
	}
	if o.Contexts, err = options.Contexts(ctx.StringSlice("build-context")); err != nil {
		return nil, nil, err
	}
	if o.Platforms, err = options.Platforms(ctx.StringSlice("platform")); err != nil {
		return nil, nil, err
	}
	if source.IsGit(o.Context) || source.IsURL(o.Context) || source.IsURL(o.File) {
		return readRemote(ctx, &o)
	}
	c = &build.Check{
		Name: cmp.Or(o.File, source.DefaultDockerfile), Options: &o,
		Store: &store.Store{Store: &image.Store{Dir: ctx.String("store")}},
	}
	if c.Text, err = readLocal(ctx.Context, &o); err != nil || o.Context == "-" {
		return c, func() {}, err
	}
	if c.Context, err = source.OpenLocal(o.Context, cmp.Or(o.File,
		filepath.Join(o.Context, source.DefaultDockerfile))); err != nil {
		return nil, nil, err
	}
	return c, func() { _ = c.Context.Root.Close() }, nil
}

// readLocal reads a Dockerfile from a directory or from standard input.
func readLocal(ctx context.Context, o *build.Options) ([]byte, error) {
	switch {
	case o.Context == "-" && o.File == "":
		return source.ReadDockerfileAt(ctx, "-", os.Stdin)
	case o.File == "":
		return source.ReadDockerfileOf(o.Context)
	}
	return source.ReadDockerfileAt(ctx, o.File, os.Stdin)
}

// readRemote fetches a context or a Dockerfile into the store.
func readRemote(ctx *cli.Context, o *build.Options) (*build.Check, func(), error) {
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return nil, nil, err
	}
	b := &build.Builder{Store: s}
	c, done, err := b.OpenCheck(ctx.Context, o)
	if err != nil {
		release()
		return nil, nil, err
	}
	return c, func() { done(); release() }, nil
}

// checkDockerfile implements build --check.
func checkDockerfile(ctx *cli.Context, c *build.Check, format string) error {
	result, err := c.Run(ctx.Context)
	if err != nil {
		return err
	}
	if err := result.Print(ctx.App.Writer, format); err != nil {
		return err
	}
	switch n := len(result.Warnings); {
	case result.Err != nil:
		_, cause := build.QuoteError(result.Err) // the lines are already printed
		return cause
	case n > 0:
		return fmt.Errorf("build --check: %d findings", n)
	}
	return nil
}
