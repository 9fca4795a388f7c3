package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/history"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/image/command"
)

// startRecord starts the record of a build for `build history`. The record receives the builder's
// events in addition to the display.
func startRecord(ctx *cli.Context, o *build.Options, b *build.Builder, shown progress.Display) (*records.Writer,
	error) {
	w, err := records.Begin(b.Store, describeRequest(ctx, o))
	if err == nil {
		b.Sink = w.Watch(shown)
	}
	return w, err
}

// endRecord adds the result to the record of a build.
func endRecord(w *records.Writer, built []build.Built, d *build.Delivered, err error) {
	if err := w.End(describeResult(built, d, err)); err != nil {
		command.Warn(err)
	}
}

// recordedFlags lists further flags whose values are recorded.
var recordedFlags = []string{
	"pull", "no-cache", "no-cache-filter", "network", "allow", "add-host", "ulimit", "shm-size", "cache-from",
	"cache-to", "output", "push", "load",
	"attest", "provenance", "sbom",
}

// describeRequest describes the request on the command line. It contains neither the values of secrets
// nor passwords in URLs.
func describeRequest(ctx *cli.Context, o *build.Options) records.Record {
	where, file, repository := history.Locate(o.Context, o.File)
	r := records.Record{
		Name: history.Title(where, file, o.Target), Context: where, Dockerfile: file, Repository: repository,
		Target: o.Target, Tags: ctx.StringSlice("tag"), Arguments: o.BuildArgs, Labels: o.Labels,
		Contexts: maps.Clone(o.Contexts), Options: map[string]string{},
	}
	for _, f := range ctx.LocalFlagNames() { // only flags that are set
		if !slices.Contains(recordedFlags, f) {
			continue
		}
		r.Options[f] = strings.Join(ctx.StringSlice(f), ", ")
		if r.Options[f] == "" {
			r.Options[f] = fmt.Sprint(ctx.Value(f))
		}
	}
	for name, from := range r.Contexts {
		r.Contexts[name] = source.RedactURL(from)
	}
	list := o.Platforms
	if len(list) == 0 {
		list = []oci.Platform{platforms.DefaultSpec()}
	}
	for _, p := range list {
		r.Platforms = append(r.Platforms, platforms.Format(platforms.Normalize(p)))
	}
	return r
}

// describeResult describes the result of a build.
func describeResult(built []build.Built, d *build.Delivered, err error) (records.Status, records.Result) {
	status := records.Completed
	r := records.Result{Materials: map[string]string{}}
	if err != nil {
		status = records.Failed
		if errors.Is(err, context.Canceled) {
			status = records.Canceled
		}
		lines, cause := build.QuoteError(err)
		r.Error, r.Source = cause.Error(), lines
	}
	for i := range built {
		for _, m := range built[i].Bases() {
			for _, algorithm := range slices.Sorted(maps.Keys(m.Digest)) {
				r.Materials[m.URI] = algorithm + ":" + m.Digest[algorithm]
			}
		}
	}
	if d != nil && d.ID != "" {
		r.Image, r.Digest = d.ID, d.Desc.Digest.String()
		for _, n := range d.Names {
			r.Names = append(r.Names, n.String())
		}
	}
	return status, r
}
