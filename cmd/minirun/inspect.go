package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show a container from both sides, the host's and its own, or images",
		ArgsUsage: "ID|IMAGE…",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table",
				Usage: "table, json, or a Go template with docker's fields"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "repeat until the container exits"}),
			cmdline.TextFlag(cli.StringFlag{Name: "interval", Value: "1s", Usage: "`TIME` between two updates of --watch"}),
			cmdline.TextFlag(cli.StringFlag{Name: "type", Usage: "`container|image`, if the name may be both"}),
			cmdline.TextFlag(cli.StringFlag{Name: "platform", Usage: "image: that for `OS/ARCHITECTURE`"}),
		},
		Action: inspectContainer,
	}
}

func inspectContainer(ctx *cli.Context) error {
	if namesImages(ctx) {
		return becomeImage(os.Args[1:])
	}
	if ctx.String("platform") != "" {
		return cmdline.UsageError(ctx.Command, "--platform is for images, but "+ctx.Args().First()+" is not one")
	}
	format := ctx.String("format")
	isForScripts := ctx.NArg() > 1 || strings.Contains(format, "{{")
	switch {
	case isForScripts && (ctx.Bool("watch") || ctx.IsSet("interval")):
		return cmdline.UsageError(ctx.Command, "--watch needs one container, and --format table or json")
	case isForScripts:
		return becomeEngine(ctx)
	case format != "table" && format != "json":
		return fmt.Errorf("--format %q: must be table, json or a Go template such as {{.State.Status}}", format)
	}
	interval, err := time.ParseDuration(ctx.String("interval"))
	if err != nil || interval <= 0 {
		return fmt.Errorf("--interval %q: must be a time above 0 such as 500ms or 5s", ctx.String("interval"))
	}
	id := ctx.Args().First()
	if ctx.Bool("watch") && format == "table" {
		return watchContainer(ctx, id, interval)
	}
	for {
		v, err := viewContainer(ctx, id)
		if err != nil {
			return err
		}
		if err := showView(ctx.App.Writer, v, format); err != nil {
			return err
		}
		if !ctx.Bool("watch") || v.hasExited() {
			return nil
		}
		time.Sleep(interval)
	}
}

// namesImages reports whether the arguments are images: the first one is not a container, or --type
// says so.
func namesImages(ctx *cli.Context) bool {
	id := ctx.Args().First()
	if kind := ctx.String("type"); kind != "" {
		return kind != "container"
	}
	if _, err := record.Read(ctx.String("root"), id); err == nil {
		return false
	}
	e := newEngine(ctx)
	if _, err := e.Record(id); err == nil {
		return false
	}
	_, _, err := e.Store.Find(id)
	return err == nil
}

func watchContainer(ctx *cli.Context, id string, interval time.Duration) error {
	seen := false
	err := inspect.Watch(stdio.Out, interval, func() (string, bool, error) {
		v, err := viewContainer(ctx, id)
		if seen && errors.Is(err, record.ErrNotExist) {
			return fmt.Sprintf("container %q exited and was deleted\n", id), true, nil
		}
		if err != nil {
			return "", false, err
		}
		seen = true
		var text strings.Builder
		err = showView(&text, v, "table")
		return text.String(), v.hasExited(), err
	})
	var by *wait.Interrupted
	if errors.As(err, &by) && by.Signal == unix.SIGINT {
		return nil // ^C is how a user ends it
	}
	return err
}

// A view is a container as the runtime knows it and, if it was created from an image,
// the engine's additions: the image, and its health.
type view struct {
	*inspect.View
	Image *engine.Listed `json:"image,omitempty"`
}

func (v *view) hasExited() bool {
	return v.Status == string(specs.StateStopped) || v.Status == engine.Exited
}

func viewContainer(ctx *cli.Context, id string) (*view, error) {
	v, err := inspect.Inspect(ctx.String("root"), id)
	l, notOfImage := newEngine(ctx).Status(id)
	switch {
	case notOfImage == nil && err != nil: // no longer exists in the runtime
		return &view{&inspect.View{ID: id, Status: l.StoppedState()}, l}, nil
	case err != nil:
		return nil, err
	case notOfImage != nil:
		return &view{View: v}, nil
	}
	return &view{v, l}, nil
}

func showView(w io.Writer, v *view, format string) error {
	if format == "json" {
		return termtext.WriteJSON(w, v)
	}
	if v.Image == nil {
		return v.Text(w)
	}
	termtext.Fprintf(w, "image     %s\nstatus    %s\n", image.Familiar(v.Image.Name), v.Image.Status())
	for _, r := range v.Image.Remarks() {
		termtext.Fprintf(w, "%-9s %s\n", r.Name, language.Text(r.Text))
	}
	if h := v.Image.Health; h != nil && v.Image.Attended {
		termtext.Fprintf(w, "health    %s\n", language.Text(string(h.Status)+
			"; the runtime is not involved: minirun runs the check with exec, and counts"))
		for _, p := range h.Log {
			termtext.Fprintf(w, "          %s  status %d  %s\n", p.Start.Local().Format(time.TimeOnly), p.Status,
				termtext.Clip(p.Output, 60))
		}
	}
	termtext.Fprintln(w)
	if v.Status == engine.Exited || v.Status == engine.Restarting {
		return nil
	}
	return v.Text(w)
}
