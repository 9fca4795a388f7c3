package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
)

func layersCommand() *cli.Command {
	return &cli.Command{
		Name:      "layers",
		Usage:     "show the layers of a bundle, container or image, and the origin of a path",
		ArgsUsage: "BUNDLE|ID [PATH]  |  IMAGE",
		Description: "The topmost layer comes first. With PATH: what each layer has there, and which of\n" +
			"them is visible in the container.",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "json", Usage: "same as --format json"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "tree", Usage: "image: list each layer's files"}),
			cmdline.TextFlag(cli.StringFlag{Name: "range",
				Usage: "image: show only the layers `FROM-TO`, counted from 1, the lowest"}),
			cmdline.TextFlag(cli.StringFlag{Name: "why",
				Usage: "image: which layers have `PATH`, and which of them is visible"}),
		},
		Action: layers,
	}
}

func layers(ctx *cli.Context) error {
	format := ctx.String("format")
	if ctx.Bool("json") {
		format = "json"
	}
	if format != "table" && format != "json" {
		return fmt.Errorf("--format %q: must be table or json", format)
	}
	stack, err := inspect.FindStack(ctx.String("root"), ctx.Args().First())
	if err != nil && !isDir(ctx.Args().First()) {
		e := newEngine(ctx)
		name, ambiguous := e.Resolve(ctx.Args().First())
		if ambiguous != nil {
			return ambiguous
		}
		if _, bad := e.Record(name); bad == nil { // a container that has exited, or its ID
			dir := e.Store.Container(name)
			if stack, err = inspect.FindStack(ctx.String("root"), dir); err == nil {
				stack.Upper = filepath.Join(dir, "upper")
			}
		} else if _, _, bad := e.Store.Find(ctx.Args().First()); bad == nil {
			return becomeImage(os.Args[1:])
		}
	}
	if errors.Is(err, fs.ErrNotExist) && !isDir(ctx.Args().First()) {
		return fmt.Errorf("layers: %q is not a container, an image or a bundle\nhint: minirun ps -a lists containers, and "+
			"minirun images images", ctx.Args().First())
	}
	if err != nil {
		return err
	}
	if ctx.NArg() == 2 {
		return showPath(ctx.App.Writer, stack, ctx.Args().Get(1), format)
	}
	return showLayers(ctx.App.Writer, stack, format)
}

func showLayers(w io.Writer, stack *inspect.Stack, format string) error {
	all, err := stack.Layers()
	if err != nil {
		return err
	}
	changes, err := stack.Changes()
	if err != nil {
		return err
	}
	if format == "json" {
		return termtext.WriteJSON(w, map[string]any{"layers": all, "written": changes})
	}
	return inspect.WriteLayers(w, all, changes)
}

func showPath(w io.Writer, stack *inspect.Stack, path, format string) error {
	found, err := stack.Find(path)
	if err != nil {
		return err
	}
	if format == "json" {
		err = termtext.WriteJSON(w, found)
	} else {
		err = inspect.WritePath(w, found)
	}
	if err == nil && !slices.ContainsFunc(found, func(f inspect.LayerFile) bool { return f.Seen }) {
		err = messages.ExitStatus(1)
	}
	return err
}
