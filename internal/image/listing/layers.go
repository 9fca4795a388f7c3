package listing

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/tree"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// A Layer is a layer of an image, as `layers` prints it.
type Layer struct {
	Number  int    `json:"number"` // 1 is the lowest
	Command string `json:"command"`
	Blob    string `json:"blob"`
	Packed  int64  `json:"packed"` // size of the blob
	Path    string `json:"path"`   // path of the unpacked layer
	*layer.Difference
}

// Layers returns the layers of an image, lowest first. dirs are their directories. The files have the
// number of the later layer that hides them.
func Layers(i *store.Image, dirs []string) ([]Layer, *tree.Image, error) {
	commands := map[string][]string{}
	for _, h := range History(i, nil) {
		commands[h.Layer] = append(commands[h.Layer], h.Command())
	}
	list := []Layer{}
	var below layer.Merged
	var differences []*layer.Difference
	for n, dir := range dirs {
		d, err := below.Add(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("layer %d: %w", n+1, err)
		}
		blob := i.Manifest.Layers[n]
		l := Layer{Number: n + 1, Blob: blob.Digest.String(), Packed: blob.Size, Path: dir, Difference: d}
		if created := commands[l.Blob]; len(created) > 0 {
			l.Command, commands[l.Blob] = created[0], created[1:]
		}
		list, differences = append(list, l), append(differences, d)
	}
	return list, tree.New(differences), nil
}

// WriteLayers writes a table of layers in stack order, topmost first. With tree set, it lists the
// files of each. Without it, the table has at most the given width.
func WriteLayers(w io.Writer, list []Layer, tree bool, width int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tADDED\tCHANGED\tREMOVED\tSIZE\tWASTED\tCREATED BY\n")
	var wasted int64
	for _, v := range slices.Backward(list) {
		wasted += v.Wasted
		command := formatter.OneLine(v.Command)
		if !tree {
			command = formatter.Shorten(command, max(width-layersWidth, 20))
		}
		size, hidden := units.HumanSize(float64(v.Bytes)), units.HumanSize(float64(v.Wasted))
		termtext.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t%s\t%s\n", v.Number, v.Added, v.Changed, v.Removed, size, hidden,
			command)
		if tree {
			if err := table.Flush(); err != nil {
				return err
			}
			writeTree(w, v)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wasted > 0 {
		termtext.Fprintf(w, "\n%s\n", language.Text(fmt.Sprintf("%s are wasted by files that an upper layer changes or "+
			"removes.", units.HumanSize(float64(wasted)))))
	}
	return nil
}

// layersWidth is the usual width of the columns before the instruction.
const layersWidth = 52

// writeTree writes a layer's files as a tree.
func writeTree(w io.Writer, v Layer) {
	sign := map[layer.ChangeKind]string{
		layer.Added: "+", layer.Changed: "~", layer.Removed: "-", layer.Parent: " ",
	}
	for _, c := range v.Files {
		depth := strings.Count(c.Path, "/") - 1
		name := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		if c.Dir {
			name += "/"
		}
		size := ""
		if !c.Dir && c.What != layer.Removed {
			size = "  " + units.HumanSize(float64(c.Size))
		}
		termtext.Fprintf(w, "   %s %s%s%s\n", sign[c.What], strings.Repeat("  ", depth), name, size)
	}
}

// WriteOrigin writes what each layer has at a path, and which of it is visible.
func WriteOrigin(w io.Writer, path string, found []inspect.LayerFile) error {
	seen := false
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range found {
		note := f.Why
		switch {
		case f.Seen:
			seen, note = true, "visible"
		case note != "":
			note = "hidden: " + note
		}
		termtext.Fprintf(table, "%d\t%s\t%s\n", f.Number, f.Kind, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !seen {
		return fmt.Errorf("layers --why %s: the path does not exist in a container", path)
	}
	return nil
}
