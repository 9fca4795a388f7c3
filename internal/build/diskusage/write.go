package diskusage

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

// The default format, and the header of each placeholder.
const tableFormat = `table {{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}`

// Write lists entries in the format table, pretty, json, TEMPLATE or table TEMPLATE, with the totals
// after the first two.
func Write(w io.Writer, format string, entries []*store.CacheEntry) error {
	switch format {
	case "table":
		if err := tableOf(entries).Write(w, tableFormat); err != nil {
			return err
		}
	case "pretty":
		if err := writePretty(w, entries); err != nil {
			return err
		}
	case "json":
		for _, e := range entries {
			r := rowOf(e)
			r["ID"], r["Size"] = e.ID, strconv.FormatInt(e.Size, 10)
			r["CreatedAt"], r["LastUsedAt"] = e.Created.UTC().Format(time.RFC3339), e.Used.UTC().Format(time.RFC3339)
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
		return nil
	default:
		return tableOf(entries).Write(w, format)
	}
	return writeTotals(w, entries)
}

func tableOf(entries []*store.CacheEntry) formatter.Table {
	t := formatter.Table{Headers: map[string]string{
		"ID": "ID", "Parents": "PARENTS", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE",
		"Shared": "SHARED", "Size": "SIZE", "Description": "DESCRIPTION", "LastUsedAt": "LAST ACCESSED", "Type": "TYPE",
	}}
	for _, e := range entries {
		t.Rows = append(t.Rows, rowOf(e))
	}
	return t
}

func rowOf(e *store.CacheEntry) formatter.Row {
	mark := func(text string, marked bool) string {
		if marked {
			text += "*"
		}
		return text
	}
	return formatter.Row{
		"ID":          mark(e.ID, e.Mutable),
		"Parents":     append([]string{}, e.Parents...), // [] instead of null in JSON
		"CreatedAt":   formatter.FormatAge(&e.Created),
		"Mutable":     e.Mutable,
		"Reclaimable": !e.InUse,
		"Shared":      e.Shared,
		"Size":        mark(units.HumanSize(float64(e.Size)), e.Shared),
		"Description": formatter.OneLine(e.Description),
		"LastUsedAt":  formatter.FormatAge(&e.Used),
		"Type":        e.Type,
	}
}

// writePretty writes all fields of each entry, one a line.
func writePretty(w io.Writer, entries []*store.CacheEntry) error {
	var text strings.Builder
	for _, e := range entries {
		line := func(name, value string) { fmt.Fprintf(&text, "%-13s %s\n", name+":", value) }
		line("ID", e.ID)
		if len(e.Parents) > 0 {
			text.WriteString("Parents:\n - " + strings.Join(e.Parents, "\n - ") + "\n")
		}
		line("Created at", e.Created.UTC().Format("2006-01-02 15:04:05.999999999 -0700 MST"))
		line("Mutable", strconv.FormatBool(e.Mutable))
		line("Reclaimable", strconv.FormatBool(!e.InUse))
		line("Shared", strconv.FormatBool(e.Shared))
		line("Size", units.HumanSize(float64(e.Size)))
		line("Description", formatter.OneLine(e.Description))
		line("Last used", formatter.FormatAge(&e.Used))
		line("Type", e.Type)
		text.WriteString("\n")
	}
	_, err := io.WriteString(w, termtext.Text(text.String()))
	return err
}

func writeTotals(w io.Writer, entries []*store.CacheEntry) error {
	var shared, reclaimable, total int64
	for _, e := range entries {
		total += e.Size
		if e.Shared {
			shared += e.Size
		}
		if !e.InUse {
			reclaimable += e.Size
		}
	}
	if shared > 0 {
		fmt.Fprintf(w, "%-14s %s\n%-14s %s\n", "Shared:", units.HumanSize(float64(shared)), "Private:",
			units.HumanSize(float64(total-shared)))
	}
	_, err := fmt.Fprintf(w, "%-14s %s\n%-14s %s\n", "Reclaimable:", units.HumanSize(float64(reclaimable)), "Total:",
		units.HumanSize(float64(total)))
	return err
}

// WriteRemoved lists the entries that were removed, and reports how much space that freed. Layers
// that images also use free none.
func WriteRemoved(w io.Writer, removed []*store.CacheEntry, verbose bool) error {
	var freed int64
	for _, e := range removed {
		if !e.Shared {
			freed += e.Size
		}
	}
	if len(removed) > 0 {
		var err error
		if verbose {
			err = writePretty(w, removed)
		} else {
			err = tableOf(removed).Write(w, tableFormat)
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "Total: %s\n", units.HumanSize(float64(freed)))
	return err
}
