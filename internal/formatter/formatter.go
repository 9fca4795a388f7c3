// Package formatter prints rows in the formats that docker's --format takes: a Go template for each
// row, or "table TEMPLATE", whose columns are aligned under a header.
package formatter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/termtext"
)

// A Row contains the values of a template's placeholders.
type Row map[string]any

// Label returns the value of one label, for {{.Label "NAME"}}. In the header it is the name.
func (r Row) Label(name string) string {
	if all, ok := r["Labels"].(Labels); ok {
		return all[name]
	}
	return name
}

// Labels are printed as a list of NAME=VALUE.
type Labels map[string]string

func (l Labels) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		list = append(list, name+"="+l[name])
	}
	return strings.Join(list, ",")
}

// MarshalJSON implements json.Marshaler: the list, as in docker's JSON.
func (l Labels) MarshalJSON() ([]byte, error) { return json.Marshal(l.String()) }

// A Table is a list of rows, and the header of each placeholder.
type Table struct {
	Headers map[string]string
	Rows    []Row
}

// functions returns docker's template functions, as far as they apply to texts and lists.
func functions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return termtext.JSON(string(text)), err
		},
		"join":  strings.Join,
		"split": strings.Split,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"truncate": func(text string, most int) string {
			return string([]rune(text)[:max(0, min(most, len([]rune(text))))])
		},
	}
}

// Write writes the rows in the format TEMPLATE, or table TEMPLATE, which prints a header line and
// aligns columns at the tabs in the template.
func (t Table) Write(w io.Writer, format string) error {
	text, isTable := strings.CutPrefix(format, "table ")
	parsed, err := parse(text)
	if err != nil {
		return err
	}
	rows := t.Rows
	if isTable {
		first := Row{}
		for name, header := range t.Headers {
			first[name] = header
		}
		rows = append([]Row{first}, rows...)
	}
	var out bytes.Buffer
	for _, r := range rows {
		if err := parsed.Execute(&out, r); err != nil {
			return fmt.Errorf("--format: %w", err)
		}
		out.WriteByte('\n')
	}
	if !isTable {
		_, err = io.WriteString(w, termtext.Text(out.String()))
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if _, err := io.WriteString(table, termtext.Text(out.String())); err != nil {
		return err
	}
	return table.Flush()
}

func parse(text string) (*template.Template, error) {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.TrimSpace(text))
	parsed, err := template.New("format").Funcs(functions()).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--format: %w", err)
	}
	return parsed, nil
}

// Execute writes a value in the format TEMPLATE, and a newline.
func Execute(w io.Writer, format string, value any) error {
	parsed, err := parse(format)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, value); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	out.WriteByte('\n')
	_, err = io.WriteString(w, termtext.Text(out.String()))
	return err
}

// OneLine replaces whitespace, including line breaks, with single spaces.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Shorten returns text in at most most characters. If it is longer, it ends with an ellipsis.
func Shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// FormatAge returns how long ago a time was, or "-" if it is unknown.
func FormatAge(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return units.HumanDuration(time.Since(*t)) + " ago"
}
