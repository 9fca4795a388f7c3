package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
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
				return fmt.Errorf("build: %s is an option of build, not of build %s\nhint: for a context directory of this name, use ./%s", name, ctx.Command.Name, ctx.Command.Name)
			}
			return nil
		}
	}
	return list
}

func buildFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "read the Dockerfile from `FILE` or a URL instead of CONTEXT/Dockerfile"},
		&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"}, Usage: "name the image `NAME`"},
		&cli.StringFlag{Name: "target", Usage: "build only up to `STAGE`"},
		&cli.StringSliceFlag{Name: "build-arg", Usage: "set the ARG `NAME[=VALUE]`; without a value, use the environment variable's"},
		&cli.StringSliceFlag{Name: "build-context", Usage: "context `NAME=SOURCE` for --from: a directory, docker-image://, oci-layout:// or a URL"},
		&cli.StringSliceFlag{Name: "secret", Usage: "`id=ID[,src=FILE|,env=NAME]` for RUN --mount=type=secret"},
		&cli.StringSliceFlag{Name: "ssh", Usage: "`default|ID[=SOCKET|KEY[,KEY]]` for RUN --mount=type=ssh; git over ssh uses default"},
		&cli.StringSliceFlag{Name: "label", Usage: "add the label `NAME[=VALUE]` to the image"},
		&cli.StringSliceFlag{Name: "platform", Usage: "build for `OS/ARCH[,OS/ARCH…]`; several platforms produce an index"},
		&cli.BoolFlag{Name: "no-cache", Usage: "do not use the cache"},
		&cli.StringSliceFlag{Name: "no-cache-filter", Usage: "do not use the cache for `STAGE[,STAGE…]`"},
		&cli.StringSliceFlag{Name: "cache-from", Usage: "import a cache from `type=local,src=DIR|type=registry,ref=NAME|NAME`"},
		&cli.StringSliceFlag{Name: "cache-to", Usage: "export the cache to `type=local,dest=DIR|type=registry,ref=NAME|type=inline`; mode=max exports all steps, not only those of the result"},
		&cli.BoolFlag{Name: "pull", Usage: "check the registry for newer base images"},
		&cli.StringFlag{Name: "network", Value: "default", Usage: "network of RUN: `default|host|none`; default is the host's network"},
		&cli.StringSliceFlag{Name: "allow", Usage: "`security.insecure|network.host|device[=NAME]` for RUN --security, --network and --device"},
		&cli.StringSliceFlag{Name: "cdi-spec-dir", Usage: "read CDI specs for RUN --device from `DIR` instead of /etc/cdi and /var/run/cdi"},
		&cli.StringSliceFlag{Name: "add-host", Usage: "`NAME:ADDRESS` for RUN's /etc/hosts; host-gateway is this machine"},
		&cli.StringSliceFlag{Name: "ulimit", Usage: "`NAME=SOFT[:HARD]` for RUN, such as nofile=1024:2048"},
		&cli.StringFlag{Name: "shm-size", Usage: "`SIZE` of RUN's /dev/shm: 128m; the default is 64m"},
		&cli.StringSliceFlag{Name: "resource", Usage: "limit a resource of RUN with `KEY=VALUE`: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems"},
		&cli.StringFlag{Name: "cgroup-parent", Usage: "create the cgroups of RUN in `CGROUP`"},
		&cli.StringFlag{Name: "builder", Usage: "accepted for compatibility; the only builder is `default`"},
		&cli.StringFlag{Name: "progress", Value: "auto", Usage: "`auto|tty|plain|quiet|none|rawjson`"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the image's ID"},
		&cli.BoolFlag{Name: "debug", Usage: "if a RUN fails, open a shell in its container"},
		&cli.StringFlag{Name: "call", Aliases: []string{"print"}, Value: "build", Usage: "`build|check|outline|targets[,format=text|json]`: check or describe the Dockerfile instead of building it"},
		&cli.BoolFlag{Name: "check", Usage: "check the Dockerfile without building; same as --call=check"},
		&cli.StringFlag{Name: "format", Value: "text", Usage: "output format of --call and --check: `text|json`"},
		&cli.StringFlag{Name: "explain", Usage: "explain what each instruction did: `text|json|FILE.svg|FILE.html`"},
	}, append(outputFlags(), legacyFlags()...)...)
}

