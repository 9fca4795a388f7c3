package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/messages"
)

// imageFlags returns the flags of `run IMAGE`, as in Docker.
func imageFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.ToggleFlag(cli.BoolFlag{Name: "interactive", Aliases: []string{"i"},
			Usage: "image: standard input is the container's"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "image: give it a terminal"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "rm", Usage: "image: remove the container when it exits"}),
		cmdline.TextFlag(cli.StringFlag{Name: "name", Usage: "image: the container's `NAME`"}),
		cmdline.TextFlag(cli.StringFlag{Name: "hostname", Usage: "image: its host `NAME`"}),
		cmdline.TextFlag(cli.StringFlag{Name: "entrypoint",
			Usage: "image: `PROGRAM` instead of the image's ENTRYPOINT and CMD"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "env", Aliases: []string{"e"},
			Usage: "image: set `NAME[=VALUE]` in its environment"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "label", Aliases: []string{"l"},
			Usage: "image: add `NAME=VALUE` to its annotations"}),
		cmdline.TextFlag(cli.StringFlag{Name: "workdir", Aliases: []string{"w"},
			Usage: "image: working `DIR` in the container"}),
		cmdline.TextFlag(cli.StringFlag{Name: "user", Aliases: []string{"u"},
			Usage: "image: run as `USER[:GROUP]`, names from the image"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "volume", Aliases: []string{"v"},
			Usage: "image: bind `[HOST:]CONTAINER[:OPTIONS]`"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "tmpfs", Usage: "image: mount a tmpfs on `CONTAINER[:OPTIONS]`"}),
		cmdline.TextFlag(cli.StringFlag{Name: "network",
			Usage: "image: `none` (its own, without a connection), host, or bridge"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "publish", Aliases: []string{"p"},
			Usage: "image: forward `[[IP:]HOST:]CONTAINER[/PROTOCOL]`"}),
		cmdline.TextFlag(cli.StringFlag{Name: "memory", Aliases: []string{"m"},
			Usage: "image: limit of `BYTES`, with b, k, m or g"}),
		cmdline.TextFlag(cli.StringFlag{Name: "memory-swap", Usage: "image: limit of memory and swap"}),
		cmdline.TextFlag(cli.StringFlag{Name: "cpus", Usage: "image: at most this many CPUs, such as `1.5`"}),
		cmdline.NumberFlag(cli.IntFlag{Name: "pids-limit", Usage: "image: at most `N` processes"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "read-only", Usage: "image: the root file system cannot be written to"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "cap-add", Usage: "image: add the capability `NAME`, or ALL"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "cap-drop", Usage: "image: drop the capability `NAME`, or ALL"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "security-opt",
			Usage: "image: `no-new-privileges`, or seccomp=unconfined|FILE"}),
		cmdline.TextFlag(cli.StringFlag{Name: "stop-signal", Usage: "image: `SIGNAL` that stop sends"}),
		cmdline.TextFlag(cli.StringFlag{Name: "pull", Value: "missing",
			Usage: "image: when to pull: `missing`, always or never"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "no-healthcheck", Usage: "image: no HEALTHCHECK"}),
		cmdline.TextFlag(cli.StringFlag{Name: "health-cmd", Usage: "image: check its health with `COMMAND`"}),
		cmdline.DurationFlag(cli.DurationFlag{Name: "health-interval", Usage: "image: time between two checks"}),
		cmdline.DurationFlag(cli.DurationFlag{Name: "health-timeout", Usage: "image: time for one check"}),
		cmdline.DurationFlag(
			cli.DurationFlag{Name: "health-start-period", Usage: "image: time in which failures do not count"},
		),
		cmdline.NumberFlag(cli.IntFlag{Name: "health-retries", Usage: "image: failures that make it unhealthy"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "init",
			Usage: "image: PID 1 is an init that passes signals on and reaps processes"}),
	}
}

func newEngine(ctx *cli.Context) *engine.Engine {
	helper, err := imageProgram()
	if err != nil {
		helper = ""
	}
	program, err := os.Executable()
	if err != nil {
		program = "/proc/self/exe"
	}
	return &engine.Engine{Store: imageStore(ctx), Root: ctx.String("root"), Program: program, Helper: helper,
		Inherited: inherited, Systemd: systemdCgroup(ctx), NoCgroup: noCgroup(ctx), Warn: messages.Warn}
}

