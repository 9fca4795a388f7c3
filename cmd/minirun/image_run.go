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
	"github.com/minirun/minirun/internal/language"
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
	s, err := imageSettings(ctx, t.Image)
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

// imageSettings checks the flags for an image and returns its settings.
func imageSettings(ctx *cli.Context, image string) (*engine.Settings, error) {
	if err := runflags.CheckImage(ctx, image); err != nil {
		return nil, err
	}
	s, err := runflags.Read(ctx, ctx.Args().Tail())
	if err != nil {
		return nil, err
	}
	s.MonitorFlags, err = monitorFlags(ctx)
	return s, err
}

// createFromImage creates a container without starting it.
func createFromImage(ctx *cli.Context, t runtarget.Target) error {
	s, err := imageSettings(ctx, t.Image)
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
	if !stdio.Err.IsTerminal() || t.Stored || pull == "never" {
		return
	}
	if n, err := image.ParseName(t.Image); err == nil {
		text := fmt.Sprintf("image %s is not in the store: pulling it from %s", n.Familiar(), n.Registry)
		fmt.Fprintf(stdio.Err, "minirun: %s\n", language.Text(text))
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

// detachInput makes standard input an empty file, as Docker does without -i.
func detachInput() error {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(fd)
	return unix.Dup3(fd, 0, 0)
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
