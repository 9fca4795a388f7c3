package listing

import (
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

// An Instruction is a line of `history`: one instruction of the Dockerfile.
type Instruction struct {
	Created   *time.Time `json:"created,omitempty"`
	CreatedBy string     `json:"createdBy"`
	Comment   string     `json:"comment,omitempty"`
	Layer     string     `json:"layer,omitempty"` // digest of the blob; "" if the instruction created no layer
	Size      int64      `json:"size"`
}

// History matches an image's history with its layers: each entry that is not marked as empty takes
// the next layer. Layers that are not in the history come last.
func History(i *store.Image) []Instruction {
	steps := []Instruction{}
	next := 0
	for _, h := range i.Config.History {
		st := Instruction{Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if !h.EmptyLayer && next < len(i.Manifest.Layers) {
			st.Layer, st.Size = i.Manifest.Layers[next].Digest.String(), i.Manifest.Layers[next].Size
			next++
		}
		steps = append(steps, st)
	}
	for ; next < len(i.Manifest.Layers); next++ {
		steps = append(steps, Instruction{Layer: i.Manifest.Layers[next].Digest.String(),
			Size: i.Manifest.Layers[next].Size})
	}
	return steps
}

// WriteHistory writes a table of instructions, newest first.
func WriteHistory(w io.Writer, list []Instruction, full bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	termtext.Fprintf(table, "LAYER\tCREATED\tCREATED BY\tSIZE\n")
	for _, i := range slices.Backward(list) {
		layer, by := "metadata", formatter.OneLine(i.CreatedBy)
		if i.Layer != "" {
			layer = shortID(i.Layer)
		}
		if !full {
			by = formatter.Shorten(by, 60)
		}
		termtext.Fprintf(table, "%s\t%s\t%s\t%s\n", layer, formatter.FormatAge(i.Created), by,
			units.HumanSize(float64(i.Size)))
	}
	return table.Flush()
}
