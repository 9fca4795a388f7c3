package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/runtarget"
	"github.com/minirun/minirun/internal/stdio"
)

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
	s, err := imageSettings(ctx, t)
	if err != nil {
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
	status, err := makeAndRun(ctx, e, s, o)
	if err = errors.Join(err, done()); err != nil {
		return messages.NewFailure(err, max(status, 1))
	}
	if status != 0 {
		return messages.ExitStatus(status)
	}
	return nil
}

// imageSettings checks the flags for an image and returns its settings.
func imageSettings(ctx *cli.Context, t runtarget.Target) (*engine.Settings, error) {
	if err := runflags.CheckImage(ctx, t.Image); err != nil {
		return nil, err
	}
	return runflags.Read(ctx, ctx.Args().Tail())
}

// createFromImage creates a container without starting it.
func createFromImage(ctx *cli.Context, t runtarget.Target) error {
	s, err := imageSettings(ctx, t)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	announcePull(t, s.Pull)
	r, err := newEngine(ctx).Create(t.Image, s)
	if err != nil {
		return messages.NewFailure(err, engine.CannotRun)
	}
	fmt.Fprintln(ctx.App.Writer, r.Container)
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

// detachInput makes standard input an empty file, as Docker does without -i.
func detachInput() error {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(fd)
	return unix.Dup3(fd, 0, 0)
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
