package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/lint"
	"github.com/minirun/minirun/internal/build/metadata"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/termtext"
)

// An outcome is a successful build and the options that affect its output.
type outcome struct {
	cli      *cli.Context
	delivery *build.Delivery
	metadata metadata.Options

	built  []build.Built
	record string // ID in the build history, or ""
	found  *lint.Result
	took   time.Duration

	unknownArguments, unknownStages []string // not declared in the Dockerfile
}

// write prints the result and writes it to files. d is nil for a build without output.
func (o *outcome) write(d *build.Delivered) error {
	if d == nil {
		d = &build.Delivered{}
	}
	if isQuiet(o.cli) && d.ID != "" {
		termtext.Fprintln(o.cli.App.Writer, d.ID)
	}
	if file := o.cli.String("iidfile"); file != "" {
		if err := export.WriteFile(file, []byte(d.ID)); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	if err := o.writeMetadata(d); err != nil {
		return err
	}
	for _, name := range o.unknownArguments {
		command.Warn(fmt.Errorf("--build-arg %s: the Dockerfile has no such ARG", name))
	}
	for _, name := range o.unknownStages {
		command.Warn(fmt.Errorf("--no-cache-filter %s: no stage has this name", name))
	}
	return explainBuilt(o.cli, o.built, o.took)
}

// writeMetadata writes the file of --metadata-file.
func (o *outcome) writeMetadata(d *build.Delivered) error {
	file := o.cli.String("metadata-file")
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(o.metadata.Fields(metadata.Result{
		Version: version, Built: o.built, Delivered: d, Attest: o.delivery.Attest, Record: o.record,
		Warnings: vertexWarnings(o.found),
	}), "", "  ")
	if err == nil {
		err = export.WriteFile(file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}
