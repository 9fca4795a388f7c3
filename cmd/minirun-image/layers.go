package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/termtext"
)

func layersCommand() *cli.Command {
	return &cli.Command{
		Name: "layers", Usage: "show an image's layers: the command that created each, and what it added, changed and removed", ArgsUsage: "IMAGE",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.BoolFlag{Name: "tree", Usage: "list each layer's files"},
			&cli.StringFlag{Name: "range", Usage: "`FROM-TO`: these layers alone, counted from 1, the lowest"},
			&cli.StringFlag{Name: "why", Usage: "say which layers have `PATH`, and which of them is seen"},
		},
		Action: layers,
	}
}

// A view is a layer of an image as `layers` prints it.
type view struct {
	Number  int    `json:"number"` // 1 is the lowest
	Command string `json:"command"`
	Blob    string `json:"blob"`
	Packed  int64  `json:"packed"` // size of the blob
	Path    string `json:"path"`   // path of the unpacked layer
	layer.Difference
}

func layers(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s, release, err := shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	i, dirs, err := unpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	if path := ctx.String("why"); path != "" {
		return why(ctx.App.Writer, dirs, path, asJSON)
	}
	from, to, err := rangeOf(ctx.String("range"), len(dirs))
	if err != nil {
		return err
	}
	commands := map[string][]string{}
	for _, st := range stepsOf(i) {
		commands[st.Layer] = append(commands[st.Layer], st.CreatedBy)
	}
	views := []view{}
	var below layer.Merged
	for n := 1; n <= to; n++ {
		blob := i.Manifest.Layers[n-1]
		d, err := below.Add(dirs[n-1])
		if err != nil {
			return fmt.Errorf("layer %d: %w", n, err)
		}
		if n < from {
			continue
		}
		v := view{Number: n, Blob: blob.Digest.String(), Packed: blob.Size, Path: dirs[n-1], Difference: *d}
		if made := commands[v.Blob]; len(made) > 0 {
			v.Command, commands[v.Blob] = made[0], made[1:]
		}
		views = append(views, v)
	}
	if asJSON {
		return writeJSON(ctx.App.Writer, views)
	}
	return show(ctx.App.Writer, views, ctx.Bool("tree"))
}

func rangeOf(text string, count int) (from, to int, err error) {
	if text == "" {
		return 1, count, nil
	}
	begin, end, two := strings.Cut(text, "-")
	from, err = strconv.Atoi(begin)
	if to = from; err == nil && two {
		if to = count; end != "" {
			to, err = strconv.Atoi(end)
		}
	}
	if err != nil || from < 1 || to > count || from > to {
		return 0, 0, fmt.Errorf("--range %q: must be FROM-TO, between 1 and %d", text, count)
	}
	return from, to, nil
}

// show prints the layers in stack order, topmost first.
func show(w io.Writer, views []view, tree bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tADDED\tCHANGED\tREMOVED\tSIZE\tWASTED\tMADE BY\n")
	var wasted int64
	for n := len(views) - 1; n >= 0; n-- {
		v := views[n]
		wasted += v.Wasted
		command := strings.Join(strings.Fields(v.Command), " ")
		if r := []rune(command); len(r) > 70 && !tree {
			command = string(r[:69]) + "…"
		}
		termtext.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t%s\t%s\n", v.Number, v.Added, v.Changed, v.Removed, units.HumanSize(float64(v.Bytes)), units.HumanSize(float64(v.Wasted)), command)
		if tree {
			if err := table.Flush(); err != nil {
				return err
			}
			branch(w, v)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wasted > 0 {
		termtext.Fprintf(w, "\n%s are wasted: in lower layers, and hidden by what upper ones changed or removed.\n", units.HumanSize(float64(wasted)))
	}
	return nil
}

// branch prints a layer's files as a tree.
func branch(w io.Writer, v view) {
	sign := map[string]string{"added": "+", "changed": "~", "removed": "-", "on the way": " "}
	for _, c := range v.Files {
		depth := strings.Count(c.Path, "/") - 1
		name := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		if c.Dir {
			name += "/"
		}
		size := ""
		if !c.Dir && c.What != "removed" {
			size = "  " + units.HumanSize(float64(c.Size))
		}
		termtext.Fprintf(w, "   %s %s%s%s\n", sign[c.What], strings.Repeat("  ", depth), name, size)
	}
}

// why prints which layers a path comes from.
func why(w io.Writer, dirs []string, path string, asJSON bool) error {
	stack := &inspect.Stack{Lower: dirs}
	found, err := stack.Find(path)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, found)
	}
	seen := false
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range found {
		note := f.Why
		switch {
		case f.Seen:
			seen, note = true, "this is seen"
		case note != "":
			note = "hidden: " + note
		}
		termtext.Fprintf(table, "%d\t%s\t%s\n", f.Number, f.Kind, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !seen {
		return fmt.Errorf("layers --why %s: a container would not see it", path)
	}
	return nil
}
