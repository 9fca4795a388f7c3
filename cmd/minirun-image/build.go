package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/metadata"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/stdio"
)

func buildCommand() *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "build an image from a Dockerfile", ArgsUsage: "PATH | URL | -",
		Description: "The context is a directory, a git repository, the URL of an archive or of a Dockerfile,\n" +
			"or - to read an archive, or a Dockerfile that needs no context, from standard input. The\n" +
			"flags are those of docker buildx. minirun build bake builds the targets of a bake file.",
		Flags:       buildFlags(),
		Action:      buildImage,
		Subcommands: buildSubcommands(),
	}
}

// buildSubcommands returns the subcommands of build. A context directory of the same name is
// written ./NAME.
func buildSubcommands() []*cli.Command {
	list := []*cli.Command{duCommand(), buildPruneCommand(), buildHistoryCommand()}
	for _, c := range list {
		c.Before = func(ctx *cli.Context) error { // arguments are not silently ignored
			if names := ctx.Lineage()[1].LocalFlagNames(); len(names) > 0 {
				name := "--"[:min(len(names[0]), 2)] + names[0]
				return fmt.Errorf("build: %s is an option of build, not of build %s\nhint: for a context directory "+
					"of this name, use ./%s", name, ctx.Command.Name, ctx.Command.Name)
			}
			return nil
		}
	}
	return list
}

// pullBase fetches an image that a Dockerfile refers to.
func pullBase(ctx context.Context, s *store.Store, text string, p oci.Platform, index bool,
	shown transfer.Progress) error {
	name, err := image.ParseName(text)
	if err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	source, d, err := registries.Find(ctx, name, command.Warn)
	if err != nil {
		return err
	}
	d, err = transfer.Fetch(ctx, s, source, d, transfer.Options{Platform: platforms.Format(p), Index: index, Jobs: 3},
		shown)
	if err != nil {
		return fmt.Errorf("pull %s: %w", name, err)
	}
	return s.SetName(ctx, name, d)
}

func buildImage(ctx *cli.Context) error {
	if n := ctx.NArg(); n != 1 {
		return fmt.Errorf("build: expected one argument, the context, but got %d\nhint: run "+
			"minirun build [OPTIONS] . in the directory with the Dockerfile", n)
	}
	asked, err := parseCall(ctx)
	if err != nil {
		return err
	}
	if err := source.CheckArguments(ctx.Args().First(), ctx.String("file")); err != nil &&
		asked.method != "subrequests.describe" {
		return err
	}
	if asked.method != "build" {
		return asked.run(ctx)
	}
	if err := checkFlags(ctx); err != nil {
		return err
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	return buildInto(ctx, s)
}

// checkFlags validates flags that can be checked without a store.
func checkFlags(ctx *cli.Context) error {
	if ctx.Bool("debug") && !stdio.In.IsTerminal() {
		return errors.New("build --debug: the shell needs a terminal, but standard input is not one")
	}
	if err := checkExplain(ctx.String("explain")); err != nil {
		return err
	}
	return checkLegacy(ctx)
}

func buildInto(ctx *cli.Context, s *store.Store) error {
	o, err := buildOptions(ctx, s)
	if err != nil {
		return err
	}
	d, err := parseDelivery(ctx, &o, s)
	if err != nil {
		return err
	}
	out := outcome{cli: ctx, delivery: d}
	if ctx.String("metadata-file") != "" {
		if out.metadata, err = metadata.FromEnvironment(); err != nil {
			return err
		}
	}
	mode, err := displayMode(ctx)
	if err != nil {
		return err
	}
	display, err := progress.New(mode, os.Stderr)
	if err != nil {
		return err
	}
	b, err := newBuilder(s)
	if err != nil {
		return err
	}
	b.Runner.DeviceDirs = ctx.StringSlice("cdi-spec-dir")
	t := &buildReporter{cli: ctx, display: display, runner: b.Runner, chatty: mode != "quiet" && mode != "none" &&
		mode != "rawjson"}
	o.Checked, o.Failed = t.addFindings, t.handleFailure
	begun := time.Now()
	record, err := startRecord(ctx, &o, b, display)
	if err != nil {
		return err
	}
	built, file, err := b.Build(ctx.Context, o)
	var delivered *build.Delivered
	if err == nil {
		delivered, err = b.Deliver(ctx.Context, d, built)
	}
	if err == nil {
		err = b.SaveCaches(ctx.Context, built, o.CacheTo)
	}
	display.Close()
	endRecord(record, built, delivered, err)
	for _, w := range b.Warnings {
		command.Warn(w)
	}
	t.printFindings()
	if err != nil {
		return t.printError(err)
	}
	out.built, out.record, out.found, out.took = built, record.ID(), t.found, time.Since(begun)
	out.unknownArguments, out.unknownStages = file.UnknownArgs(o.BuildArgs), file.UnknownStages(o.Without)
	return out.write(delivered)
}

// newBuilder returns a builder without a display. It removes the files of killed builds.
func newBuilder(s *store.Store) (*build.Builder, error) {
	minirun, err := runtimeProgram()
	if err != nil {
		return nil, err
	}
	b := &build.Builder{Store: s, Runner: &executor.Executor{Minirun: minirun, Store: s}}
	return b, b.Runner.Sweep()
}

// runtimeProgram returns the path of minirun, which is next to this program.
func runtimeProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, path := range []string{filepath.Join(filepath.Dir(self), "minirun"), "/usr/local/bin/minirun",
		"/usr/bin/minirun"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("build: cannot find the program minirun, which runs RUN, next to minirun-image")
}