func runImage(ctx *cli.Context) error {
	s, err := imageSettings(ctx)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	if err := checkFlagsForImage(ctx); err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	e := newEngine(ctx)
	if s.Detach {
		return runDetached(ctx, e, s)
	}
	o := optionsForImage(ctx)
	o.NotifySocket, o.PreserveFDs = os.Getenv(notifySocket), ctx.Int("preserve-fds")
	done, err := addObserver(ctx, &o) // before the container is created: it may fail
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	status, err := makeAndRun(ctx, e, s, o)
	if err = errors.Join(err, done()); err != nil {
		return messages.NewFailure(err, max(status, 1))
	}
	if status != 0 {
		return messages.ExitStatus(status)
	}
	return nil
}

// makeAndRun creates a container and attends it until it exits.
func makeAndRun(ctx *cli.Context, e *engine.Engine, s *engine.Settings, o container.Options) (int, error) {
	if !s.Interactive && !s.Terminal {
		if err := detachInput(); err != nil {
			return engine.CannotRun, err
		}
	}
	r, err := e.Create(ctx.Args().First(), s)
	if err != nil {
		return engine.CannotRun, err
	}
	return e.Run(r, o, func() {})
}

// runDetached leaves the container to a monitor.
func runDetached(ctx *cli.Context, e *engine.Engine, s *engine.Settings) error {
	flags, err := monitorFlags(ctx)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	if os.Getenv(notifySocket) != "" {
		messages.Warn(notifySocket +
			" has no effect on a detached container of an image, whose monitor is not the service's main process\n" +
			"hint: omit --detach, then the service manager waits for the program")
	}
	r, err := e.Create(ctx.Args().First(), s)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	err = e.Detach(r, flags)
	var not *engine.NotStarted
	if errors.As(err, &not) {
		return messages.NewFailure(err, not.Status())
	}
	if err == nil {
		fmt.Fprintln(ctx.App.Writer, r.Container)
	}
	return err
}

// optionsForImage reads the flags that apply to containers created from images and
// from bundles.
func optionsForImage(ctx *cli.Context) container.Options {
	return container.Options{
		PidFile: ctx.String("pid-file"), ConsoleSocket: ctx.String("console-socket"),
		PidFDSocket: ctx.String("pidfd-socket"),
		NoPivot:     ctx.Bool("no-pivot"), NoKeyring: ctx.Bool("no-new-keyring"),
	}
}

