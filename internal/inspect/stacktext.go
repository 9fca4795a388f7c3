package inspect

import (
	"io"
	"text/tabwriter"

	"github.com/minirun/minirun/internal/termtext"
)

// WriteStack writes a table of layers, the topmost first, and of what the container has written.
func WriteStack(w io.Writer, all []Layer, changes []Written) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tROLE\tFILES\tBYTES\tWHITEOUTS\tOPAQUE\tPATH\n")
	for i := len(all) - 1; i >= 0; i-- {
		l := all[i]
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

// WriteOrigins writes what each layer has at a path.
func WriteOrigins(w io.Writer, found []LayerFile) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "LAYER\tHAS\t\tPATH\n")
	for _, v := range found {
		note := v.Why
		if v.Seen {
			note = "visible in the container"
		} else if note != "" {
			note = "hidden: " + note
		}
		termtext.Fprintf(table, "%d\t%s\t%s\t%s\n", v.Number, v.Kind, note, v.Layer)
	}
	return table.Flush()
}
