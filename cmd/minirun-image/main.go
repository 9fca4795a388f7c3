// Command minirun-image does what minirun does with images: pull, push, load, save
// and the rest. `minirun pull` executes it, so nobody types its name. It is a
// program of its own because what it links would cost every start of a container
// a millisecond and a half.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/termtext"
)

func main() {
	if status, done := inUserNamespace(); done {
		os.Exit(status)
	}
	ctx, stop := interruptible()
	surviveBrokenPipes()
	a := app()
	args, _ := cmdline.Arrange(os.Args, a, arguments)
	err := a.RunContext(ctx, args)
	interrupted := context.Cause(ctx)
	stop()
	if err == nil {
		return
	}
	var by *signaled
	if errors.As(interrupted, &by) {
		fmt.Fprintf(os.Stderr, "minirun: canceled: %v\n", by)
		os.Exit(128 + int(by.signal))
	}
	if outputBroken(err) {
		os.Exit(128 + int(syscall.SIGPIPE)) // as by the signal, and as quietly: | head
	}
	termtext.Fprintf(os.Stderr, "minirun: %v\n", termtext.Multiline(termtext.Bounded(err.Error())))
	os.Exit(1)
}

// surviveBrokenPipes makes a broken pipe on standard output or error an error of
// the write: the Go runtime would end this program with SIGPIPE, in the middle of
// a build or of a change of the store. The signal itself is not of interest.
func surviveBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// outputBroken reports whether a command failed because the reader of its output
// is gone.
func outputBroken(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && errors.Is(write.Err, syscall.EPIPE) && write.Path == os.Stdout.Name()
}

// signaled is the end of a context by a signal.
type signaled struct{ signal syscall.Signal }

func (s *signaled) Error() string { return s.signal.String() }

// Is makes it one of the errors of a context that has ended.
func (s *signaled) Is(err error) bool { return err == context.Canceled }

// patience is how long the program may take to clean up after a signal.
const patience = 10 * time.Second

// interruptible is a context that the first SIGINT or SIGTERM ends. The second one
// ends the program.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if n, is := s.(syscall.Signal); ok && is {
			signal.Stop(signals)
			cancel(&signaled{n})
			// What cannot be interrupted, such as a write to a terminal that is stopped, must
			// not keep the program from exiting. It usually exits long before.
			time.AfterFunc(patience, func() { os.Exit(128 + int(n)) })
		}
	}()
	return ctx, func() { signal.Stop(signals) }
}

func app() *cli.App {
	commands := slices.Concat([]*cli.Command{
		buildCommand(), imagetoolsCommand(), pullCommand(), pushCommand(), loadCommand(), saveCommand(), importCommand(),
		imagesCommand(), tagCommand(), rmiCommand(), historyCommand(), layersCommand(),
		unpackCommand(), bundleCommand(), pruneCommand(), storeCommand(),
	}, helperCommands())
	prepare(commands)
	return &cli.App{
		Name:                      "minirun",
		Usage:                     "images of minirun",
		EnableBashCompletion:      os.Getenv("MINIRUN_COMPLETE") != "", // as in cmd/minirun
		HideHelpCommand:           true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true, // a comma in --change is its own
		Compiled:                  time.Unix(1, 0),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "store", Value: image.DefaultDir(), Usage: "directory of images"},
			// minirun's own, which it passes on.
			&cli.StringFlag{Name: "root", Hidden: true}, &cli.StringFlag{Name: "log", Hidden: true}, &cli.StringFlag{Name: "log-format", Hidden: true},
			&cli.BoolFlag{Name: "debug", Hidden: true}, &cli.BoolFlag{Name: "systemd-cgroup", Hidden: true}, &cli.StringFlag{Name: "cgroup-manager", Hidden: true},
			&cli.StringFlag{Name: "rootless", Hidden: true}, &cli.StringFlag{Name: "criu", Hidden: true},
		},
		Commands:       commands,
		ExitErrHandler: func(*cli.Context, error) {}, // main reports
		// Layers are mounted from other directories than the one that this program was started in.
		Before: func(ctx *cli.Context) error {
			if ctx.Bool("debug") {
				debuglog.To(func(text string) { termtext.Fprintf(os.Stderr, "minirun: debug: %s\n", text) })
			}
			if err := checkCgroupManager(ctx); err != nil {
				return err
			}
			for _, fd := range cmdline.Descriptors(os.Args) { // it is read here, and not by what is executed
				unix.CloseOnExec(fd)
			}
			dir, err := filepath.Abs(ctx.String("store"))
			if err != nil {
				return err
			}
			debuglog.Printf("minirun-image: command %s, process %d, store %s", ctx.Args().First(), os.Getpid(), dir)
			return ctx.Set("store", dir)
		},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return err },
	}
}

// prepare sets what all commands have, and their subcommands.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true // an image may be called help
		c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
			return cmdline.UsageError(ctx.Command, err.Error())
		}
		prepare(c.Subcommands)
	}
}

// shared opens the store for a command that uses it or adds to it; the function
// gives it back.
func shared(ctx *cli.Context) (*ingest.Store, func(), error) {
	s, err := ingest.Open(ctx.String("store"))
	if err != nil {
		return nil, nil, err
	}
	lock, err := s.Share(ctx.Context)
	if err != nil {
		return nil, nil, err
	}
	return s, lock.Unlock, nil
}

// owned opens it for a command that removes.
func owned(ctx *cli.Context) (*ingest.Store, func(), error) {
	s, err := ingest.Open(ctx.String("store"))
	if err != nil {
		return nil, nil, err
	}
	lock, err := s.Own(ctx.Context, false)
	if err == syscall.EWOULDBLOCK || lock == nil {
		fmt.Fprintln(os.Stderr, "minirun: the store is in use: waiting")
		lock, err = s.Own(ctx.Context, true)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, lock.Unlock, nil
}

// arguments divides the words after a command's name into its flags, which may
// be anywhere as in docker, and its arguments. The commands for minirun itself get
// ports and paths after their first argument, and no flags.
func arguments(command *cli.Command, words []string, _ bool) cmdline.Line {
	if command.Hidden {
		return cmdline.Split(words, command.Flags, 0)
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}
