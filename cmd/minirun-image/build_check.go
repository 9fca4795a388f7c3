package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/lint"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/ctxio"
)

// checkDockerfile is build --check: nothing is built, and no image is pulled.
func checkDockerfile(ctx *cli.Context) error {
	args, err := buildArguments(ctx.StringSlice("build-arg"))
	if err != nil {
		return err
	}
	where, file := ctx.Args().First(), ctx.String("file")
	o := lint.Options{Name: file, BuildArgs: args, Target: ctx.String("target"), Platform: firstPlatform(ctx), Check: args[lint.Argument]}
	var text []byte
	switch {
	case source.IsGit(where) || source.IsURL(where):
		return errors.New("build --check: reads Dockerfiles of directories, or standard input")
	case where == "-" && file == "":
		text, err = source.ReadDockerfileAt(ctx.Context, "-", os.Stdin)
	case file == "":
		text, err = source.ReadDockerfileOf(where)
	default:
		text, err = source.ReadDockerfileAt(ctx.Context, file, os.Stdin)
	}
	if err != nil {
		return err
	}
	if where != "-" {
		t, err := source.Local(where, file)
		if err != nil {
			return err
		}
		defer func() { _ = t.Root.Close() }()
		o.Ignored, o.Exists = t.Ignored, t.Exists
	}
	result, err := ctxio.Do(ctx.Context, func() (*lint.Result, error) { return lint.Check(text, o) })
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

// firstPlatform is what a Dockerfile is checked for.
func firstPlatform(ctx *cli.Context) string {
	first, _, _ := strings.Cut(strings.Join(ctx.StringSlice("platform"), ","), ",")
	return first
}
