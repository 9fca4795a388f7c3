package build

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"text/tabwriter"
	"time"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/termtext"
)

// This file implements the methods of --call other than check. The output, as text and as
// JSON, is that of docker buildx build --call.

// OpenCheck reads a Dockerfile that is remote, or whose context is. The caller must hold the
// store's shared lock; done removes temporary files.
func (b *Builder) OpenCheck(ctx context.Context, o *Options) (c *Check, done func(), err error) {
	in := &inputs{
		trees:     map[string]*contenthash.Tree{},
		images:    map[string]string{},
		createdAt: map[string]func() (time.Time, error){graph.MainContext: nil},
	}
	if err := b.openMainContext(ctx, o, in); err != nil {
		in.close()
		return nil, nil, err
	}
	return &Check{
		Name:    in.name,
		Text:    in.text,
		Context: in.trees[graph.MainContext],
		Options: o,
		Store:   b.Store,
	}, in.close, nil
}

// Outline prints the parameters of the target.
func (c *Check) Outline(ctx context.Context, w io.Writer, format string) error {
	outline, err := ctxio.Do(ctx, func() (*dockerfile.Outline, error) {
		file, err := dockerfile.Parse(c.Name, c.Text)
		if err != nil {
			return nil, err
		}
		o, _ := c.dockerfileOptions()
		return file.Outline(o)
	})
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(w, outline)
	}
	return printOutline(w, outline)
}

// Targets prints the stages of the Dockerfile.
func (c *Check) Targets(w io.Writer, format string) error {
	file, err := dockerfile.Parse(c.Name, c.Text)
	if err != nil {
		return err
	}
	targets := file.Targets()
	if format == "json" {
		return printJSON(w, targets)
	}
	rows := [][]string{{"TARGET", "DESCRIPTION"}}
	for _, t := range targets.Targets {
		name := t.Name
		switch {
		case t.Default && name == "":
			name = "(default)"
		case t.Default:
			name += " (default)"
		}
		rows = append(rows, []string{name, t.Description})
	}
	return printTable(w, 1, rows)
}

func printOutline(w io.Writer, o *dockerfile.Outline) error {
	var errs []error
	if o.Name != "" || o.Description != "" {
		name := o.Name
		if name == "" {
			name = "(default)"
		}
		rows := [][]string{{"TARGET:", name}}
		if o.Description != "" {
			rows = append(rows, []string{"DESCRIPTION:", o.Description})
		}
		errs = append(errs, printTable(w, 1, rows), printLine(w))
	}
	if len(o.Args) > 0 {
		rows := [][]string{{"BUILD ARG", "VALUE", "DESCRIPTION"}}
		for _, a := range o.Args {
			rows = append(rows, []string{a.Name, a.Value, a.Description})
		}
		errs = append(errs, printTable(w, 3, rows), printLine(w))
	}
	for _, list := range []struct {
		title string
		of    []dockerfile.Parameter
	}{{"SECRET", o.Secrets}, {"SSH", o.SSH}} {
		if len(list.of) == 0 {
			continue
		}
		rows := [][]string{{list.title, "REQUIRED"}}
		for _, p := range list.of {
			required := ""
			if p.Required {
				required = "true"
			}
			rows = append(rows, []string{p.Name, required})
		}
		errs = append(errs, printTable(w, 3, rows), printLine(w))
	}
	return errors.Join(errs...)
}

func printLine(w io.Writer) error {
	_, err := io.WriteString(w, "\n")
	return err
}

// printTable prints rows in columns separated by padding. Terminal control characters are
// escaped.
func printTable(w io.Writer, padding int, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, padding, ' ', 0)
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if i > 0 {
				line += "\t"
			}
			line += termtext.Line(cell)
		}
		if _, err := io.WriteString(t, line+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

func printJSON(w io.Writer, what any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(what)
}

// A subrequest is a method of --call, with BuildKit's names.
type subrequest struct {
	Name        string       `json:"name"`
	Version     string       `json:"version"`
	Type        string       `json:"type"`
	Description string       `json:"description"`
	Opts        []namedThing `json:"opts"`
	Inputs      []namedThing `json:"inputs"`
	Metadata    []namedThing `json:"metadata"`
	Refs        []namedThing `json:"refs"`
}

type namedThing struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// subrequests returns the methods in the order in which they are listed.
func subrequests() []subrequest {
	results := []namedThing{{Name: "result.json"}, {Name: "result.txt"}}
	out := []subrequest{
		{
			Name:        "outline",
			Description: "List the parameters of a build target",
			Opts:        []namedThing{{"target", "Target build stage"}},
		},
		{Name: "targets", Description: "List the targets of the Dockerfile"},
		{Name: "subrequests.describe", Description: "List the methods of --call"},
	}
	for i := range out {
		out[i].Version, out[i].Type, out[i].Metadata = "1.0.0", "rpc", results
	}
	return out
}

// DescribeMethods prints the methods of --call.
func DescribeMethods(w io.Writer, format string) error {
	list := subrequests()
	if format == "json" {
		for i := range list {
			list[i].Name = "frontend." + list[i].Name
		}
		return printJSON(w, list)
	}
	rows := [][]string{{"NAME", "VERSION", "DESCRIPTION"}}
	for _, r := range list {
		rows = append(rows, []string{r.Name, r.Version, r.Description})
	}
	return printTable(w, 1, rows)
}
