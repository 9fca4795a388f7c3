package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
)

// checkDockerfile is build --check: nothing is built, and no image is pulled.
func checkDockerfile(ctx *cli.Context) error {
	args, err := buildArguments(ctx.StringSlice("build-arg"))
	if err != nil {
		return err
	}
	contexts, err := pairs("build-context", ctx.StringSlice("build-context"))
	if err != nil {
		return err
	}
	wanted, err := wantedPlatforms(ctx.StringSlice("platform"))
	if err != nil {
		return err
	}
	where, file := ctx.Args().First(), ctx.String("file")
	c := &build.Check{
		Name: cmp.Or(file, "Dockerfile"), Store: &ingest.Store{Store: &image.Store{Dir: ctx.String("store")}},
		Options: &build.Options{BuildArgs: args, Target: ctx.String("target"), Platforms: wanted, Contexts: contexts},
	}
	switch {
	case source.IsGit(where) || source.IsURL(where):
		return errors.New("build --check: reads Dockerfiles of directories, or standard input")
	case where == "-" && file == "":
		c.Text, err = source.ReadDockerfileAt(ctx.Context, "-", os.Stdin)
	case file == "":
		file = filepath.Join(where, "Dockerfile")
		c.Text, err = source.ReadDockerfileOf(where)
	default:
		c.Text, err = source.ReadDockerfileAt(ctx.Context, file, os.Stdin)
	}
	if err != nil {
		return err
	}
	if where != "-" {
		if c.Context, err = source.Local(where, file); err != nil {
			return err
		}
		defer func() { _ = c.Context.Root.Close() }()
	}
	if foreign := c.ForeignSyntax(); foreign != nil {
		warn(foreign)
	}
	result, err := c.Run(ctx.Context)
	if err != nil {
		return err
	}
	if err := result.Print(ctx.App.Writer, ctx.String("format")); err != nil {
		return err
	}
	switch n := len(result.Warnings); {
	case result.Err != nil:
		_, cause := build.Quoted(result.Err) // the lines are printed
		return cause
	case n > 0:
		return fmt.Errorf("build --check: %d findings", n)
	}
	return nil
}
