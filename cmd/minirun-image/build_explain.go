package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/explain"
	"github.com/minirun/minirun/internal/stdio"
)

// explainBuilt implements build --explain: for each platform, it shows the result of every
// instruction.
func explainBuilt(ctx *cli.Context, built []build.Built, took time.Duration) error {
	how := ctx.String("explain")
	if how == "" {
		return nil
	}
	for _, b := range built {
		r, err := b.Report(took)
		if err != nil {
			return fmt.Errorf("--explain: %w", err)
		}
		if err := writeReport(ctx, r, how); err != nil {
			return fmt.Errorf("--explain=%s: %w", how, err)
		}
	}
	return nil
}

// checkExplain checks the format before anything is built.
func checkExplain(how string) error {
	if how == "" || how == "text" || how == "json" || strings.HasSuffix(how, ".svg") ||
		strings.HasSuffix(how, ".html") {
		return nil
	}
	return fmt.Errorf("--explain=%s: must be text, json, or the name of a file that ends with .svg or .html", how)
}

func writeReport(ctx *cli.Context, r *explain.Report, how string) error {
	switch {
	case how == "text":
		return explain.Text(ctx.App.Writer, r, stdio.Out.IsTerminal() && os.Getenv("NO_COLOR") == "")
	case how == "json":
		return explain.JSON(ctx.App.Writer, r)
	}
	f, err := atomicfile.Create(how, 0o666)
	if err != nil {
		return err
	}
	if filepath.Ext(how) == ".svg" {
		err = explain.SVG(f, r)
	} else {
		err = explain.HTML(f, r)
	}
	return f.Done(err)
}
