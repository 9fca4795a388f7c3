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
	"github.com/minirun/minirun/internal/runtarget"
	"github.com/minirun/minirun/internal/stdio"
)

// imageFlags returns the flags of `run IMAGE`, as in Docker.
func imageFlags() []cli.Flag {
	return append(networkFlags(), []cli.Flag{
		cmdline.ToggleFlag(cli.BoolFlag{Name: "interactive", Aliases: []string{"i"},
			Usage: "image: standard input is the container's"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "image: give it a terminal"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "rm", Usage: "image: remove the container when it exits"}),
		cmdline.TextFlag(cli.StringFlag{Name: "restart", Value: "no",
			Usage: "image: start it again when it ends: `no`, on-failure[:N], always or unless-stopped"}),
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
	}...)
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

func runImage(ctx *cli.Context, t runtarget.Target) error {
	s, err := imageSettings(ctx)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	if err := checkFlagsForImage(ctx); err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	announcePull(t, s.Pull)
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
	end, err := makeAndRun(ctx, e, s, o)
	if err = errors.Join(err, done()); err != nil {
		return messages.NewFailure(err, max(end.Status, 1))
	}
	return endStatus(end)
}

// endStatus returns the error for the exit status of a container created from an image. It explains
// one that ran out of memory.
func endStatus(end *engine.End) error {
	if end.OutOfMemory {
		messages.Warn(end.MemoryText() + "\nhint: raise its limit with -m, such as -m 512m")
	}
	if end.Status != 0 {
		return messages.ExitStatus(end.Status)
	}
	return nil
}

// announcePull says on a terminal that a registry will be asked: the name of the image
// may be a typing error.
func announcePull(t runtarget.Target, pull string) {
	if _, err := unix.IoctlGetTermios(unix.Stderr, unix.TCGETS); err != nil || t.Stored || pull == "never" {
		return
	}
	if n, err := image.ParseName(t.Image); err == nil {
		fmt.Fprintf(stdio.Err, "minirun: image %s is not in the store: pulling it from %s\n", n.Familiar(), n.Registry)
	}
}

// makeAndRun creates a container and attends it until it exits.
func makeAndRun(ctx *cli.Context, e *engine.Engine, s *engine.Settings, o container.Options) (*engine.End, error) {
	failed := &engine.End{Status: engine.CannotRun}
	if !s.Interactive && !s.Terminal {
		if err := detachInput(); err != nil {
			return failed, err
		}
	}
	r, err := e.Create(ctx.Args().First(), s)
	if err != nil {
		return failed, err
	}
	return e.Run(r, o, func() {})
}

// runDetached leaves the container to a monitor.
func runDetached(ctx *cli.Context, e *engine.Engine, s *engine.Settings) error {
	flags, err := absoluteFlags(ctx, "console-socket", "pidfd-socket")
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

// monitorFlags returns those of these flags that are also for later starts of the container. The
// sockets are those of programs that wait for the first one.
func monitorFlags(ctx *cli.Context) (flags []string, err error) {
	if flags, err = absoluteFlags(ctx, "pid-file"); err != nil {
		return nil, err
	}
	for _, name := range [...]string{"no-pivot", "no-new-keyring"} {
		if ctx.Bool(name) {
			flags = append(flags, "--"+name)
		}
	}
	return flags, nil
}

// absoluteFlags returns flags with paths for the monitor, which runs in another directory.
func absoluteFlags(ctx *cli.Context, names ...string) (flags []string, err error) {
	for _, name := range names {
		path := ctx.String(name)
		if path == "" {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		flags = append(flags, "--"+name+"="+path)
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
		), Tmpfs: cmdline.ListValues(ctx, "tmpfs"), Connection: connectionFlags(ctx),
		Memory: ctx.String("memory"), Swap: ctx.String("memory-swap"), CPUs: ctx.String("cpus"),
		Pids: ctx.Int("pids-limit"), ReadOnly: ctx.Bool("read-only"),
		CapAdd: cmdline.ListValues(
			ctx,
			"cap-add",
		), CapDrop: cmdline.ListValues(ctx, "cap-drop"), Security: cmdline.ListValues(ctx, "security-opt"),
		NoHealth: ctx.Bool("no-healthcheck"), HealthCommand: ctx.String("health-cmd"),
		HealthInterval: ctx.Duration("health-interval"),
		HealthTimeout:  ctx.Duration("health-timeout"), HealthStart: ctx.Duration("health-start-period"),
		HealthRetries: ctx.Int("health-retries"),
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
	if err := s.SetRestart(ctx.String("restart")); err != nil {
		return nil, err
	}
	var err error
	if s.MonitorFlags, err = monitorFlags(ctx); err != nil {
		return nil, err
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

// The descriptors that the engine passes on to a monitor.
const (
	answerFD = 3 + iota // the first one that os/exec passes on
	claimFD
)

// monitorCommand attends a detached container. `run --detach` starts it.
func monitorCommand() *cli.Command {
	return &cli.Command{Name: "monitor", Hidden: true, ArgsUsage: "ID", Flags: createFlags(),
		Action: func(ctx *cli.Context) error {
			if !slices.Contains(inherited, answerFD) || !slices.Contains(inherited, claimFD) {
				return errors.New("monitor: only run --detach and start start it")
			}
			// Opened by the engine for this process only.
			answers, attended := os.NewFile(answerFD, "answers"), os.NewFile(claimFD, "attended")
			if err := newEngine(ctx).Monitor(ctx.Args().First(), optionsForImage(ctx), answers, attended); err != nil {
				return messages.ExitStatus(1)
			}
			return nil
		}}
}
