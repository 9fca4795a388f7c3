package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/containerfiles"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
	"github.com/minirun/minirun/internal/userns"
)

func cpCommand() *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "copy files between a container created from an image and the host",
		ArgsUsage: "ID:PATH|PATH|- ID:PATH|PATH|-",
		Description: "If the destination is a directory, files are copied into it; PATH/. stands for the content of a\n" +
			"directory. - is a tar archive on standard input or output.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "archive", Aliases: []string{"a"},
				Usage: "keep owners; otherwise files belong to root in the container, or to you"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "follow-link", Aliases: []string{"L"},
				Usage: "copy what a link in the source leads to"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not report what was copied"}),
		},
		Action: copyFiles,
	}
}

// A place is an argument of cp.
type place struct{ container, path string }

// parsePlace parses ID:PATH, or a path of the host, which begins with / or . if it has a colon.
func parsePlace(text string) place {
	name, path, ok := strings.Cut(text, ":")
	if !ok || strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") || strings.Contains(name, "/") {
		return place{path: text}
	}
	return place{name, path}
}

func copyFiles(ctx *cli.Context) error {
	entered, err := userns.Continue()
	if err != nil {
		return err
	}
	from, to := parsePlace(ctx.Args().Get(0)), parsePlace(ctx.Args().Get(1))
	name := from.container
	switch {
	case from.container != "" && to.container != "":
		return cmdline.UsageError(ctx.Command, "both paths are in containers: copy to the host first, or with two commands "+
			"and a pipe: minirun cp ID:PATH - | minirun cp - ID:PATH")
	case from.container == "" && to.container == "":
		return cmdline.UsageError(ctx.Command, "neither path is in a container: write it as ID:PATH")
	case name == "":
		name = to.container
	case to.path == "-" && stdio.Out.IsTerminal():
		return cmdline.UsageError(ctx.Command, "the archive would be written to the terminal: redirect standard output")
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	if name, err = e.Resolve(name); err != nil {
		return err
	}
	root, err := openContainer(e, name, entered)
	if err != nil {
		return err
	}
	stopping, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	c := &containerfiles.Copier{Container: root, Options: containerfiles.Options{
		Archive: ctx.Bool("archive"), Follow: ctx.Bool("follow-link"), Warn: messages.Warn,
	}}
	err = runCopy(stopping, c, from, to)
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped by a signal; files copied before it remain")
	}
	if err := errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("cp: %w", err)
	}
	if !ctx.Bool("quiet") && to.path != "-" {
		termtext.Fprintln(os.Stderr, language.Text(fmt.Sprintf("copied %s to %s",
			units.HumanSizeWithPrecision(float64(c.Bytes), 3), ctx.Args().Get(1))))
	}
	return nil
}

// runCopy copies in the direction that the arguments say.
func runCopy(ctx context.Context, c *containerfiles.Copier, from, to place) error {
	switch {
	case to.container == "" && to.path == "-":
		return c.Archive(ctx, from.path, os.Stdout)
	case from.container == "" && from.path == "-":
		return c.Unpack(ctx, os.Stdin, to.path)
	case to.container == "":
		return c.Out(ctx, from.path, to.path)
	}
	return c.In(ctx, from.path, to.path)
}

// rootVariable is the number of the descriptor of a running container's root directory.
const rootVariable = "MINIRUN_CONTAINER_ROOT"

// openContainer opens the root directory of a container. Without root, the command continues in a user
// namespace with the IDs of their containers. The root directory of a running one is opened before,
// because only the user who created the container's namespace has access to its processes.
func openContainer(e *engine.Engine, name string, entered bool) (*containerfiles.Root, error) {
	if entered {
		if fd, err := strconv.Atoi(os.Getenv(rootVariable)); err == nil {
			return containerfiles.Inherit(e, name, fd)
		}
		return containerfiles.OpenStopped(e, name)
	}
	root, err := containerfiles.OpenRunning(e, name)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	var env []string
	if root != nil {
		files, env = []*os.File{root.File()}, []string{rootVariable + "=" + strconv.Itoa(userns.FirstFile)}
	}
	_, err = userns.EnterWith(files, env...)
	var exited *userns.ExitedError
	if errors.As(err, &exited) {
		return nil, messages.ExitStatus(exited.Status)
	}
	if err != nil || root != nil {
		return root, err
	}
	return containerfiles.OpenStopped(e, name)
}
