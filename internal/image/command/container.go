package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/commit"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// CommitContainer returns the command that `minirun commit` executes, while the container is paused.
func CommitContainer() *cli.Command {
	return &cli.Command{
		Name: "commit-container", Hidden: true, ArgsUsage: "CONTAINER [NAME]",
		Flags: []cli.Flag{&cli.StringFlag{Name: "author"}, &cli.StringFlag{Name: "message"},
			&cli.StringSliceFlag{Name: "change"}},
		Action: commitContainer,
	}
}

func commitContainer(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	names, err := commit.ParseNames(ctx.Args().Get(1))
	if err != nil {
		return err
	}
	s, release, err := OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	c, err := commit.Open(s, ctx.Args().First())
	if err != nil {
		return err
	}
	d, err := c.Commit(ctx.Context, s, commit.Options{Author: ctx.String("author"), Message: ctx.String("message"),
		Changes: ctx.StringSlice("change")})
	if err != nil {
		return fmt.Errorf("commit %s: %w", c.ID, err)
	}
	if len(names) == 0 {
		err = s.AddUnnamed(ctx.Context, d)
	} else {
		err = s.SetName(ctx.Context, names[0], d)
	}
	if err != nil {
		return err
	}
	i, err := s.Load(d, "")
	if err == nil {
		termtext.Fprintln(ctx.App.Writer, i.ID())
	}
	return err
}

// Export returns the command export.
func Export() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write the file system of a container to a tar archive", ArgsUsage: "CONTAINER",
		Description: "The archive has the files of the image and those that the container wrote, without volumes\n" +
			"and other mounts. minirun import creates an image from it.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` instead of standard output"},
		},
		Action: exportContainer,
	}
}

func exportContainer(ctx *cli.Context) (err error) {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	file := ctx.String("output")
	if file == "" && stdio.Out.IsTerminal() {
		return errors.New("export: refusing to write an archive to a terminal\nhint: redirect standard output, or use " +
			"--output FILE")
	}
	s, release, err := OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	c, err := commit.Open(s, ctx.Args().First())
	if err != nil {
		return err
	}
	layers, err := c.Layers(s)
	if err != nil {
		return err
	}
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return fmt.Errorf("export %s: %w", c.ID, err)
	}
	defer func() { _ = tree.Close() }()
	out := os.Stdout
	if file != "" {
		f, err := atomicfile.Create(file, 0o600) // may contain secrets
		if err != nil {
			return err
		}
		defer func() { err = f.Done(err) }()
		out = f.File
	}
	return layer.Pack(ctxio.NewWriter(ctx.Context, out), fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()), layer.PackOptions{})
}