// buildOptions reads the flags.
func buildOptions(ctx *cli.Context, s *store.Store) (o build.Options, err error) {
	o = build.Options{
		Context: ctx.Args().First(), File: ctx.String("file"), Target: ctx.String("target"), NoCache: ctx.Bool("no-cache"),
		Network: ctx.String("network"), Always: ctx.Bool("pull"),
		Pull: func(c context.Context, name string, p oci.Platform, index bool, shown transfer.Progress) error {
			return pullBase(c, s, name, p, index, shown)
		},
	}
	if o.BuildArgs, err = buildArguments(ctx.StringSlice("build-arg")); err != nil {
		return o, err
	}
	if o.Contexts, err = pairs("build-context", ctx.StringSlice("build-context")); err != nil {
		return o, err
	}
	if o.Labels, err = labels(ctx.StringSlice("label")); err != nil {
		return o, err
	}
	if err := stepOptions(ctx, &o); err != nil {
		return o, err
	}
	if o.Secrets, err = build.ParseSecrets(ctx.StringSlice("secret")); err != nil {
		return o, err
	}
	if o.SSH, err = build.ParseSSH(ctx.StringSlice("ssh")); err != nil {
		return o, err
	}
	if o.Platforms, err = wantedPlatforms(ctx.StringSlice("platform")); err != nil {
		return o, err
	}
	if name := ctx.String("builder"); name != "" && name != "default" {
		return o, fmt.Errorf("--builder %s: the only builder is default", name)
	}
	if err := cacheOptions(ctx, &o); err != nil {
		return o, err
	}
	if epoch := os.Getenv(sourceDateEpoch); epoch != "" { // an environment variable sets the build argument
		if _, given := o.BuildArgs[sourceDateEpoch]; !given {
			o.BuildArgs[sourceDateEpoch] = epoch
		}
	}
	return o, nil
}

// wantedPlatforms parses --platform; local stands for this machine's platform.
func wantedPlatforms(list []string) (out []oci.Platform, err error) {
	for _, text := range strings.Split(strings.Join(list, ","), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		p := platforms.DefaultSpec()
		if text != "local" {
			if p, err = platforms.Parse(text); err != nil {
				return nil, fmt.Errorf("--platform %s: %w", text, err)
			}
		}
		out = append(out, platforms.Normalize(p))
	}
	return out, nil
}

// buildArguments parses --build-arg. A name without a value takes the value from the environment,
// or is left out.
func buildArguments(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, given := strings.Cut(text, "=")
		if name == "" {
			return nil, fmt.Errorf("--build-arg %q: must be NAME or NAME=VALUE", text)
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		out[name] = value
	}
	return out, nil
}

func pairs(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, given := strings.Cut(text, "=")
		if name == "" || !given {
			return nil, fmt.Errorf("--%s %q: must be NAME=VALUE", flag, text)
		}
		out[name] = value
	}
	return out, nil
}

// sourceDateEpoch is the build argument that sets the timestamps of all results.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"

// pullBase fetches an image that a Dockerfile refers to.
func pullBase(ctx context.Context, s *store.Store, text string, p oci.Platform, index bool, shown transfer.Progress) error {
	name, err := image.ParseName(text)
	if err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	source, d, err := registries.Find(ctx, name, warn)
	if err != nil {
		return err
	}
	d, err = transfer.Fetch(ctx, s, source, d, transfer.Options{Platform: platforms.Format(p), Index: index, Jobs: 3}, shown)
	if err != nil {
		return fmt.Errorf("pull %s: %w", name, err)
	}
	return s.SetName(ctx, name, d)
}

func buildImage(ctx *cli.Context) error {
	if n := ctx.NArg(); n != 1 {
		return fmt.Errorf("build: expected one argument, the context, but got %d\n\nUsage:  minirun build [OPTIONS] %s\n\nminirun build --help shows the options", n, ctx.Command.ArgsUsage)
	}
	asked, err := wantedCall(ctx)
	if err != nil {
		return err
	}
	if asked.method != "build" {
		return asked.run(ctx)
	}
	if err := checkGiven(ctx); err != nil {
		return err
	}
	s, release, err := shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	return buildInto(ctx, s)
}

// checkGiven validates flags that can be checked without a store.
func checkGiven(ctx *cli.Context) error {
	if ctx.Bool("debug") && !isTerminal(os.Stdin) {
		return errors.New("build --debug: the shell needs a terminal, but standard input is not one")
	}
	if err := explainable(ctx.String("explain")); err != nil {
		return err
	}
	return checkLegacy(ctx)
}

func buildInto(ctx *cli.Context, s *store.Store) error {
	o, err := buildOptions(ctx, s)
	if err != nil {
		return err
	}
	d, err := delivery(ctx, &o, s)
	if err != nil {
		return err
	}
	out := outcome{cli: ctx, delivery: d}
	if out.metadata, err = wantedMetadata(ctx); err != nil {
		return err
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
	t := &talk{cli: ctx, display: display, runner: b.Runner, chatty: mode != "quiet" && mode != "none" && mode != "rawjson"}
	o.Checked, o.Failed = t.checked, t.failed
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
		warn(w)
	}
	t.warnings()
	if err != nil {
		return t.end(err)
	}
	out.built, out.record, out.found, out.took = built, record.ID(), t.found, time.Since(begun)
	out.unknownArguments, out.unknownStages = file.Unknown(o.BuildArgs), file.UnknownStages(o.Without)
	return out.tell(delivered)
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
	for _, path := range []string{filepath.Join(filepath.Dir(self), "minirun"), "/usr/local/bin/minirun", "/usr/bin/minirun"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("build: cannot find the program minirun, which runs RUN, next to minirun-image")
}
