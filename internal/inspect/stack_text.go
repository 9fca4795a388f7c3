package inspect

import (
	"io"
	"text/tabwriter"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// This file writes layers as tables.

// WriteLayers writes layers, the topmost first, and what the container has written.
func WriteLayers(w io.Writer, layers []Layer, changes []Written) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tROLE\tFILES\tBYTES\tWHITEOUTS\tOPAQUE\tPATH\n")
	for i := len(layers) - 1; i >= 0; i-- {
		l := layers[i]
		termtext.Fprintf(table, "%d\t%s\t%d\t%d\t%d\t%d\t%s\n", l.Number, l.Role, l.Files, l.Bytes, l.Whiteouts,
			l.Opaque, l.Path)
	}
	if len(changes) > 0 {
		termtext.Fprintf(table, "\nWRITTEN\tKIND\tBYTES\tPATH\n")
		for _, c := range changes {
			termtext.Fprintf(table, "%s\t%s\t%d\t%s\n", c.What, c.Kind, c.Size, c.Path)
		}
	}
	return table.Flush()
}

// WritePath writes what each layer has at a path.
func WritePath(w io.Writer, found []LayerFile) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tHAS\t\tPATH\n")
	for _, f := range found {
		note := f.Why
		if f.Seen {
			note = "visible in the container"
		} else if note != "" {
			note = "hidden: " + note
		}
		termtext.Fprintf(table, "%d\t%s\t%s\t%s\n", f.Number, f.Kind, language.Text(note), f.Layer)
	}
	return table.Flush()
}
