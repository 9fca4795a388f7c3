package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/compare"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
	"github.com/minirun/minirun/internal/views"
)

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "start a bundle with minirun and another runtime, and compare what the kernel reports",
		ArgsUsage: "BUNDLE  |  IMAGE",
		Description: "Both containers are stopped when they execute their program, examined, and\n" +
			"deleted: the program does not run, but hooks do. The exit status is 1 if there is\n" +
			"an unexplained difference.",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "with", Value: "runc", Usage: "the other `RUNTIME`: runc, crun, or a path"}),
			cmdline.NumberFlag(cli.IntFlag{Name: "rounds", Value: 10, Usage: "measure create and delete `N` times, in turn"}),
			cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}),
		},
		Action: compareBundle,
	}
}

func compareBundle(ctx *cli.Context) error {
	if ctx.Int("rounds") < 0 {
		return fmt.Errorf("--rounds %d: must not be negative", ctx.Int("rounds"))
	}
	format := ctx.String("format")
	if format != "table" && format != "json" {
		return fmt.Errorf("--format %q: must be table or json", format)
	}
	other, err := exec.LookPath(ctx.String("with"))
	if err != nil {
		return fmt.Errorf("--with %q: %w\nhint: apt install runc crun, or give the path of a runtime",
			ctx.String("with"), err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t, err := findCompared(ctx, self)
	if err != nil {
		return err
	}
	if err := os.Unsetenv(compare.PrivateMounts); err != nil { // the runtimes and their hooks must not see it
		return err
	}
	alive, err := compare.CancelOnSignal()
	if err != nil {
		return err
	}
	var result *compare.Result
	start := func(bundle string) (err error) {
		result, err = compare.Compare(alive, bundle, compare.Runtime{Name: "minirun", Path: self},
			compare.Runtime{Name: filepath.Base(other), Path: other}, ctx.Int("rounds"))
		return err
	}
	if t.Image != "" {
		err = views.WithBundle(alive, newEngine(ctx), t.Image, start)
	} else {
		err = start(t.Bundle)
	}
	if err != nil {
		return errors.Join(context.Cause(alive), err)
	}
	if format == "json" {
		err = termtext.WriteJSON(ctx.App.Writer, result)
	} else {
		err = result.Text(ctx.App.Writer)
	}
	for _, d := range result.Differences {
		if err == nil && d.Why == "" {
			return messages.ExitStatus(1)
		}
	}
	return err
}

// findCompared returns the bundle or image to be compared. It does not return if the
// bundle's mounts would be made on the host: see compare.InPrivateMounts.
func findCompared(ctx *cli.Context, self string) (views.Target, error) {
	t, err := findView(ctx, ctx.Args().Slice())
	if err != nil || t.Image != "" {
		return t, err
	}
	if t.Container {
		if r, err := newEngine(ctx).Record(t.ID); err == nil {
			return t, fmt.Errorf("compare: container %s has layers of an image, which other runtimes do not mount\n"+
				"hint: minirun compare %s", t.ID, r.Name)
		}
	}
	onHost, err := compare.MountsOnHost(t.Bundle)
	if err == nil && onHost && os.Getenv(compare.PrivateMounts) == "" {
		err = compare.InPrivateMounts(self)
	}
	return t, err
}