// monitorFlags returns these flags for the monitor, which runs in another directory.
func monitorFlags(ctx *cli.Context) (flags []string, err error) {
	for _, name := range [...]string{"pid-file", "console-socket", "pidfd-socket"} {
		path := ctx.String(name)
		if path == "" {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		flags = append(flags, "--"+name+"="+path)
	}
	for _, name := range [...]string{"no-pivot", "no-new-keyring"} {
		if ctx.Bool(name) {
			flags = append(flags, "--"+name)
		}
	}
	return flags, nil
}

// checkFlagsForImage refuses flags that would have no effect with an image.
func checkFlagsForImage(ctx *cli.Context) error {
	for _, name := range [...]string{"layer", "ephemeral", "keep"} {
		if ctx.IsSet(name) {
			return cmdline.UsageError(ctx.Command, fmt.Sprintf("--%s is for a bundle, and %s is an image", name,
				ctx.Args().First()))
		}
	}
	for _, name := range [...]string{"preserve-fds", "explain", "explain-level", "explain-to", "trace"} {
		if ctx.Bool("detach") && ctx.IsSet(name) {
			return cmdline.UsageError(ctx.Command,
				fmt.Sprintf("--%s cannot be combined with --detach for an image: its monitor starts the container",
					name))
		}
	}
	return nil
}

// checkFlagsForBundle refuses flags that would have no effect with a bundle, whose
// config.json decides instead.
func checkFlagsForBundle(ctx *cli.Context, bundle string) error {
	given := ctx.LocalFlagNames()
	if len(given) == 0 {
		return nil
	}
	for _, f := range imageFlags() {
		name := f.Names()[0]
		switch {
		case !slices.Contains(given, name), name == "interactive": // the program always gets standard input
		case name == "rm" && !ctx.Bool("keep") && !ctx.Bool("detach"): // the default
		case name == "rm":
			return cmdline.UsageError(ctx.Command,
				"--rm cannot be combined with --keep or --detach for a bundle: minirun delete removes the container")
		default:
			return cmdline.UsageError(ctx.Command,
				fmt.Sprintf("--%s is for an image, and %s is a bundle: config.json decides", name, bundle))
		}
	}
	return nil
}

// detachInput makes standard input an empty file, as Docker does without -i.
func detachInput() error {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(fd)
	return unix.Dup3(fd, 0, 0)
}

func imageSettings(ctx *cli.Context) (*engine.Settings, error) {
	s := &engine.Settings{
		Wishes: image.Wishes{
			Args: ctx.Args().Tail(), Env: environment(cmdline.ListValues(ctx, "env")), Cwd: ctx.String("workdir"),
			User:       ctx.String("user"),
			StopSignal: ctx.String("stop-signal"), Terminal: ctx.Bool("tty"),
		},
		Name: ctx.String("name"), Hostname: ctx.String("hostname"),
		Interactive: ctx.Bool("interactive"), Detach: ctx.Bool("detach"), Remove: ctx.Bool("rm"),
		Pull: ctx.String("pull"),
		Volumes: cmdline.ListValues(
			ctx,
			"volume",
		), Tmpfs: cmdline.ListValues(ctx, "tmpfs"), Network: ctx.String("network"),
		Publish: cmdline.ListValues(ctx, "publish"),
		Memory:  ctx.String("memory"), Swap: ctx.String("memory-swap"), CPUs: ctx.String("cpus"),
		Pids: ctx.Int("pids-limit"), ReadOnly: ctx.Bool("read-only"),
		CapAdd: cmdline.ListValues(
			ctx,
			"cap-add",
		), CapDrop: cmdline.ListValues(ctx, "cap-drop"), Security: cmdline.ListValues(ctx, "security-opt"),
		NoHealth: ctx.Bool("no-healthcheck"), HealthCommand: ctx.String("health-cmd"),
		HealthInterval: ctx.Duration("health-interval"),
		HealthTimeout:  ctx.Duration("health-timeout"), HealthStart: ctx.Duration("health-start-period"),
		HealthRetries: ctx.Int("health-retries"), Init: ctx.Bool("init"),
	}
	if ctx.IsSet("entrypoint") {
		given := ctx.String("entrypoint")
		s.Entrypoint = &given
	}
	if s.Pull != "missing" && s.Pull != "always" && s.Pull != "never" {
		return nil, fmt.Errorf("--pull %q: must be missing, always or never", s.Pull)
	}
	if s.StopSignal != "" {
		if _, err := control.ParseSignal(s.StopSignal); err != nil {
			return nil, fmt.Errorf("--stop-signal: %w", err)
		}
	}
	s.Labels = map[string]string{}
	for _, l := range cmdline.ListValues(ctx, "label") {
		name, value, _ := strings.Cut(l, "=")
		s.Labels[name] = value
	}
	return s, nil
}

// environment takes the value of a NAME given without one from minirun's own
// environment; if it has none either, the variable is omitted.
func environment(given []string) (out []string) {
	for _, e := range given {
		if !strings.Contains(e, "=") {
			value, ok := os.LookupEnv(e)
			if !ok {
				continue
			}
			e += "=" + value
		}
		out = append(out, e)
	}
	return out
}

// answerFD is the first descriptor that os/exec passes on.
const answerFD = 3

// monitorCommand attends a detached container. `run --detach` starts it.
func monitorCommand() *cli.Command {
	return &cli.Command{Name: "monitor", Hidden: true, ArgsUsage: "ID", Flags: createFlags(),
		Action: func(ctx *cli.Context) error {
			if !slices.Contains(inherited, answerFD) {
				return errors.New("monitor: only run --detach starts it")
			}
			answer := os.NewFile(answerFD, "answer") // opened by engine.Detach for this process only
			err := newEngine(ctx).Monitor(ctx.Args().First(), optionsForImage(ctx), answer)
			if err != nil {
				fmt.Fprintf(answer, "%d %v", engine.CannotRun, err) // unless an answer was sent
				return messages.ExitStatus(1)
			}
			return nil
		}}
}
