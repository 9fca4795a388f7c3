package listing

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image/store"
)

// An Instruction is a line of `history`: one instruction of the Dockerfile.
type Instruction struct {
	Created   *time.Time `json:"created,omitempty"`
	CreatedBy string     `json:"createdBy"`
	Comment   string     `json:"comment,omitempty"`
	Layer     string     `json:"layer,omitempty"`  // digest of the blob; "" if the instruction created no layer
	Size      int64      `json:"size"`             // of the files in the layer, if it is unpacked
	Packed    int64      `json:"packed,omitempty"` // of the blob
	Unpacked  bool       `json:"unpacked"`
}

// History matches an image's history with its layers: each entry that is not marked as empty takes
// the next layer. Layers that are not in the history come last. sizes are those of the unpacked
// layers, or nil.
func History(i *store.Image, sizes []int64) []Instruction {
	steps := []Instruction{}
	next := 0
	takeLayer := func(st *Instruction) {
		l := i.Manifest.Layers[next]
		st.Layer, st.Packed, st.Unpacked = l.Digest.String(), l.Size, sizes != nil
		if sizes != nil {
			st.Size = sizes[next]
		}
		next++
	}
	for _, h := range i.Config.History {
		st := Instruction{Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment, Unpacked: true}
		if !h.EmptyLayer && next < len(i.Manifest.Layers) {
			takeLayer(&st)
		}
		steps = append(steps, st)
	}
	for next < len(i.Manifest.Layers) {
		var st Instruction
		takeLayer(&st)
		steps = append(steps, st)
	}
	return steps
}

// builtHere is the comment of the instructions that minirun build executed.
const builtHere = "minirun build"

// Command returns the instruction in one line. The text in an image that minirun built ends as that of
// BuildKit does, so that both builders create the same image. Tables name minirun instead.
func (i *Instruction) Command() string {
	text := formatter.OneLine(i.CreatedBy)
	if rest, ok := strings.CutSuffix(text, " # buildkit"); ok && i.Comment == builtHere {
		return rest + " # minirun"
	}
	return text
}

// WriteHistory writes instructions in a table or with a template, newest first. The table has at most
// the given width, unless full is set.
func WriteHistory(w io.Writer, list []Instruction, style HistoryStyle) error {
	headers := map[string]string{"Layer": "LAYER", "ID": "ID", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT",
		"CreatedBy": "CREATED BY", "Size": "SIZE", "Packed": "PACKED", "Comment": "COMMENT"}
	rows := []formatter.Row{}
	age, size := len("CREATED"), len("SIZE")
	for _, i := range slices.Backward(list) {
		row := historyRow(i, style)
		age, size = max(age, cellWidth(row["CreatedSince"])), max(size, cellWidth(row["Size"]))
		rows = append(rows, row)
	}
	format := style.Format
	if format == "table" {
		format = `table {{.Layer}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}`
	}
	if !style.Full {
		for _, r := range rows {
			most := style.Width - age - size - shortIDLength - 3*gap
			r["CreatedBy"] = formatter.Shorten(fmt.Sprint(r["CreatedBy"]), max(most, 20))
		}
	}
	return formatter.Table{Headers: headers, Rows: rows}.Write(w, format)
}

func cellWidth(value any) int { return len(fmt.Sprint(value)) }

// A HistoryStyle selects how instructions are printed.
type HistoryStyle struct {
	Format string // table, or docker's table TEMPLATE or TEMPLATE
	Full   bool   // do not shorten instructions
	Exact  bool   // sizes in bytes, and times instead of ages
	Width  int
}

// shortIDLength is the length of a shortened digest.
const shortIDLength = 12

// historyRow returns the values for a template.
func historyRow(i Instruction, style HistoryStyle) formatter.Row {
	row := formatter.Row{
		"Layer": "metadata", "ID": "<missing>", "CreatedSince": formatter.FormatAge(i.Created), "CreatedAt": "-",
		"CreatedBy": i.Command(), "Size": sizeText(i.Size, i.Packed, i.Unpacked), "Comment": i.Comment,
		"Packed": sizeText(i.Packed, 0, true),
	}
	if i.Layer != "" {
		row["Layer"] = abbreviated(i.Layer, style.Full)
	}
	if i.Created != nil {
		row["CreatedAt"] = i.Created.Local().Format(time.RFC3339)
	}
	if style.Exact {
		row["CreatedSince"], row["Size"] = row["CreatedAt"], strconv.FormatInt(i.Size, 10)
		if !i.Unpacked {
			row["Size"] = strconv.FormatInt(i.Packed, 10) + " packed"
		}
	}
	return row
}
